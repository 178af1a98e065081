// Canvases from the typed call to the value, with a whole worker, on stores that count chords and a broker of each kind.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { uuid } from '../../../src/util/index.ts';
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
    stack.use(await startWorker(made.app, { pool: 'async', concurrency: 10, hostname: `${uuid()}@canvas` }));
  });
  afterAll(() => stack.disposeAsync());

  for (const { title, make, expected, missing } of canvases) {
    it(title, async () => {
      const result = await (make(tasks) as Sendable).delay(...missing);
      expect(await result?.get({ timeout: 20 })).toEqual(expected);
    });
  }
});

/** Where results are kept and not counted, Celery's celery.chord_unlock looks at them; each look is a second from the last. */
describe('files as results', () => {
  const stack = new AsyncDisposableStack();
  let tasks: CanvasTasks;
  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lovage-canvas-'));
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    const settings = { brokerUrl: `memory://${uuid()}`, resultBackend: `file://${folder}`, resultChordRetryInterval: 0.2 };
    const made = stack.use(await setup(() => settings));
    tasks = declareCanvasTasks(made.app, '');
    stack.use(await startWorker(made.app, { pool: 'async', concurrency: 10, hostname: `${uuid()}@canvas` }));
  });
  afterAll(() => stack.disposeAsync());

  const chords = canvases.filter(({ title }) => /^a chord( and a task| in a chain| in a header)?$/.test(title));
  it.each(chords)('$title', async ({ make, expected, missing }) => {
    const result = await (make(tasks) as Sendable).delay(...missing);
    expect(await result?.get({ timeout: 20 })).toEqual(expected);
  });
});
