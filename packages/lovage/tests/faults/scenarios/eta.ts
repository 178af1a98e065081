// Tasks that are due much later: more than three visibility time-outs with Python workers on the same queue, and a hundred thousand of
// them beside work that is ready.
import { setTimeout as delay } from 'node:timers/promises';
import { type Arena, openArena } from '../harness/arena.ts';
import { endedIds, residentBytes } from '../harness/gestures.ts';
import { percentile } from '../harness/report.ts';
import type { Scenario, ScenarioResult, Timed } from '../harness/scenario.ts';

const CONCURRENCY = 4;
/** Seconds. */
const VISIBILITY = { short: 3, long: 40 } as const;
/** Seconds after it is due in which a task begins. */
const WITHIN = 2.5;

/** How long these tasks waited after they were asked for until they began, each time they did (s). */
function waitsOf(arena: Arena, prefix: string): readonly number[] {
  const asked = new Map(arena.published().flatMap(({ mark, id, time }) => (mark === 'try' ? [[id, time] as const] : [])));
  return arena.runs().flatMap(({ what, id, time }) => {
    const since = asked.get(id);
    return what === 'start' && id.startsWith(prefix) && since !== undefined ? [(time - since) / 1000] : [];
  });
}

/** Those of these tasks that began before they were due, and the latest of them. */
function punctuality(arena: Arena, prefix: string, countdown: number): Pick<ScenarioResult, 'violations'> & { timed: Timed } {
  const waits = waitsOf(arena, prefix);
  // RabbitMQ holds messages for whole seconds.
  const early = waits.filter((after) => after < countdown - 1);
  return {
    violations: early.map((after) => `one of ${prefix} began after ${after.toFixed(1)} s instead of ${countdown}`),
    timed: { what: `all of ${prefix} began`, seconds: Math.max(0, ...waits), promised: countdown + WITHIN },
  };
}

export const etaVisibility: Scenario = {
  id: 'eta-visibility',
  title: 'Eta three visibility time-outs ahead, Python workers on the same queue',
  // Celery 5.2 knows no quorum queues.
  applies: ['redis-celery', 'rabbitmq-classic'],
  daily: ['redis-celery'],
  run: async (context) => {
    const visibility = VISIBILITY[context.scale];
    await using arena = await openArena(context, { visibility });
    const { stack } = arena;
    const countdown = 3 * visibility + 1;
    await stack.worker({ name: 'lovage', concurrency: CONCURRENCY });
    const producer = await stack.producer({ name: 'producer' });
    const client = await stack.python?.({ name: 'client', role: 'producer' });
    // Nobody but Lovage is there: these are parked, by whoever publishes or by whoever takes them.
    await producer.produce({ prefix: 'parked', count: 10, perSecond: 100, countdown });
    const heard = client?.heard('produced taken');
    client?.tell(JSON.stringify({ prefix: 'taken', count: 10, perSecond: 100, countdown }));
    await heard;
    await delay(500);
    const python = await stack.python?.({ name: 'python', concurrency: CONCURRENCY });
    await producer.produce({ prefix: 'beside', count: 10, perSecond: 100, countdown });
    // Ready work goes on meanwhile, on both.
    await producer.produce({ prefix: 'now', count: 40, perSecond: 20, args: [20] });
    const isDone = (): boolean => ['parked', 'taken', 'beside'].every((prefix) => endedIds(arena, prefix).size === 10);
    await arena.until('all have run', countdown + 20, isDone).catch(() => undefined);
    await delay(1500);
    await arena.quiesce(20);
    const byPython = new Set(
      [...(python?.log() ?? '').matchAll(/\[(beside-\d+|parked-\d+|taken-\d+)\] received/g)].map(([, id]) => id),
    );
    const punctual = ['parked', 'taken', 'beside'].map((prefix) => punctuality(arena, prefix, countdown));
    const violations = punctual.flatMap((each) => each.violations);
    const timed = punctual.map((each) => each.timed);
    // What Celery holds in its own memory is under its own rules.
    return await arena.result({ inFlight: byPython.size, recoverySeconds: [], timed, violations });
  },
};

const PARKED = { short: 3000, long: 100_000 } as const;
/** Bytes by which the worker may grow. */
const GROWTH = 40_000_000;
const READY = 100;

export const parked: Scenario = {
  id: 'parked',
  title: '100,000 parked tasks (short: 3,000) beside ready ones',
  applies: ['sqlite', 'redis', 'redis-celery', 'rabbitmq-classic', 'rabbitmq-quorum'],
  daily: ['redis-celery'],
  run: async (context) => {
    // As many publishes at once as there are to be parked: none of them shall give up while the others are written.
    await using arena = await openArena(context, { publishTimeout: context.scale === 'long' ? 120 : 10 });
    const { stack } = arena;
    const count = PARKED[context.scale];
    const producer = await stack.producer({ name: 'producer' });
    const worker = await stack.worker({ name: 'worker', concurrency: CONCURRENCY });
    await producer.produce({ prefix: 'warm', count: 500, perSecond: 500, args: [1] });
    await arena.until('it is warm', 60, () => endedIds(arena, 'warm').size === 500);
    const before = residentBytes(worker.pid);
    await producer.produce({ prefix: 'parked', count, perSecond: 5000, countdown: 7200 });
    await producer.produce({ prefix: 'soon', count: 20, perSecond: 500, countdown: 8 });
    await producer.produce({ prefix: 'ready', count: READY, perSecond: 25, args: [1] });
    await arena.until('the ready ones have run', 60, () => endedIds(arena, 'ready').size === READY).catch(() => undefined);
    await arena.until('the next ones have run', 30, () => endedIds(arena, 'soon').size === 20).catch(() => undefined);
    const growth = Math.max(0, residentBytes(worker.pid) - before);
    const soon = punctuality(arena, 'soon', 8);
    const violations = [...soon.violations];
    if (growth > GROWTH) violations.push(`the worker grew by ${Math.round(growth / 1e6)} MB`);
    const p99 = percentile(waitsOf(arena, 'ready'), 0.99) ?? Number.POSITIVE_INFINITY;
    const timed = [soon.timed, { what: 'ready tasks began (p99)', seconds: p99, promised: 0.5, slack: 0.5 }];
    const { lost } = await arena.judgement();
    // The parked ones are not due.
    return await arena.result({
      lost: lost.filter((id) => !id.startsWith('parked')).length,
      inFlight: 0,
      recoverySeconds: [],
      timed,
      violations,
      note: `${count} parked, the worker grew by ${Math.round(growth / 1e6)} MB, ready tasks began within ${(1000 * p99).toFixed(0)} ms (p99)`,
    });
  },
};
