// A canvas as a picture: lines, Mermaid, DOT, and with the states of its tasks.
import { expect, test } from 'vitest';
import { chain, chord, explain, group, statesOf } from '../../../src/index.ts';
import { project } from './support.ts';

const { app, add, mul, xsum, identity, onError } = project();
const canvas = chain(
  add.s(1, 2).linkError(onError.s()),
  group(add.s(3), chain(mul.s(4), identity.s())),
  app.signature('proj.xsum'),
);

test('as lines', () => {
  expect(explain(canvas).toText()).toBe(
    [
      'chain',
      '├─ proj.add(1, 2)',
      '│  └─ linkError: proj.on_error()',
      '└─ chord',
      '   ├─ header',
      '   │  ├─ proj.add(3)',
      '   │  └─ chain',
      '   │     ├─ proj.mul(4)',
      '   │     └─ proj.identity()',
      '   └─ body: proj.xsum()',
    ].join('\n'),
  );
});

test('for Mermaid: the ends of a header lead to its body', () => {
  expect(explain(canvas).toMermaid()).toBe(
    [
      'flowchart LR',
      '  t0["proj.add(1, 2)"]',
      '  t1["proj.on_error()"]',
      '  t2["proj.add(3)"]',
      '  t3["proj.mul(4)"]',
      '  t4["proj.identity()"]',
      '  t5["proj.xsum()"]',
      '  t0 -. linkError .-> t1',
      '  t3 --> t4',
      '  t2 --> t5',
      '  t4 --> t5',
      '  t0 --> t2',
      '  t0 --> t3',
    ].join('\n'),
  );
});

test('for Graphviz, with states and texts that need care', () => {
  const risky = app.signature('say', ['a "b" <c> \\ d']).freeze('id-1');
  const { toDot, toMermaid } = explain(risky, new Map([['id-1', 'SUCCESS']]));
  expect(toDot()).toContain('t0 [label="say(\'a \\"b\\" <c> \\\\ d\')\\nSUCCESS", style="filled", fillcolor="palegreen3"];');
  expect(toMermaid()).toContain('&quot;b&quot; &lt;c&gt;');
});

test('with how its tasks stand', async () => {
  const frozen = chord([add.s(1, 1), add.s(2, 2)], xsum.s()).freeze();
  const ids = explain(frozen).tasks.map(({ id }) => id!);
  await app.results.put([app.results.encode({ taskId: ids[0]!, status: 'SUCCESS', result: 2 }, { attempt: 1 })]);
  const { tasks } = explain(frozen, await statesOf(frozen));
  expect(tasks.map(({ state }) => state)).toEqual(['SUCCESS', 'PENDING', 'PENDING']);
  expect(explain(canvas).tasks.every(({ id, state }) => id === undefined && state === undefined)).toBe(true);
});
