// The broker is not there when the worker starts, and goes away once more while it runs: the worker waits without spinning and comes
// back by itself, publishes reject by their deadline.
import { setTimeout as delay } from 'node:timers/promises';
import { openArena } from '../harness/arena.ts';
import {
  cpuSeconds,
  firstStartAfter,
  inDoubt,
  keepSending,
  type Span,
  slowestPublish,
  unsettledIn,
} from '../harness/gestures.ts';
import type { Scenario } from '../harness/scenario.ts';

const CONCURRENCY = 4;
/** Seconds. */
const AWAY = { short: 4, long: 600 } as const;
/** Seconds in which tasks have to run again: the reconnecting worker backs off up to 30 s. */
const BACK = { short: 15, long: 45 } as const;
/** Of one processor, while there is nothing to do but to wait. */
const MOST_CPU = 0.2;

export const brokerAway: Scenario = {
  id: 'broker-away',
  title: 'Broker away at the start and again under load (for 4 s; long: 10 min)',
  applies: ['redis', 'redis-celery', 'rabbitmq-classic', 'rabbitmq-quorum'],
  daily: ['redis'],
  run: async (context) => {
    await using arena = await openArena(context, { appendonly: 'always' });
    const { stack } = arena;
    const { broker } = stack;
    if (broker === undefined) throw new Error('This stack has no broker of its own.');
    await stack.settle?.();
    await broker.kill();
    const worker = await stack.worker({ name: 'worker', concurrency: CONCURRENCY, awaits: 'spawn' });
    const producer = await stack.producer({ name: 'producer' });
    const load = keepSending(producer, { perSecond: 20, args: [20] });
    const recoverySeconds: number[] = [];
    let since = Date.now();
    const away: Span[] = [];
    const violations: string[] = [];
    for (const time of ['start', 'run']) {
      if (time === 'run') {
        await stack.settle?.();
        since = Date.now();
        await broker.kill();
      }
      const used = cpuSeconds(worker.pid);
      await delay(AWAY[context.scale] * 1000);
      // The start itself takes a second of work.
      const share = (cpuSeconds(worker.pid) - used - (time === 'start' ? 1.5 : 0.2)) / AWAY[context.scale];
      if (share > MOST_CPU) violations.push(`the worker used ${(100 * share).toFixed(0)} % of a processor while it waited`);
      if (!worker.isRunning) violations.push('the worker gave up');
      await broker.restart();
      const up = Date.now();
      away.push([since, up]);
      await arena
        .until('tasks run', BACK[context.scale] + 15, () => firstStartAfter(arena, up) !== undefined)
        .catch(() => undefined);
      const seconds = firstStartAfter(arena, up) ?? Number.POSITIVE_INFINITY;
      recoverySeconds.push(seconds);
    }
    await load.stop();
    await arena.quiesce(stack.takeover + 30);
    const refused = arena.published().filter(({ mark }) => mark === 'no' || mark === 'maybe').length;
    if (refused === 0) violations.push('no publish was refused while the broker was away');
    return await arena.result({
      inFlight: unsettledIn(arena, away) + inDoubt(arena, away.flat()),
      recoverySeconds,
      timed: [
        slowestPublish(arena),
        ...recoverySeconds.map((seconds) => ({ what: 'the worker was back', seconds, promised: BACK[context.scale], slack: 0 })),
      ],
      violations,
    });
  },
};
