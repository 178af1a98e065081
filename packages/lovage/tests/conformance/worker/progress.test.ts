// How far a running task is, on every kind of result store: told where the store tells, asked for elsewhere, never faster than it is written.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { TaskProgress } from '../../../src/result/index.ts';
import { ResultTimeoutError } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { type Place, places, setup } from './places.ts';

const files: readonly [string, Place] = [
  'memory with files, which tell nobody anything',
  async (stack) => {
    const folder = await mkdtemp(join(tmpdir(), 'lovage-progress-'));
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    return { brokerUrl: `memory://${folder}`, resultBackend: `file://${folder}` };
  },
];
const here = [...places.filter(([name]) => !name.includes('unacked') && !name.includes('two files')), files];

describe.concurrent.each(here)('progress on %s', (_, place) => {
  test('is heard as the task goes, with its log lines, and ends with the task', async () => {
    await using s = await setup(place);
    const step = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
    const task = s.app.task('walk', { bind: true, params: [] }, async (ctx) => {
      ctx.log.info('unheard');
      await ctx.progress(1, 3, { at: 'start' });
      ctx.log.info('reached {place}', { place: 'the middle' });
      await step[0].promise;
      await ctx.progress(2, 3);
      await step[1].promise;
      return 'there';
    });
    await using _worker = await startWorker(s.app);
    const result = await task.delay();
    const seen: TaskProgress[] = [];
    for await (const progress of result.progress({ timeout: 20, interval: 0.05 })) {
      seen.push(progress);
      if (progress.current === 1) step[0].resolve();
      if (progress.current === 2 && progress.log.length > 0) step[1].resolve();
    }
    expect(seen[0]).toMatchObject({ state: 'PROGRESS', current: 1, total: 3, meta: { current: 1, total: 3, at: 'start' } });
    expect(seen.at(-1)).toMatchObject({ current: 2, total: 3, log: ['reached the middle'] });
    expect(await result.get({ timeout: 10 })).toBe('there');
    // A task that has ended has nothing more to tell.
    for await (const progress of result.progress()) expect(progress).toBeUndefined();
  });

  test('costs a task that reports all the time a few writes, and the last one is not lost', async () => {
    await using s = await setup(place);
    const open = Promise.withResolvers<void>();
    const task = s.app.task('run', { bind: true, params: [] }, async (ctx) => {
      const began = performance.now();
      for (let i = 1; i <= 20_000; i++) void ctx.progress(i, 20_000);
      const took = performance.now() - began;
      await open.promise;
      return took;
    });
    await using _worker = await startWorker(s.app);
    const result = await task.delay();
    const seen: (number | undefined)[] = [];
    for await (const { current } of result.progress({ timeout: 20, interval: 0.05 })) {
      seen.push(current);
      if (current === 20_000) open.resolve();
    }
    expect(seen.at(-1)).toBe(20_000);
    expect(seen.length).toBeLessThan(5);
    expect(await result.get({ timeout: 10 })).toBeLessThan(1000);
  });

  test('of a failed task ends, and a wait for one that says nothing has an end', async () => {
    await using s = await setup(place);
    const task = s.app.task('fall', { bind: true, params: [] }, async (ctx) => {
      await ctx.progress({ current: 1, why: 'because' });
      throw new TypeError('down');
    });
    await using _worker = await startWorker(s.app);
    const result = await task.delay();
    for await (const { meta } of result.progress({ timeout: 20, interval: 0.05 })) expect(meta).toMatchObject({ why: 'because' });
    await expect(result.get({ timeout: 10 })).rejects.toThrow('down');
    const nobody = await s.app.sendTask('nobody', { queue: `${s.queue}-nobody` });
    const next = nobody.progress({ timeout: 0.1, interval: 0.02 }).next();
    await expect(next).rejects.toThrow(ResultTimeoutError);
    await (await s.app.openBroker('write')).remove(`${s.queue}-nobody`);
  });
});
