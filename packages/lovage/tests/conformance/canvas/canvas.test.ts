// Canvases from the typed call to the value, with a whole worker, on stores that count chords and a broker of each kind.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Lovage } from '../../../src/app/index.ts';
import { chain, chord, group } from '../../../src/index.ts';
import type { CanvasResult, SignatureLike } from '../../../src/task/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { places, setup } from '../worker/places.ts';

const WHERE = new Set(['memory', 'sqlite, one file', 'redis', 'amqp with redis']);

/** The tasks of the suite. */
function tasksOf(app: Lovage) {
  return {
    add: app.task('add', (x: number, y: number) => x + y),
    double: app.task('double', (x: number) => 2 * x),
    sum: app.task('sum', (numbers: number[]) => numbers.reduce((all, each) => all + each, 0)),
    list: app.task('list', (value: unknown) => ['got', value]),
    one: app.task('one', () => 1),
  };
}
type Tasks = ReturnType<typeof tasksOf>;
/** Types stand aside here: what may be sent at all is the business of tests/types. */
type Sendable = SignatureLike & { delay(...missing: readonly unknown[]): Promise<CanvasResult | undefined> };

type Row = readonly [title: string, make: (tasks: Tasks) => unknown, expected: unknown, missing?: readonly unknown[]];

const canvases: readonly Row[] = [
  ['a chain', ({ add, double }) => chain(add.s(1, 2), double.s(), add.s(10)), 16],
  ['a chain that lacks its first argument', ({ add, double }) => chain(add.s(1), double.s()), 22, [10]],
  ['an immutable step', ({ add, one }) => chain(add.s(1, 2), one.si(), add.s(5)), 6],
  ['a chain in a chain', ({ add, double }) => chain(add.s(1, 1), chain(double.s(), chain(double.s(), add.s(1)))), 9],
  ['a group', ({ add, double }) => group(add.s(1, 2), double.s(5)), [3, 10]],
  ['a group of a list', ({ add }) => group([1, 2, 3].map((n) => add.s(n, n))), [2, 4, 6]],
  ['a group whose members lack an argument', ({ add, double }) => group(add.s(1), double.s()), [8, 14], [7]],
  ['a group in a group', ({ double }) => group(double.s(1), group(double.s(2), double.s(3)), double.s(4)), [2, 4, 6, 8]],
  ['a group of chains', ({ add, double }) => group(chain(add.s(1, 1), double.s()), chain(add.s(2, 2), double.s())), [4, 8]],
  ['a chain that ends in a group', ({ add, double }) => chain(add.s(1, 2), group(add.s(1), double.s())), [4, 6]],
  ['a chain of nothing but a group gets the arguments', ({ add, double }) => chain(group(add.s(1), double.s())), [6, 10], [5]],
  ['a group of one, written down, behind a step', ({ add, double }) => chain(add.s(1, 2), group(double.s())), 6],
  ['a group of one, of a list, behind a step', ({ add, double }) => chain(add.s(1, 2), group([double.s()])), [6]],
  ['a chord', ({ add, sum }) => chord([add.s(1, 1), add.s(2, 2)], sum.s()), 6],
  ['a chord of one', ({ add, sum }) => chord([add.s(1, 1)], sum.s()), 2],
  ['a chord of none', ({ sum }) => chord([], sum.s()), 0],
  ['a chord whose header lacks an argument', ({ add, sum }) => chord([add.s(1), add.s(2)], sum.s()), 23, [10]],
  ['a group and a task', ({ add, sum }) => group(add.s(1, 1), add.s(2, 2)).pipe(sum.s()), 6],
  ['a chord and a task', ({ add, sum, double }) => chord([add.s(1, 1), add.s(2, 2)], sum.s()).pipe(double.s()), 12],
  ['a chord in a chain', ({ add, double, sum }) => chain(add.s(1, 2), group(add.s(1), double.s()), sum.s(), double.s()), 20],
  [
    'a chord with a chain as its body',
    ({ add, sum, double }) => chord([add.s(1, 1), add.s(2, 2)], chain(sum.s(), double.s())),
    12,
  ],
  [
    'a chord with a group as its body',
    ({ add, sum, list }) => chord([add.s(1, 1), add.s(2, 2)], group(sum.s(), list.s())),
    [6, ['got', [2, 4]]],
  ],
  ['a chain in a header', ({ add, double, sum }) => chord([chain(add.s(1, 1), double.s()), add.s(3, 3)], sum.s()), 10],
  ['a chain as a header', ({ add, double, list }) => chord(chain(add.s(1, 1), double.s()), list.s()), ['got', [4]]],
  [
    'a chord in a header',
    ({ add, sum, list }) => chord([chord([add.s(1, 1), add.s(2, 2)], sum.s()), add.s(3, 3)], list.s()),
    ['got', [6, 6]],
  ],
  [
    'a group in a header',
    ({ double, list }) => chord([double.s(1), group(double.s(2), double.s(3), double.s(4)), double.s(5)], list.s()),
    ['got', [2, 4, 6, 8, 10]],
  ],
  [
    'a chain that ends in a group, in a header',
    ({ add, double, list }) => chord([chain(add.s(1, 1), group(double.s(), add.s(1))), double.s(5)], list.s()),
    ['got', [[4, 3], 10]],
  ],
  [
    'groups behind groups',
    ({ add, list }) => chain(group(add.s(1, 1), add.s(2, 2)), group(list.s(), list.s())),
    [
      ['got', [2, 4]],
      ['got', [2, 4]],
    ],
  ],
  [
    'a chord behind a chord',
    ({ add, sum, double }) => chain(add.s(1, 1), chord([add.s(1), double.s()], sum.s()), chord([add.s(1), double.s()], sum.s())),
    22,
  ],
  ['an empty group before a step', ({ add, list }) => chain(add.s(1, 2), group(), list.si([])), ['got', []]],
  ['an empty group at the end', ({ add }) => chain(add.s(1, 2), group()), 3],
];

describe.each(places.filter(([name]) => WHERE.has(name)))('%s', (_name, place) => {
  const stack = new AsyncDisposableStack();
  let tasks: Tasks;
  beforeAll(async () => {
    const made = stack.use(await setup(place));
    tasks = tasksOf(made.app);
    stack.use(await startWorker(made.app, { pool: 'async', concurrency: 10 }));
  });
  afterAll(() => stack.disposeAsync());

  for (const [title, make, expected, missing = []] of canvases) {
    it(title, async () => {
      const result = await (make(tasks) as Sendable).delay(...missing);
      expect(await result?.get({ timeout: 20 })).toEqual(expected);
    });
  }
});
