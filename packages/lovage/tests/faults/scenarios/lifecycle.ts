// Workers are told to stop at every moment of their life, and are started anew one by one under load: nothing is lost, nothing is
// doubled, the exit is in time and its code says what happened.
import { setTimeout as delay } from 'node:timers/promises';
import { type Arena, openArena } from '../harness/arena.ts';
import type { Child } from '../harness/child.ts';
import { endedIds, heldBy, inDoubt, keepSending, whenBusy } from '../harness/gestures.ts';
import { percentile } from '../harness/report.ts';
import type { Scenario } from '../harness/scenario.ts';

const CONCURRENCY = 4;
/** Seconds: the setting shutdownTimeout. */
const PATIENCE = 1;
/** Seconds that a task which is asked to stop has for it, that giving back may take, and that a busy machine may be late. */
const LEAVING = 2 + 2 + 2;

interface Moment {
  readonly name: string;
  /** Brings a fresh worker there; resolves to it. */
  reach(arena: Arena, name: string): Promise<Child>;
  /** What a second signal comes after, in milliseconds. */
  readonly again?: number;
  readonly codes: readonly (number | string)[];
  /** Only where there is a line to a broker. */
  readonly needsLine?: boolean;
}

const start = (arena: Arena, name: string, awaits: 'ready' | 'spawn' = 'ready'): Promise<Child> =>
  arena.stack.worker({ name, concurrency: CONCURRENCY, awaits, broker: 'proxy', settings: { shutdownTimeout: PATIENCE } });

async function busyWith(
  arena: Arena,
  name: string,
  ms: number,
  count: number = CONCURRENCY,
  task = 'fault.work',
): Promise<Child> {
  const worker = await start(arena, name);
  const producer = await arena.stack.producer({ name: `producer-${name}` });
  await producer.produce({ prefix: name, count, perSecond: 500, task, args: [ms] });
  await whenBusy(arena, name, 50);
  return worker;
}

/** What it gave back runs elsewhere: the next worker is to be busy with its own. What is not due disturbs nobody. */
async function clearUp(arena: Arena, name: string): Promise<void> {
  const own = new RegExp(`^${name}-\\d+$`);
  const left = (): boolean => {
    const ended = endedIds(arena);
    return arena.published().some(({ id }) => own.test(id) && !ended.has(id));
  };
  if (!left()) return;
  const heir = await arena.stack.worker({ name: `heir-of-${name}`, concurrency: 60 });
  await arena.until(`all of ${name} has run`, 60, () => !left());
  heir.signal('SIGTERM');
  await heir.ended;
}

/** The whole life, from the first line of the program on; before it handles signals the system ends it. */
const MOMENTS: readonly Moment[] = [
  {
    name: 'while it loads and connects',
    codes: [0, 'SIGTERM'],
    reach: async (arena, name) => {
      const worker = await start(arena, name, 'spawn');
      await delay(arena.random.int(0, 600));
      return worker;
    },
  },
  {
    name: 'while it cannot connect',
    needsLine: true,
    codes: [0],
    reach: async (arena, name) => {
      const { brokerProxy } = arena.stack;
      brokerProxy?.freeze();
      const before = brokerProxy?.made ?? 0;
      const worker = await start(arena, name, 'spawn');
      await arena.until('it tries to connect', 30, () => (brokerProxy?.made ?? 0) > before);
      await delay(arena.random.int(0, 500));
      return worker;
    },
  },
  { name: 'idle', codes: [0], reach: (arena, name) => start(arena, name) },
  { name: 'busy with short tasks', codes: [0], reach: (arena, name) => busyWith(arena, name, 100, 60) },
  {
    name: 'while it reconnects',
    needsLine: true,
    codes: [0],
    reach: async (arena, name) => {
      const worker = await start(arena, name);
      arena.stack.brokerProxy?.freeze();
      arena.stack.brokerProxy?.cut();
      await delay(700);
      return worker;
    },
  },
  {
    name: 'with tasks that are not due',
    codes: [0],
    reach: async (arena, name) => {
      const worker = await start(arena, name);
      const producer = await arena.stack.producer({ name: `producer-${name}` });
      for (const countdown of [2, 7])
        await producer.produce({ prefix: `${name}-${countdown}`, count: 2, perSecond: 500, countdown });
      await delay(300);
      return worker;
    },
  },
  // What these give back unfinished is run by whoever comes next.
  { name: 'twice', codes: [3], again: 300, reach: (arena, name) => busyWith(arena, name, 2000) },
  { name: 'busy with tasks longer than it may wait', codes: [3], reach: (arena, name) => busyWith(arena, name, 8000) },
];

