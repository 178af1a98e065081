// Tasks that are due much later: more than three visibility time-outs with Python workers on the same queue, and a hundred thousand of
// them beside work that is ready.
import { setTimeout as delay } from 'node:timers/promises';
import { type Arena, openArena } from '../harness/arena.ts';
import { endedIds, residentBytes } from '../harness/gestures.ts';
import { percentile } from '../harness/report.ts';
import type { Scenario } from '../harness/scenario.ts';

const CONCURRENCY = 4;
/** Seconds. */
const VISIBILITY = { short: 3, long: 40 } as const;
/** Seconds by which a task may be late. */
const LATE = 4;

/** Those of these tasks that began before they were due, or much later, as sentences. */
function untimely(arena: Arena, prefix: string, countdown: number): readonly string[] {
  const asked = new Map(arena.published().flatMap(({ mark, id, time }) => (mark === 'try' ? [[id, time] as const] : [])));
  const wrong: string[] = [];
  for (const { what, id, time } of arena.runs()) {
    const since = asked.get(id);
    if (what !== 'start' || !id.startsWith(prefix) || since === undefined) continue;
    const after = (time - since) / 1000;
    // RabbitMQ holds messages for whole seconds.
    if (after < countdown - 1 || after > countdown + LATE)
      wrong.push(`${id} began after ${after.toFixed(1)} s instead of ${countdown}`);
  }
  return wrong;
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
    const violations = ['parked', 'taken', 'beside'].flatMap((prefix) => untimely(arena, prefix, countdown));
    // What Celery holds in its own memory is under its own rules.
    return arena.result({ inFlight: byPython.size, recoverySeconds: [], violations });
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
    const violations = untimely(arena, 'soon', 8).slice();
    if (growth > GROWTH) violations.push(`the worker grew by ${Math.round(growth / 1e6)} MB`);
    const asked = new Map(arena.published().flatMap(({ mark, id, time }) => (mark === 'try' ? [[id, time] as const] : [])));
    const waits = arena
      .runs()
      .flatMap(({ what, id, time }) => (what === 'start' && id.startsWith('ready') ? [time - (asked.get(id) ?? 0)] : []));
    const p99 = percentile(waits, 0.99) ?? Number.POSITIVE_INFINITY;
    if (p99 > 1000) violations.push(`ready tasks began after ${(p99 / 1000).toFixed(1)} s (p99)`);
    const { lost } = await arena.judgement();
    // The parked ones are not due.
    return arena.result({
      lost: lost.filter((id) => !id.startsWith('parked')).length,
      inFlight: 0,
      recoverySeconds: [],
      violations,
      note: `${count} parked, the worker grew by ${Math.round(growth / 1e6)} MB, ready tasks began within ${p99.toFixed(0)} ms (p99)`,
    });
  },
};
