// A network splits between a worker and everybody else, in one direction or both, and heals: what the worker held runs elsewhere
// meanwhile, its late results and acks are refused, and it takes part again. And a router that forgets idle lines without a word.
import { setTimeout as delay } from 'node:timers/promises';
import { openArena } from '../harness/arena.ts';
import {
  firstStartAfter,
  heldBy,
  inDoubt,
  runningOn,
  slowestPublish,
  takenOverAfter,
  whenBusy,
  worksAgain,
} from '../harness/gestures.ts';
import type { Scenario } from '../harness/scenario.ts';

const CONCURRENCY = 4;

export const partition: Scenario = {
  id: 'partition',
  title: 'Network of a worker split without a word, one way or both ways, then healed',
  applies: ['redis', 'redis-celery', 'rabbitmq-classic', 'rabbitmq-quorum', 'bullmq'],
  daily: ['redis', 'rabbitmq-quorum'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack, random } = arena;
    const producer = await stack.producer({ name: 'producer' });
    await stack.worker({ name: 'victim', concurrency: CONCURRENCY, broker: 'proxy', results: 'proxy' });
    // Quick when it comes back: such messages run one at a time, and the last start tells when all were taken over.
    await producer.produce({ prefix: 'split', count: CONCURRENCY, perSecond: 500, task: 'fault.once', args: [8000] });
    await arena.until('it has them all', 20, () => runningOn(arena, 'victim').size === CONCURRENCY);
    // There before the fault: how long a process takes to start is no part of the promise.
    await stack.worker({ name: 'heir', concurrency: CONCURRENCY });
    await whenBusy(arena, 'victim', 100);
    const way = random.pick(['both', 'up', 'down'] as const);
    const proxies = [...new Set([stack.brokerProxy, stack.resultProxy])];
    for (const proxy of proxies) proxy?.freeze(way);
    const at = Date.now();
    const held = await heldBy(arena, 'victim');
    const promised = stack.lease === undefined ? 2 * stack.heartbeat + 2 : stack.takeover;
    // Only one direction is dead: the lease may still be renewed, or the end be stored, and then nobody need take over.
    const done = async (): Promise<boolean> => takenOverAfter(arena, await open(), at) !== undefined;
    const open = async (): Promise<Set<string>> => {
      const finals = new Set((await stack.finals([...held])).map(({ id }) => id));
      return new Set([...held].filter((id) => !finals.has(id)));
    };
    await arena.until('taken over', promised + 20, done).catch(() => undefined);
    const late =
      takenOverAfter(arena, new Set([...(await open()), ...restarted(arena, held, at)]), at) ?? Number.POSITIVE_INFINITY;
    const timed = [{ what: `taken over (split: ${way})`, seconds: late, promised }];
    const violations: string[] = [];
    await delay(Math.max(500, 2 * (stack.lease ?? stack.heartbeat) * 1000 - (Date.now() - at)));
    for (const proxy of proxies) proxy?.thaw();
    if (!(await worksAgain(arena, producer, 'victim', 100))) violations.push('the worker takes nothing more after the split');
    await arena.quiesce(stack.takeover + 30);
    return await arena.result({ inFlight: held.size, recoverySeconds: [late], timed, violations });
  },
};

/** Those that began anew. */
function restarted(arena: Parameters<typeof takenOverAfter>[0], held: ReadonlySet<string>, since: number): readonly string[] {
  return arena.runs().flatMap(({ what, id, time }) => (what === 'start' && held.has(id) && time >= since ? [id] : []));
}

/** Seconds after which a line to a Redis that answers new ones counts as dead, and those beside it: half of what a slow one is granted. */
const REDIS_PATIENCE = 10;

export const forgotten: Scenario = {
  id: 'forgotten',
  title: 'Idle lines to the broker forgotten by a router (nothing passes, nothing ends; new lines work)',
  applies: ['redis', 'redis-celery', 'rabbitmq-classic', 'rabbitmq-quorum'],
  daily: ['rabbitmq-classic'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack } = arena;
    const direct = await stack.producer({ name: 'direct' });
    const behind = await stack.producer({ name: 'behind', broker: 'proxy' });
    await stack.worker({ name: 'worker', concurrency: CONCURRENCY, broker: 'proxy' });
    for (const producer of [direct, behind])
      await producer.produce({ prefix: `first-${producer.child.name}`, count: 4, perSecond: 100 });
    await arena.quiesce(20);
    // Everybody is idle, as in a quiet night.
    await delay(500);
    stack.brokerProxy?.forget();
    const at = Date.now();
    const all = Promise.all([
      direct.produce({ prefix: 'direct', count: CONCURRENCY, perSecond: 500 }),
      behind.produce({ prefix: 'behind', count: CONCURRENCY, perSecond: 500 }),
    ]);
    const back = (): number | undefined => firstStartAfter(arena, at);
    await arena.until('the worker runs again', 90, () => back() !== undefined).catch(() => undefined);
    await all;
    await arena.quiesce(stack.takeover + 60);
    const seconds = back() ?? Number.POSITIVE_INFINITY;
    const limit = (stack.lease === undefined ? 2 * stack.heartbeat : REDIS_PATIENCE) + 2;
    const timed = [slowestPublish(arena), { what: 'the worker took tasks again', seconds, promised: limit }];
    // What lay on the forgotten line of the worker, and publishes on those of the producer.
    return await arena.result({ inFlight: CONCURRENCY + inDoubt(arena), recoverySeconds: [seconds], timed });
  },
};
