// Random canvases with members that fail, on workers and real stores: they give what the model says, or fail where it fails, and so does
// each of their tasks, under the id that was fixed before anything was sent. None hangs.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Lovage } from '../../../src/app/index.ts';
import type { CanvasResult } from '../../../src/task/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import type { Sendable } from '../../support/canvases.ts';
import { called, FAILS, made, model, randomCanvas, valuesById, type Written } from '../../support/random-canvas.ts';
import { places, setup } from '../worker/places.ts';

const WHERE = new Set(['memory', 'sqlite, one file', 'redis']);
const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k'];

/** The value, or that it fails. */
async function ended(result: CanvasResult | undefined): Promise<unknown> {
  try {
    return await result?.get({ timeout: 20 });
  } catch (error) {
    // A wait that is over is no failure of a task.
    if (error instanceof Error && error.name === 'ResultTimeoutError') throw error;
    return FAILS;
  }
}

/** What is stored under these ids in the end. */
async function valuesOf(app: Lovage, ids: readonly string[]): Promise<ReadonlyMap<string, unknown>> {
  const wait = { timeout: 20, propagate: false };
  const values = await app.results.set(ids.map((id) => app.result(id))).get(wait);
  return new Map(ids.map((id, index) => [id, values[index] instanceof Error ? FAILS : values[index]]));
}

function foreseen(written: Written): unknown {
  try {
    return model(written, ['in']);
  } catch {
    return FAILS;
  }
}

describe.each(places.filter(([name]) => WHERE.has(name)))('random canvases on %s', (_name, place) => {
  it('end as the model says', async () => {
    await using stack = new AsyncDisposableStack();
    const { app } = stack.use(await setup(place));
    for (const name of [...NAMES, FAILS]) app.task(name, { typing: false }, (...args: unknown[]) => called(name, args));
    stack.use(await startWorker(app, { pool: 'async', concurrency: 20, hostname: `${uuid()}@canvas` }));
    const names = [...NAMES, FAILS];
    await fc.assert(
      fc.asyncProperty(randomCanvas(names), async (written) => {
        const canvas = made(app, written).freeze();
        const result = await (canvas as Sendable).delay('in');
        expect(await ended(result)).toEqual(foreseen(written));
        const expected = valuesById(canvas.toWire(), ['in']);
        expect(await valuesOf(app, [...expected.keys()])).toEqual(expected);
      }),
      { numRuns: 40, endOnFailure: true },
    );
  });
});
