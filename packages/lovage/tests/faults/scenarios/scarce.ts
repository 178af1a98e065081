// A worker without the means it is used to: no free native thread, no free file descriptor. It keeps what it holds, and recovers.

import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openArena } from '../harness/arena.ts';
import { endedIds, runningOn, worksAgain } from '../harness/gestures.ts';
import type { Scenario } from '../harness/scenario.ts';

const TASKS = join(import.meta.dirname, '../harness/hazards.ts');
const CONCURRENCY = 4;
/** Seconds: what stands for a lease where the broker has none. */
const LEASE = 2;

export const threadsBusy: Scenario = {
  id: 'threads-busy',
  title: 'All native threads busy for three leases (`UV_THREADPOOL_SIZE=1`)',
  applies: ['sqlite', 'redis', 'redis-celery', 'rabbitmq-classic', 'rabbitmq-quorum'],
  daily: ['redis'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack } = arena;
    const producer = await stack.producer({ name: 'producer' });
    const env = { UV_THREADPOOL_SIZE: '1' };
    await stack.worker({ name: 'busy', concurrency: CONCURRENCY, tasks: TASKS, env });
    const ms = 3000 * (stack.lease ?? LEASE);
    await producer.produce({ prefix: 'hash', count: 2, perSecond: 500, task: 'fault.threads', args: [ms] });
    await arena.until('it hashes', 30, () => runningOn(arena, 'busy').size === 2);
    await producer.produce({ prefix: 'beside', count: 2, perSecond: 500, args: [ms / 2] });
    await arena.until('others run beside', 30, () => runningOn(arena, 'busy').size === CONCURRENCY);
    // It would take over whatever the busy one loses.
    await stack.worker({ name: 'idle', concurrency: CONCURRENCY, tasks: TASKS });
    await producer.produce({ prefix: 'more', count: 20, perSecond: 20, args: [20] });
    await arena.until('all have ended', ms / 1000 + 30, () => endedIds(arena, 'hash').size === 2).catch(() => undefined);
    await arena.quiesce(stack.takeover + 30);
    return await arena.result({ inFlight: 0, recoverySeconds: [] });
  },
};

/** Files that the worker may have open: a few more than it needs. */
const FILES = 64;

export const filesOut: Scenario = {
  id: 'files-out',
  title: 'Worker out of file descriptors, its connections cut meanwhile',
  applies: ['redis', 'redis-celery', 'rabbitmq-classic', 'rabbitmq-quorum'],
  daily: ['redis-celery'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack, isShort } = arena;
    const producer = await stack.producer({ name: 'producer' });
    const ways = { broker: 'proxy', results: 'proxy' } as const;
    const wrap = ['prlimit', `--nofile=${FILES}:${FILES}`];
    const worker = await stack.worker({ name: 'worker', concurrency: CONCURRENCY, tasks: TASKS, wrap, ...ways });
    const recoverySeconds: number[] = [];
    const violations: string[] = [];
    for (let round = 0; round < (isShort ? 2 : 10); round++) {
      await producer.produce({ prefix: `files${round}`, count: 1, perSecond: 500, task: 'fault.files', args: [1500] });
      await arena.until('the files are open', 30, () => runningOn(arena, 'worker').size > 0);
      await delay(300);
      for (const proxy of new Set([stack.brokerProxy, stack.resultProxy])) proxy?.cut();
      await arena.until('they are closed', 30, () => runningOn(arena, 'worker').size === 0);
      const at = Date.now();
      if (!(await worksAgain(arena, producer, 'worker', 100))) violations.push(`round ${round}: the worker takes nothing more`);
      recoverySeconds.push((Date.now() - at) / 1000);
      await arena.quiesce(stack.takeover + 30);
    }
    if (!worker.isRunning) violations.push('the worker ended');
    // Where a line's end gives back what was held, the task with the files may run once more.
    return await arena.result({
      inFlight: stack.lease === undefined ? 2 * recoverySeconds.length * CONCURRENCY : 0,
      recoverySeconds,
      violations,
    });
  },
};

/** Seconds. */
const LIMIT = 1;

export const deafTasks: Scenario = {
  id: 'deaf-tasks',
  title: 'Tasks that never end and hear nothing, past their time limit',
  applies: ['sqlite', 'redis', 'redis-celery', 'rabbitmq-classic', 'rabbitmq-quorum'],
  daily: ['sqlite'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack } = arena;
    const producer = await stack.producer({ name: 'producer' });
    const settings = { taskTimeLimit: LIMIT, maxZombies: CONCURRENCY };
    const worker = await stack.worker({ name: 'worker', concurrency: CONCURRENCY, tasks: TASKS, settings });
    await producer.produce({ prefix: 'deaf', count: CONCURRENCY, perSecond: 500, task: 'fault.deaf', args: [0] });
    await producer.produce({ prefix: 'behind', count: 40, perSecond: 200, args: [50] });
    const at = Date.now();
    const violations: string[] = [];
    // Its slots are taken by zombies; the worker finishes what it can and ends, for a supervisor to start another.
    const failed = async (): Promise<boolean> => {
      const ids = Array.from({ length: CONCURRENCY }, (_, number) => `deaf-${number}`);
      return (await stack.finals(ids)).filter(({ state }) => state === 'FAILURE').length === CONCURRENCY;
    };
    await arena.until('all are FAILURE', LIMIT + 15, failed).catch(() => violations.push('some have no FAILURE'));
    const code = await Promise.race([worker.ended, delay(20_000, 'runs on')]);
    if (code !== 1) violations.push(`the worker that is full of zombies: ${code}`);
    await stack.worker({ name: 'next', concurrency: CONCURRENCY, tasks: TASKS, settings });
    await arena.until('the rest has run', 30, () => endedIds(arena, 'behind').size === 40).catch(() => undefined);
    const seconds = (Date.now() - at) / 1000;
    await arena.quiesce(stack.takeover + 10);
    // They are over, as failures; nobody lost them.
    const lost = (await arena.judgement()).lost.filter((id) => !id.startsWith('deaf')).length;
    return await arena.result({ lost, inFlight: 0, recoverySeconds: [seconds], violations });
  },
};
