// What a shutdown does to tasks, on every broker: what has not started goes back at once, what ends is acknowledged as it ends, what is
// broken off runs again elsewhere and is not counted, and an early acknowledged task that is broken off has an end.
import { describe, expect, test } from 'vitest';
import type { SettingsInput } from '../../../src/app/index.ts';
import { WorkerLostError } from '../../../src/util/index.ts';
import { startWorker, WORKER_EXIT, type Worker } from '../../../src/worker/index.ts';
import { soon } from '../../support/worker-app.ts';
import { places, setup } from './places.ts';

const WAIT = 20_000;
const here = places.filter(([name]) => ['memory', 'sqlite, one file', 'redis', 'amqp with redis'].includes(name));
const lingering: SettingsInput = { shutdownTimeout: null };

describe.concurrent.each(here)('a shutdown on %s', (_, place) => {
  test('gives back at once what has not started, and acknowledges what ends while others still run', async () => {
    await using s = await setup(place, lingering);
    const gates = { quick: Promise.withResolvers<void>(), slow: Promise.withResolvers<void>() };
    const ran: string[] = [];
    const task = s.app.task('t', { params: ['name'], bind: true }, async (ctx, name: string) => {
      ran.push(`${name} ${ctx.request.attempts}`);
      if (name === 'quick' || name === 'slow') await gates[name].promise;
      return name;
    });
    const first = await startWorker(s.app, { concurrency: 2, prefetchMultiplier: 2, hostname: 'first@box' });
    const [quick, slow] = [await task.delay('quick'), await task.delay('slow')];
    await soon(() => expect(ran).toHaveLength(2), WAIT);
    const waits = await task.delay('waits');
    await soon(() => expect(first.host?.consumer?.flow.requests.size).toBe(3), WAIT);
    const stopping = first.stop();
    // Another worker gets it while the first still has two that run.
    await using second = await startWorker(s.app, { hostname: 'second@box' });
    expect(await waits.get({ timeout: 10 })).toBe('waits');
    gates.quick.resolve();
    expect(await quick.get({ timeout: 10 })).toBe('quick');
    await soon(() => expect(first.host?.consumer?.flow.requests.size).toBe(1), WAIT);
    expect(first.state).toBe('stopping');
    gates.slow.resolve();
    await stopping;
    expect(await slow.get({ timeout: 10 })).toBe('slow');
    expect(await first.closed).toBe(WORKER_EXIT.clean);
    expect(ran).toEqual(['quick 1', 'slow 1', 'waits 1']);
    void second;
  });

  const ends: readonly (readonly [string, (worker: Worker) => Promise<void>])[] = [
    ['that is cold', (worker) => worker.terminate()],
    ['whose time is over', (worker) => worker.stop()],
  ];
  test.each(ends)('%s breaks tasks off: they run again, uncounted; an early acknowledged one ends', async (_name, end) => {
    await using s = await setup(place, { shutdownTimeout: 0.05 });
    const attempts: number[] = [];
    const started = new Set<string>();
    const late = s.app.task('late', { bind: true, params: [] }, async (ctx) => {
      attempts.push(ctx.request.attempts);
      if (attempts.length > 1) return 'second';
      started.add('late');
      await new Promise((_resolve, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason as Error)));
      return 'first';
    });
    const early = s.app.task('early', { bind: true, params: [], acksLate: false }, async (ctx) => {
      started.add('early');
      await new Promise((_resolve, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason as Error)));
    });
    const worker = await startWorker(s.app, { concurrency: 4 });
    const [again, gone] = [await late.delay(), await early.delay()];
    await soon(() => expect(started.size).toBe(2), WAIT);
    await end(worker);
    expect(await worker.closed).toBe(WORKER_EXIT.interrupted);
    await expect(gone.get({ timeout: 10 })).rejects.toThrow(WorkerLostError);
    await soon(async () => expect((await s.counts()).ready).toBe(1), WAIT);
    await using _second = await startWorker(s.app, { hostname: 'second@box' });
    expect(await again.get({ timeout: 10 })).toBe('second');
    expect(attempts).toEqual([1, 1]);
  });

  test('does not wait longer for a task that heeds nothing than until its message is given back', async () => {
    await using s = await setup(place, { shutdownTimeout: 0.05 });
    let started = false;
    const deaf = s.app.task('deaf', { params: [] }, async () => {
      if (started) return;
      started = true;
      await new Promise(() => undefined);
    });
    const worker = await startWorker(s.app);
    const again = await deaf.delay();
    await soon(() => expect(started).toBe(true), WAIT);
    await worker.stop();
    expect(await worker.closed).toBe(WORKER_EXIT.interrupted);
    await using _second = await startWorker(s.app, { hostname: 'second@box' });
    await again.get({ timeout: 10 });
  });
});
