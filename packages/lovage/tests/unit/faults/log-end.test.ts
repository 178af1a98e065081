// What a log of `everysec` may forget: the judge must not excuse more.
import { expect, test } from 'vitest';
import type { PublishMark, RunLine } from '../../faults/harness/ledger.ts';
import { endMayBeForgotten, mayBeForgotten } from '../../faults/harness/log-end.ts';

const END = { known: 100, gone: 130 };
const at = (mark: PublishMark, time: number) => ({ mark, id: 'a', took: 0, time });

test.each<[string, Parameters<typeof mayBeForgotten>[0], boolean]>([
  ['answered before the last write that is known', [at('try', 90), at('ok', 99)], false],
  ['answered after it', [at('try', 90), at('ok', 101)], true],
  ['never answered', [at('try', 129), at('maybe', 131)], true],
  ['answered by the next server', [at('try', 101), at('maybe', 131), at('ok', 140)], false],
  ['sent to the next server', [at('try', 131)], false],
  ['never sent', [], false],
])('a task whose publish was %s', (_, lines, may) => {
  expect(mayBeForgotten(lines, END)).toBe(may);
});

test.each<[string, RunLine['what'], number, boolean]>([
  ['ended well before the last write that is known', 'end', -500, false],
  ['ended after it', 'end', 110, true],
  ['ended under the next server', 'end', 131, false],
  ['only began', 'start', 110, false],
])('the end of a task that %s', (_, what, time, may) => {
  expect(endMayBeForgotten([{ what, id: 'a', attempt: 1, worker: 'w/1', time }], END)).toBe(may);
});
