import { expect, test } from 'vitest';
import { type Row, unfinishedRow, withRuns } from '../../faults/harness/report.ts';
import { brokenPromises, CROWDED_SLACK, type Scenario, type ScenarioResult } from '../../faults/harness/scenario.ts';

const scenario = (id: string): Scenario => ({
  id,
  title: `Fault ${id}`,
  applies: ['redis', 'sqlite'],
  run: () => Promise.reject(new Error('Nobody runs it here.')),
});
const result: ScenarioResult = {
  lost: 0,
  doubled: 2,
  phantom: 0,
  doubleFinal: 0,
  inFlight: 4,
  recoverySeconds: [3, 1],
  violations: [],
};
const row = (id: string, given: Partial<Row> = {}): Row => ({
  scenario: id,
  stack: 'redis',
  seed: 1,
  scale: 'long',
  ...result,
  ...given,
});
const page = 'Before.\n\n<!-- faults:begin (written by npm run test:faults) -->\n\n<!-- faults:end -->\n\nAfter.\n';
const lines = (text: string): readonly string[] => text.split('\n').filter((line) => line.startsWith('| Fault '));

test('the table has a line for each fault and broker that was run, and leaves the rest of the page alone', () => {
  const written = withRuns(
    page,
    [scenario('b'), scenario('a')],
    [row('a'), row('b'), row('b', { scale: 'short', stack: 'sqlite' })],
  );
  expect(lines(written)).toEqual([
    '| Fault b | sqlite | 1 + 0 | 0 | 2 of 4 | 0 | 0 | – | 1.00 / 3.00 | – |  |',
    '| Fault b | redis | 0 + 1 | 0 | 2 of 4 | 0 | 0 | – | – | 1.00 / 3.00 |  |',
    '| Fault a | redis | 0 + 1 | 0 | 2 of 4 | 0 | 0 | – | – | 1.00 / 3.00 |  |',
  ]);
  expect(written.startsWith('Before.\n')).toBe(true);
  expect(written.endsWith('After.\n')).toBe(true);
});

test('what was not run this time keeps its line; what is no scenario any more loses it', () => {
  const earlier = withRuns(page, [scenario('a'), scenario('b'), scenario('gone')], [row('a'), row('b'), row('gone')]);
  const written = withRuns(earlier, [scenario('a'), scenario('b')], [row('b', { lost: 1 })]);
  expect(lines(written)).toEqual([
    lines(earlier)[0],
    '| Fault b | redis | 0 + 1 | 1 | 2 of 4 | 0 | 0 | – | – | 1.00 / 3.00 | 1 of 1 runs broke the promise |',
  ]);
  expect(withRuns(written, [scenario('a'), scenario('b')], [])).toBe(written);
});

test('a run of a peer that did not come to its end is told, and counts nothing', () => {
  const context = { stack: 'bullmq', seed: 1, scale: 'short' } as const;
  const error = new Error('Not within 30 s: a | b is busy. Ledger: /tmp/somewhere\nand more');
  const unfinished = unfinishedRow(scenario('a'), context, error);
  const told = 'runs did not come to an end (Not within 30 s: a / b is busy)';
  expect(lines(withRuns(page, [scenario('a')], [unfinished]))).toEqual([
    `| Fault a | bullmq | 1 + 0 | – | – | – | – | – | – | – | 1 of 1 ${told} |`,
  ]);
  expect(lines(withRuns(page, [scenario('a')], [unfinished, row('a', { ...context, violations: ['it was slow'] })]))).toEqual([
    `| Fault a | bullmq | 2 + 0 | 0 | 2 of 4 | 0 | 0 | – | 1.00 / 3.00 | – | 1 of 2 ${told}; it was slow |`,
  ]);
});

test('a page without the marks is refused', () => {
  expect(() => withRuns('Nothing.', [], [])).toThrow('lacks the marks');
});

test('what came later than promised, or never, is told beside the figures, with some slack', () => {
  const timed = (seconds: number | null, promised: number, slack?: number): Partial<Row> => ({
    timed: [{ what: 'taken over', seconds, promised, ...(slack === undefined ? {} : { slack }) }],
  });
  const rows = [row('a', timed(3.4, 2)), row('a', timed(3.6, 2)), row('a', timed(null, 2))];
  expect(lines(withRuns(page, [scenario('a')], rows))[0]).toMatch(
    /\| 2 of 3 runs broke the promise; taken over after 3\.6 s, promised were 2 s; never taken over, promised within 2 s \|$/,
  );
  expect(brokenPromises({ ...result, ...timed(2.1, 2, 0) })).toEqual(['taken over after 2.1 s, promised were 2 s']);
  expect(brokenPromises({ ...result, ...timed(11.9, 2, 0) }, CROWDED_SLACK)).toEqual([]);
  expect(brokenPromises({ ...result, ...timed(Number.POSITIVE_INFINITY, 2) }, CROWDED_SLACK)).toHaveLength(1);
});
