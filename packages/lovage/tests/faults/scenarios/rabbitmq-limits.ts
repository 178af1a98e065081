// What RabbitMQ does by itself: an alarm blocks whoever publishes, a time-out closes the channel of a task that takes too long.
import { setTimeout as delay } from 'node:timers/promises';
import type { RabbitServer } from '../../../../../scripts/servers/index.ts';
import { openArena } from '../harness/arena.ts';
import { endedIds, firstStartAfter, inDoubt, keepSending, slowestPublish } from '../harness/gestures.ts';
import type { Scenario } from '../harness/scenario.ts';

const CONCURRENCY = 4;
const WAITING = 150;
const ROOM = '1000GB';
/** Milliseconds. */
const TIMEOUT = 3000;
const applies: Scenario['applies'] = ['rabbitmq-classic', 'rabbitmq-quorum'];

function serverOf(rabbit: RabbitServer | undefined): RabbitServer {
  if (rabbit === undefined) throw new Error('This scenario is for RabbitMQ only.');
  return rabbit;
}

export const alarm: Scenario = {
  id: 'alarm',
  title: 'Memory alarm of RabbitMQ under load (publishers blocked)',
  applies,
  daily: ['rabbitmq-classic'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack } = arena;
    const rabbit = serverOf(stack.rabbit);
    const producer = await stack.producer({ name: 'producer' });
    await producer.produce({ prefix: 'waiting', count: WAITING, perSecond: 2000, args: [40] });
    await rabbit.ctl('set_vm_memory_high_watermark', 'absolute', '1');
    const violations: string[] = [];
    const began = Date.now();
    try {
      const load = keepSending(producer, { perSecond: 20, args: [5] });
      await stack.worker({ name: 'worker', concurrency: CONCURRENCY });
      const isDrained = (): boolean => endedIds(arena, 'waiting').size === WAITING;
      await arena
        .until('what waited has run under the alarm', 30, isDrained)
        .catch(() => violations.push(`only ${endedIds(arena, 'waiting').size} of ${WAITING} tasks ran under the alarm`));
      const refused = (): boolean => arena.published().some(({ mark }) => mark === 'no' || mark === 'maybe');
      await arena
        .until('a publish is refused', stack.publishTimeout + 5, refused)
        .catch(() => violations.push('no publish was refused under the alarm'));
      await rabbit.ctl('set_vm_memory_high_watermark', 'absolute', ROOM);
      const over = Date.now();
      await arena.until('the load flows again', 30, () => firstStartAfter(arena, over) !== undefined);
      await load.stop();
      await arena.quiesce(stack.takeover + 30);
      const noticed = arena.published().find(({ mark, time }) => (mark === 'no' || mark === 'maybe') && time >= began);
      return await arena.result({
        inFlight: inDoubt(arena),
        recoverySeconds: [firstStartAfter(arena, over) ?? Number.POSITIVE_INFINITY],
        ...(noticed === undefined ? {} : { detectionSeconds: (noticed.time - began) / 1000 }),
        timed: [slowestPublish(arena)],
        violations,
      });
    } finally {
      await rabbit.ctl('set_vm_memory_high_watermark', 'absolute', ROOM);
    }
  },
};

export const consumerTimeout: Scenario = {
  id: 'consumer-timeout',
  title: "A task longer than RabbitMQ's `consumer_timeout` (its channel is closed)",
  applies,
  daily: ['rabbitmq-classic'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack } = arena;
    const rabbit = serverOf(stack.rabbit);
    const set = (name: string, value: string): Promise<string> =>
      rabbit.ctl('eval', `application:set_env(rabbit, ${name}, ${value}).`);
    await set('channel_tick_interval', '1000');
    await set('consumer_timeout', `${TIMEOUT}`);
    try {
      const producer = await stack.producer({ name: 'producer' });
      const worker = await stack.worker({ name: 'worker', concurrency: CONCURRENCY });
      await producer.produce({ prefix: 'long', count: 1, perSecond: 100, args: [2.5 * TIMEOUT] });
      const load = keepSending(producer, { perSecond: 20, args: [20] });
      await arena.until('the long one has ended', 60, () => endedIds(arena, 'long').size > 0);
      await delay(500);
      await load.stop();
      await arena.quiesce(stack.takeover + 30);
      const at = Date.now();
      await producer.produce({ prefix: 'after', count: 5, perSecond: 100 });
      await arena.quiesce(20);
      const violations = worker.isRunning ? [] : ['the worker ended'];
      if (!/timeout|timed out/i.test(worker.log())) violations.push('the log of the worker does not say why its line ended');
      const starts = arena.runs().filter(({ what, id }) => what === 'start' && id === 'long-0').length;
      if (starts > 2) violations.push(`the long task was started ${starts} times`);
      return await arena.result({
        // All that the channel held comes again.
        inFlight: CONCURRENCY + inDoubt(arena),
        recoverySeconds: [firstStartAfter(arena, at) ?? Number.POSITIVE_INFINITY],
        violations,
      });
    } finally {
      await set('consumer_timeout', '1800000');
      await set('channel_tick_interval', '60000');
    }
  },
};
