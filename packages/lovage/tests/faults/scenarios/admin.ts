// What people do to a broker under a running worker: all connections killed, again and again; everything deleted.
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { type Arena, openArena } from '../harness/arena.ts';
import { endedIds, inDoubt, keepSending, repeatsAt, slowestPublish, underWayIn, worksAgain } from '../harness/gestures.ts';
import type { Scenario } from '../harness/scenario.ts';

const CONCURRENCY = 4;
const CLOSE_ALL = `timer:sleep(Wait), Before = erlang:system_time(millisecond),
  [rabbit_networking:close_connection(Pid, "fault") || Pid <- rabbit_networking:connections()],
  {Before, erlang:system_time(millisecond)}`;
const applies: Scenario['applies'] = ['redis', 'redis-celery', 'rabbitmq-classic', 'rabbitmq-quorum'];

/** One command on the server's own Redis line. */
async function onRedis<Out>(arena: Arena, work: (redis: Redis) => Promise<Out>): Promise<Out> {
  const redis = new Redis(arena.stack.redisUrl ?? '');
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}

/** All connections, once after each of these waits (milliseconds). In which times that was, as the clock of this machine has it. */
async function killConnections(arena: Arena, waits: readonly number[]): Promise<readonly (readonly [number, number])[]> {
  const { rabbit } = arena.stack;
  if (rabbit !== undefined) {
    // One command for all of them: its own start costs more than what it does.
    const told = await rabbit.ctl('eval', `lists:map(fun (Wait) -> ${CLOSE_ALL} end, [${waits.join()}]).`, '--timeout', '3600');
    return Array.from(told.matchAll(/\{(\d+),\s*(\d+)\}/g), ([, before, after]) => [Number(before), Number(after)] as const);
  }
  return onRedis(arena, async (redis) => {
    const spans: (readonly [number, number])[] = [];
    for (const wait of waits) {
      await delay(wait);
      const before = Date.now();
      for (const type of ['normal', 'pubsub']) await redis.call('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes');
      spans.push([before, Date.now()]);
    }
    return spans;
  });
}

export const clientsKilled: Scenario = {
  id: 'clients-killed',
  title: 'All connections killed by the server, 3 times a second apart (long: 200 times)',
  applies,
  daily: ['redis'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack, isShort, random } = arena;
    const producer = await stack.producer({ name: 'producer' });
    await stack.worker({ name: 'worker', concurrency: CONCURRENCY });
    const load = keepSending(producer, { perSecond: 50, args: [10] });
    await arena.until('the load flows', 30, () => arena.runs().length > 20);
    const waits = Array.from({ length: isShort ? 3 : 200 }, () => random.int(500, 1500));
    // The command itself takes a moment, and lines end somewhere in it.
    const spans = (await killConnections(arena, waits)).map(([before, after]) => [before, after + 20] as const);
    if (spans.length < waits.length) throw new Error(`Only ${spans.length} of ${waits.length} kills were told of.`);
    const moments = spans.flatMap(([before, after]) =>
      Array.from({ length: Math.ceil((after - before) / 20) }, (_, index) => before + 20 * index),
    );
    await load.stop();
    await arena.quiesce(stack.takeover + 30);
    const at = Date.now();
    const timed = [slowestPublish(arena)];
    const violations: string[] = [];
    if (!(await worksAgain(arena, producer, 'worker'))) violations.push('the worker went deaf');
    const seconds = (Date.now() - at) / 1000;
    await arena.quiesce(stack.takeover + 30);
    const consumed = stack.lease === undefined ? moments : [];
    const { executions, beyond } = repeatsAt(arena, { consumed, published: consumed });
    const repeats = executions + underWayIn(arena, stack.lease === undefined ? spans : []);
    return await arena.result({ inFlight: repeats, recoverySeconds: [seconds], timed, violations: [...violations, ...beyond] });
  },
};

export const wiped: Scenario = {
  id: 'wiped',
  title: 'Everything deleted under a running worker (`FLUSHALL`; RabbitMQ: its queue)',
  applies,
  daily: ['redis-celery', 'rabbitmq-classic'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack } = arena;
    const producer = await stack.producer({ name: 'producer' });
    const worker = await stack.worker({ name: 'worker', concurrency: CONCURRENCY });
    await producer.produce({ prefix: 'held', count: CONCURRENCY, perSecond: 500, args: [1500] });
    await arena.until('they run', 20, () => arena.runs().filter(({ id }) => id.startsWith('held')).length >= CONCURRENCY);
    await producer.produce({ prefix: 'waiting', count: 20, perSecond: 500, args: [5] });
    const { rabbit } = stack;
    if (rabbit === undefined) await onRedis(arena, (redis) => redis.flushall());
    else await rabbit.ctl('delete_queue', stack.queue);
    const at = Date.now();
    const violations: string[] = [];
    const isDone = (): boolean => endedIds(arena, 'held').size === CONCURRENCY;
    await arena.until('what ran ends', 20, isDone).catch(() => violations.push('what ran did not end'));
    const stored = async (): Promise<boolean> => (await stack.finals([...endedIds(arena, 'held')])).length === CONCURRENCY;
    await arena.until('their results are stored', 10, stored).catch(() => violations.push('what ran has no results'));
    if (!(await worksAgain(arena, producer, 'worker', 100))) violations.push('the worker takes nothing more');
    const seconds = (Date.now() - at) / 1000;
    if (!worker.isRunning) violations.push('the worker ended');
    // Publishes that found no queue were repeated.
    await arena
      .until('what came later has run', 20, () =>
        arena
          .published()
          .filter(({ mark, id }) => mark === 'ok' && id.startsWith('again'))
          .every(({ id }) => endedIds(arena).has(id)),
      )
      .catch(() => undefined);
    const { lost } = await arena.judgement();
    // What waited was deleted by hand; the rest was not.
    return await arena.result({
      lost: lost.filter((id) => !id.startsWith('waiting')).length,
      inFlight: CONCURRENCY + inDoubt(arena),
      recoverySeconds: [seconds],
      violations,
      note: 'what waited is gone, as was asked for',
    });
  },
};
