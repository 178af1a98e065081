// Canvases and what they give, for whoever runs their tasks: a worker here, one in Python, or both by turns.
import type { Lovage } from '../../src/app/index.ts';
import { chain, chord, group } from '../../src/index.ts';
import type { CanvasResult, SignatureLike, TaskHandle } from '../../src/task/index.ts';

/** The tasks that they are made of. */
export interface CanvasTasks {
  readonly add: TaskHandle<[x: number, y: number], number>;
  readonly double: TaskHandle<[x: number], number>;
  readonly sum: TaskHandle<[numbers: number[]], number>;
  readonly list: TaskHandle<[value: unknown], unknown[]>;
  readonly one: TaskHandle<[], number>;
}

/** Declares them. */
export function declareCanvasTasks(app: Lovage, prefix: string): CanvasTasks {
  return {
    add: app.task(`${prefix}add`, (x: number, y: number) => x + y),
    double: app.task(`${prefix}double`, (x: number) => 2 * x),
    sum: app.task(`${prefix}sum`, (numbers: number[]) => numbers.reduce((all, each) => all + each, 0)),
    list: app.task(`${prefix}list`, (value: unknown) => ['got', value]),
    one: app.task(`${prefix}one`, () => 1),
  };
}

/** Types stand aside here: what may be sent at all is the business of tests/types. */
export type Sendable = SignatureLike & { delay(...missing: readonly unknown[]): Promise<CanvasResult | undefined> };

export interface CanvasRow {
  readonly title: string;
  readonly make: (tasks: CanvasTasks) => unknown;
  readonly expected: unknown;
  /** Arguments that the canvas lacks. */
  readonly missing: readonly unknown[];
}

type Row = readonly [title: string, make: (tasks: CanvasTasks) => unknown, expected: unknown, missing?: readonly unknown[]];

const rows: readonly Row[] = [
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

export const canvases: readonly CanvasRow[] = rows.map(([title, make, expected, missing = []]) => ({
  title,
  make,
  expected,
  missing,
}));
