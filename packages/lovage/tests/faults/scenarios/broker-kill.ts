// The broker dies by kill -9 under load and comes back: what it confirmed is still there, and everybody goes on by himself. Without a
// server (the embedded broker) it is the processes that write the file which die in the middle of writing.
import { setTimeout as delay } from 'node:timers/promises';
import { type Allowance, type Arena, openArena } from '../harness/arena.ts';
import {
  firstStartAfter,
  heldBy,
  inDoubt,
  keepSending,
  type Span,
  slowestPublish,
  takenOverAfter,
  unsettledIn,
} from '../harness/gestures.ts';
import { endMayBeForgotten, type LogEnd, mayBeForgotten, watchLog } from '../harness/log-end.ts';
import type { Scenario, ScenarioContext, ScenarioResult } from '../harness/scenario.ts';
import type { StackOptions } from '../harness/stack.ts';

const CONCURRENCY = 4;
const WORKERS = 2;
/** Seconds in which everybody has to be back after the broker is. Reconnecting backs off, up to 30 s after a long outage. */
const BACK = 15;
/** What a log that ended before its server did allows. */
function forgetting(arena: Arena, logEnds: readonly LogEnd[]): Allowance {
  if (logEnds.length === 0) return {};
  const published = Map.groupBy(arena.published(), ({ id }) => id);
  const runs = Map.groupBy(arena.runs(), ({ id }) => id);
  return {
    mayVanish: (id) => logEnds.some((end) => mayBeForgotten(published.get(id) ?? [], end)),
    mayRepeat: (id) => logEnds.some((end) => endMayBeForgotten(runs.get(id) ?? [], end)),
  };
}

async function brokerDeaths(context: ScenarioContext, options: StackOptions): Promise<ScenarioResult> {
  await using arena = await openArena(context, options);
  const { stack, isShort, random } = arena;
  const { broker } = stack;
  if (broker === undefined) return await writerDeaths(arena);
  const producer = await stack.producer({ name: 'producer' });
  for (let at = 0; at < WORKERS; at++) await stack.worker({ name: `worker${at}`, concurrency: CONCURRENCY });
  const load = keepSending(producer, { perSecond: 100, args: [20] });
  await arena.until('the queue is in use', 30, () => arena.runs().length > 0);
  const note = await stack.settle?.();
  const holdsBack = options.appendonly === 'everysec';
  const deaths = isShort ? 1 : 3;
  const recoverySeconds: number[] = [];
  const away: Span[] = [];
  const logEnds: LogEnd[] = [];
  for (let death = 0; death < deaths; death++) {
    const before = arena.runs().length;
    await using witness = holdsBack ? watchLog(stack.redisUrl ?? '') : undefined;
    await arena.until('the load flows', 30, () => arena.runs().length > before + 20);
    await delay(random.int(0, 500));
    const at = Date.now();
    await broker.kill();
    await delay(random.int(0, isShort ? 500 : 5000));
    const gone = Date.now();
    await broker.restart();
    const up = Date.now();
    away.push([at, up]);
    if (witness !== undefined) logEnds.push({ known: await witness.known(), gone });
    await arena.until('tasks run again', BACK + 15, () => firstStartAfter(arena, up) !== undefined);
    recoverySeconds.push(firstStartAfter(arena, up) ?? Number.POSITIVE_INFINITY);
  }
  await load.stop();
  await arena.quiesce(stack.takeover + 30);
  return await arena.result(
    {
      inFlight: unsettledIn(arena, away) + inDoubt(arena, away.flat()),
      recoverySeconds,
      ...(note === undefined ? {} : { note }),
      timed: [
        slowestPublish(arena),
        ...recoverySeconds.map((seconds) => ({ what: 'the workers were back', seconds, promised: BACK, slack: 0 })),
      ],
    },
    forgetting(arena, logEnds),
  );
}

async function writerDeaths(arena: Arena): Promise<ScenarioResult> {
  const { stack, isShort, random } = arena;
  await stack.worker({ name: 'heir', concurrency: CONCURRENCY });
  const recoverySeconds: number[] = [];
  let inFlight = 0;
  const deaths = isShort ? 2 : 10;
  for (let death = 0; death < deaths; death++) {
    const producer = await stack.producer({ name: `producer${death}` });
    const worker = await stack.worker({ name: `victim${death}`, concurrency: CONCURRENCY });
    const load = keepSending(producer, { perSecond: 300, args: [5] });
    const before = arena.runs().length;
    await arena.until('the load flows', 30, () => arena.runs().length > before + 20);
    await delay(random.int(0, 300));
    const at = Date.now();
    for (const victim of [producer.child, worker]) victim.signal('SIGKILL');
    await worker.ended;
    await load.stop().catch(() => undefined);
    const held = await heldBy(arena, `victim${death}`);
    inFlight += held.size;
    const back = (): number | undefined => takenOverAfter(arena, held, at);
    await arena.until('taken over', stack.takeover + 15, () => back() !== undefined).catch(() => undefined);
    if (held.size > 0) recoverySeconds.push(back() ?? Number.POSITIVE_INFINITY);
  }
  await arena.quiesce(stack.takeover + 30);
  const timed = recoverySeconds.map((seconds) => ({ what: 'taken over', seconds, promised: stack.takeover }));
  return await arena.result({ inFlight, recoverySeconds, timed });
}

export const brokerKill: Scenario = {
  id: 'broker-kill',
  title: 'Broker `kill -9` and restart under load (Redis: AOF `always`; embedded: the writing processes)',
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
  run: (context) => brokerDeaths(context, { appendonly: 'always' }),
};

export const brokerKillEverysec: Scenario = {
  id: 'broker-kill-everysec',
  title: 'Broker `kill -9` and restart under load (Redis: AOF `everysec`)',
  applies: ['redis', 'redis-celery', 'celery-redis', 'bullmq'],
  run: (context) => brokerDeaths(context, { appendonly: 'everysec' }),
};
