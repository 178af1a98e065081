// Canvases from the typed call to the value, with a whole worker, on stores that count chords and a broker of each kind.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorker } from '../../../src/worker/index.ts';
import { type CanvasTasks, canvases, declareCanvasTasks, type Sendable } from '../../support/canvases.ts';
import { places, setup } from '../worker/places.ts';

const WHERE = new Set(['memory', 'sqlite, one file', 'redis', 'amqp with redis']);

describe.each(places.filter(([name]) => WHERE.has(name)))('%s', (_name, place) => {
  const stack = new AsyncDisposableStack();
  let tasks: CanvasTasks;
  beforeAll(async () => {
    const made = stack.use(await setup(place));
    tasks = declareCanvasTasks(made.app, '');
    stack.use(await startWorker(made.app, { pool: 'async', concurrency: 10 }));
  });
  afterAll(() => stack.disposeAsync());

  for (const { title, make, expected, missing } of canvases) {
    it(title, async () => {
      const result = await (make(tasks) as Sendable).delay(...missing);
      expect(await result?.get({ timeout: 20 })).toEqual(expected);
    });
  }
});
