// A task computes for three leases without a pause: its worker lives, so nobody else may run what it holds.
import { setTimeout as delay } from 'node:timers/promises';
import { openArena } from '../harness/arena.ts';
import type { Scenario } from '../harness/scenario.ts';

/** Until the thread is there. */
const KEEPER_MS = 2000;
/** Seconds: what stands for a lease where the broker has none. */
const HEARTBEATS = { short: 2, long: 20 } as const;

export const loopBlock: Scenario = {
  id: 'loop-block',
  title: 'Event loop blocked for three leases',
  applies: [
    'sqlite',
    'redis',
    'redis-celery',
    'rabbitmq-classic',
    'rabbitmq-quorum',
    'celery-redis',
    'celery-rabbitmq',
    'bullmq',
  ],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack } = arena;
    const producer = await stack.producer({ name: 'producer' });
    await stack.worker({ name: 'blocked', concurrency: 4 });
    await producer.produce({ prefix: 'beside', count: 3, perSecond: 500, args: [200] });
    // That they have begun, not that they run: a busy machine may look too late.
    await arena.until('it has begun', 30, () => arena.runs().some(({ worker }) => worker.startsWith('blocked/')));
    // A worker's lease is kept by a thread that starts behind it; on a busy machine that takes a good part of a lease of two seconds.
    await delay(KEEPER_MS);
    // Tasks that wait are held by the same worker while one of them computes.
    await producer.produce({ prefix: 'held', count: 3, perSecond: 500, args: [200] });
    const seconds = 3 * (stack.lease ?? HEARTBEATS[context.scale]);
    await producer.produce({ prefix: 'block', count: 1, perSecond: 500, task: 'fault.block', args: [seconds * 1000] });
    await arena.until('it blocks', 30, () => arena.runs().some(({ id }) => id === 'block-0'));
    await stack.worker({ name: 'idle', concurrency: 4 });
    const isDone = (): boolean => arena.runs().some(({ what, id }) => what === 'end' && id === 'block-0');
    await arena.until('the loop turns again', seconds + 30, isDone);
    // Whoever would run it again does so now.
    await arena.quiesce(stack.takeover + 30);
    return await arena.result({ inFlight: 0, recoverySeconds: [] });
  },
};