export const sigterm: Scenario = {
  id: 'sigterm',
  title: "SIGTERM at each moment of a worker's life: loading, connecting, idle, busy, with etas, draining, reconnecting",
  applies: ['sqlite', 'redis', 'redis-celery', 'rabbitmq-classic', 'rabbitmq-quorum'],
  daily: ['sqlite'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack, isShort } = arena;
    const violations: string[] = [];
    const exits: number[] = [];
    for (let round = 0; round < (isShort ? 1 : 6); round++) {
      const moments = MOMENTS.filter(({ needsLine = false }) => !needsLine || stack.brokerProxy !== undefined);
      for (const [at, { name: moment, reach, codes, again }] of moments.entries()) {
        const worker = await reach(arena, `w${round}-${at}`);
        const began = Date.now();
        worker.signal('SIGTERM', 'alone');
        if (again !== undefined) {
          await delay(again);
          worker.signal('SIGTERM', 'alone');
        }
        const code = await Promise.race([worker.ended, delay((PATIENCE + 20) * 1000, 'runs on')]);
        const seconds = (Date.now() - began) / 1000;
        exits.push(seconds);
        stack.brokerProxy?.thaw();
        if (!codes.includes(code)) violations.push(`${moment}: exit ${code} instead of ${codes.join(' or ')}`);
        if (seconds > PATIENCE + LEAVING) violations.push(`${moment}: it left after ${seconds.toFixed(1)} s`);
        await clearUp(arena, `w${round}-${at}`);
      }
    }
    const heir = await stack.worker({ name: 'heir', concurrency: 20 });
    await arena.quiesce(stack.takeover + 40);
    heir.signal('SIGTERM');
    // What was given back unfinished runs anew: interrupted attempts.
    const runs = arena.runs();
    const ended = new Set(runs.flatMap(({ what, id, worker }) => (what === 'end' ? [`${id} ${worker}`] : [])));
    const interrupted = runs.filter(({ what, id, worker }) => what === 'start' && !ended.has(`${id} ${worker}`)).length;
    const counted = runs.filter(({ what, attempt }) => what === 'start' && attempt > 1).length;
    if (counted > 0 && stack.rabbit === undefined) violations.push(`${counted} interrupted attempts were counted`);
    return await arena.result({
      inFlight: interrupted + inDoubt(arena),
      recoverySeconds: [],
      violations,
      note: `exit after ${percentile(exits, 0.5)?.toFixed(1)} s (p50), ${percentile(exits, 1)?.toFixed(1)} s at most; the deadline is ${PATIENCE} s`,
    });
  },
};

export const termKill: Scenario = {
  id: 'term-kill',
  title: 'SIGTERM, then `kill -9` before the tasks are over (Kubernetes out of patience)',
  applies: ['sqlite', 'redis', 'redis-celery', 'rabbitmq-classic', 'rabbitmq-quorum'],
  daily: ['sqlite'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack } = arena;
    const worker = await busyWith(arena, 'victim', 6000, 2 * CONCURRENCY, 'fault.once');
    worker.signal('SIGTERM', 'alone');
    await delay(1500);
    const held = await heldBy(arena, 'victim');
    worker.signal('SIGKILL');
    await worker.ended;
    const at = Date.now();
    await stack.worker({ name: 'heir', concurrency: 2 * CONCURRENCY });
    await arena.until('all have run', stack.takeover + 20, () => endedIds(arena).size === 2 * CONCURRENCY).catch(() => undefined);
    const first = arena
      .runs()
      .filter(({ what, time }) => what === 'start' && time >= at)
      .map(({ time }) => time);
    await arena.quiesce(stack.takeover + 20);
    return await arena.result({
      inFlight: held.size,
      recoverySeconds: first.length === 0 ? [Number.POSITIVE_INFINITY] : [(Math.max(...first) - at) / 1000],
    });
  },
};

