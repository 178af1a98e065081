// A task computes for three leases without a pause: its worker lives, so nobody else may run what it holds. Its log names the task.
import { setTimeout as delay } from 'node:timers/promises';
import { openArena } from '../harness/arena.ts';
import { PEERS, type Scenario } from '../harness/scenario.ts';

/** Until the thread is there. */
const KEEPER_MS = 2000;
/** Seconds: what stands for a lease where the broker has none. */
const HEARTBEATS = { short: 2, long: 20 } as const;
/** Seconds of a block that the log tells of while it lasts, and not only afterwards; with time for the thread that does. */
const TOLD_MEANWHILE = 20;

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
    const blocked = await stack.worker({ name: 'blocked', concurrency: 4 });
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
    if (!PEERS.has(context.stack)) {
      const says = (words: RegExp): Promise<void> => arena.until(`its log says ${words}`, 10, () => words.test(blocked.log()));
      await says(/The event loop stood still for \d.*fault\.block\[block-0\]/);
      if (seconds >= TOLD_MEANWHILE)
        await says(/event loop .* has not turned for \d+ s\. The task that began last: fault\.block block-0/);
    }
    // Whoever would run it again does so now.
    await arena.quiesce(stack.takeover + 30);
    return await arena.result({ inFlight: 0, recoverySeconds: [] });
  },
};
