// A task that lets a canvas finish in its place, wherever it stands itself: what waits for it gets what the canvas gives.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chain, chord, group } from '../../../src/index.ts';
import type { SignatureLike } from '../../../src/task/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { type CanvasTasks, declareCanvasTasks, type Sendable } from '../../support/canvases.ts';
import { places, setup } from '../worker/places.ts';

type Make = (tasks: CanvasTasks) => SignatureLike;

/** In whose place, and what it gives. */
const replacements: Readonly<Record<string, readonly [Make, unknown]>> = {
  'a task': [({ add }) => add.s(1, 2), 3],
  'a chain': [({ add }) => chain(add.s(1, 2), add.s(10)), 13],
  'a group': [({ add }) => group(add.s(1, 1), add.s(2, 2)), [2, 4]],
  'a chord': [({ add, sum }) => chord([add.s(1, 1), add.s(2, 2)], sum.s()), 6],
  'a chain that ends in a group': [({ add }) => chain(add.s(1, 1), group(add.s(1), add.s(2))), [3, 4]],
};

const swaps = 'swaps';

describe.each(places.filter(([name]) => ['memory', 'redis'].includes(name)))('%s', (_name, place) => {
  const stack = new AsyncDisposableStack();
  let tasks: CanvasTasks;
  let swap: (kind: string) => SignatureLike;
  beforeAll(async () => {
    const { app } = stack.use(await setup(place));
    tasks = declareCanvasTasks(app, '');
    app.task(swaps, { bind: true }, (ctx, kind: string) => ctx.replace(replacements[kind]![0](tasks)));
    swap = (kind) => app.signature(swaps, [kind], { immutable: true });
    stack.use(await startWorker(app, { pool: 'async', concurrency: 10, hostname: `${uuid()}@canvas` }));
  });
  afterAll(() => stack.disposeAsync());

  const got = (value: unknown): unknown => ['got', value];
  /** Where it stands, and what comes out when `value` takes its place. */
  const stands: Readonly<Record<string, readonly [(swapped: never) => unknown, (value: unknown) => unknown]>> = {
    alone: [(swapped) => swapped, (value) => value],
    'at the beginning of a chain': [(swapped) => chain(swapped, tasks.list.s()), got],
    'in a chain': [(swapped) => chain(tasks.one.s(), swapped, tasks.list.s()), got],
    'in a group': [(swapped) => group(swapped, tasks.one.s()), (value) => [value, 1]],
    'in a header': [(swapped) => chord([swapped, tasks.one.s()], tasks.list.s()), (value) => got([value, 1])],
    'in a chain in a header': [
      (swapped) => chord([chain(tasks.one.s(), swapped, tasks.list.s()), tasks.one.s()], tasks.list.s()),
      (value) => got([got(value), 1]),
    ],
    'as a body': [(swapped) => chord([tasks.one.s()], swapped), (value) => value],
  };

  for (const [where, [make, expected]] of Object.entries(stands)) {
    it.each(Object.keys(replacements))(`%s in the place of a task ${where}`, async (kind) => {
      const result = await (make(swap(kind) as never) as Sendable).delay();
      expect(await result?.get({ timeout: 20 })).toEqual(expected(replacements[kind]![1]));
    });
  }
});