const WORKERS = 4;
/** Milliseconds around the stop of a Celery worker. */
const POPPED_MS = 1500;

export const rolling: Scenario = {
  id: 'rolling',
  title: "Four workers under load, one of them Celery's on `redis-celery` and `rabbitmq-classic`, started anew one by one",
  applies: ['redis', 'redis-celery', 'rabbitmq-classic', 'rabbitmq-quorum'],
  // Celery's own worker does not always end when it is told to.
  daily: ['redis'],
  run: async (context) => {
    await using arena = await openArena(context, context.stack === 'redis-celery' ? { lease: 30 } : {});
    const { stack, isShort } = arena;
    // What Lovage holds in its own way Celery cannot give back, so they do not share that mode; and Celery 5.2 knows no quorum queues.
    const isMixed = context.stack === 'redis-celery' || context.stack === 'rabbitmq-classic';
    const stops: number[] = [];
    let stubborn = 0;
    const logs: string[] = [];
    const producer = await stack.producer({ name: 'producer' });
    const launch = (at: number, life: number): Promise<Child> => {
      const options = { name: `w${at}-${life}`, concurrency: CONCURRENCY };
      return at === 0 && isMixed && stack.python !== undefined ? stack.python(options) : stack.worker(options);
    };
    const workers = await Promise.all(Array.from({ length: WORKERS }, (_, at) => launch(at, 0)));
    const load = keepSending(producer, { perSecond: 100, args: [50] });
    await arena.until('the load flows', 30, () => arena.runs().length > 50);
    const violations: string[] = [];
    for (let life = 1; life <= (isShort ? 1 : 5); life++) {
      for (let at = 0; at < WORKERS; at++) {
        const old = workers[at];
        if (at === 0 && isMixed) stops.push(Date.now());
        old?.signal('SIGTERM', 'alone');
        const code = await Promise.race([old?.ended, delay(20_000, 'runs on')]);
        if (at === 0 && isMixed) {
          // It is still a worker then: what it holds it runs.
          if (code !== 0) stubborn++;
        } else {
          if (code !== 0) violations.push(`${old?.name} ended with ${code}`);
          logs.push(old?.log() ?? '');
        }
        workers[at] = await launch(at, life);
      }
    }
    await load.stop();
    await arena.quiesce(stack.takeover + 30);
    for (const worker of workers.slice(1)) logs.push(worker.log());
    const asked = new Map(arena.published().flatMap(({ mark, id, time }) => (mark === 'try' ? [[id, time]] : [])));
    const waits = arena
      .runs()
      .flatMap(({ what, id, time }) => (what === 'start' ? [(time - (asked.get(id) ?? time)) / 1000] : []));
    const python = isMixed ? arena.runs().filter(({ what, worker }) => what === 'end' && worker.startsWith('w0-')).length : 0;
    if (isMixed && python === 0) violations.push('the Python worker ran nothing');
    // Celery takes from Redis with BRPOP: what is popped as it ends is nowhere any more.
    const { lost } = await arena.judgement();
    const lovageLogs = logs.join('\n');
    const itsOwn = lost.filter(
      (id) =>
        context.stack === 'redis-celery' &&
        !lovageLogs.includes(`[${id}]`) &&
        stops.some((stop) => Math.abs((asked.get(id) ?? 0) - stop) < POPPED_MS),
    );
    const blame =
      (itsOwn.length === 0 ? '' : `; ${itsOwn.length} lost by Celery as it stopped`) +
      (stubborn === 0 ? '' : `; Celery did not end ${stubborn} times within 20 s of SIGTERM`);
    return await arena.result({
      lost: lost.length - itsOwn.length,
      inFlight: 0,
      recoverySeconds: [],
      violations,
      note: `${endedIds(arena).size} tasks, ${python} of them by Celery; started after ${percentile(waits, 0.99)?.toFixed(2)} s at most (p99)${blame}`,
    });
  },
};
