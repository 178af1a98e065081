// What several scenarios do: keep a load going, see what a worker holds, measure who took it over.
import { readFileSync } from 'node:fs';
import type { Arena } from './arena.ts';
import type { Load } from './orders.ts';
import type { Timed } from './scenario.ts';
import type { Producer } from './stack.ts';

/** Keeps sending until stopped; `stop` resolves when all that was sent is confirmed. */
export function keepSending(producer: Producer, load: Omit<Load, 'prefix' | 'count'>): { stop(): Promise<void> } {
  let isOver = false;
  const name = producer.child.name;
  const rounds = async (): Promise<void> => {
    for (let round = 0; !isOver; round++) {
      const count = Math.max(1, Math.round(load.perSecond * 0.4));
      await producer.produce({ ...load, prefix: `${name}${round}`, count });
    }
  };
  const sending = rounds();
  // Whoever forgets to stop it has failed already.
  sending.catch(() => undefined);
  return {
    stop: () => {
      isOver = true;
      return sending;
    },
  };
}

/** Ids that this worker has started and not ended. */
export function runningOn(arena: Arena, worker: string): Set<string> {
  const open = new Set<string>();
  for (const line of arena.runs()) {
    if (!line.worker.startsWith(`${worker}/`)) continue;
    if (line.what === 'start') open.add(line.id);
    else open.delete(line.id);
  }
  return open;
}

/** Ids that this worker has started and whose result is not stored: what it holds, and what others will run again. */
export async function heldBy(arena: Arena, worker: string): Promise<Set<string>> {
  const started = new Set(
    arena.runs().flatMap((line) => (line.what === 'start' && line.worker.startsWith(`${worker}/`) ? [line.id] : [])),
  );
  // A result of somebody else's shows that this one had none.
  for (const { id, by } of await arena.stack.finals([...started])) if (by.includes(`${worker}/`)) started.delete(id);
  return started;
}

/** Waits until a worker is busy, and from then a random while (ms) at the end of which it is busy too. */
export async function whenBusy(arena: Arena, worker: string, longest = 300): Promise<void> {
  const isBusy = (): boolean => runningOn(arena, worker).size > 0;
  await arena.until(`${worker} is busy`, 30, isBusy);
  await new Promise((resolve) => setTimeout(resolve, arena.random.int(0, longest)));
  await arena.until(`${worker} is busy`, 30, isBusy);
}

/** Seconds from `since` (epoch ms) until all these ids had started anew; undefined while some have not. */
export function takenOverAfter(arena: Arena, ids: ReadonlySet<string>, since: number): number | undefined {
  const first = new Map<string, number>();
  for (const { what, id, time } of arena.runs())
    if (what === 'start' && time >= since && ids.has(id) && !first.has(id)) first.set(id, time);
  if (first.size < ids.size) return undefined;
  return ids.size === 0 ? 0 : (Math.max(...first.values()) - since) / 1000;
}

/** Seconds from `since` (epoch ms) until the first task started; undefined while none has. */
export function firstStartAfter(arena: Arena, since: number): number | undefined {
  const times = arena.runs().flatMap(({ what, time }) => (what === 'start' && time >= since ? [time] : []));
  return times.length === 0 ? undefined : (Math.min(...times) - since) / 1000;
}

/**
 * How often a publish was in doubt: nobody knew whether it was stored, or it was under way at one of these moments (epoch ms). It was
 * sent again, by the producer or by the driver, so its task may have run once more each time.
 */
export function inDoubt(arena: Arena, moments: readonly number[] = []): number {
  return [...doubtsOf(arena, moments).values()].reduce((sum, count) => sum + count, 0);
}

/** How often a publish was under way in one of these spans of time (epoch ms): a line that ended then may have left it in doubt. */
export function underWayIn(arena: Arena, spans: readonly Span[]): number {
  const asked = new Map<string, number>();
  let count = 0;
  for (const { mark, id, time } of arena.published()) {
    if (mark === 'try') {
      asked.set(id, time);
      continue;
    }
    const since = asked.get(id) ?? time;
    const hits = spans.filter(([from, to]) => since <= to && from <= time).length;
    count += Math.max(hits, mark === 'maybe' ? 1 : 0);
    asked.set(id, time);
  }
  return count;
}

/** How often each was in doubt. */
function doubtsOf(arena: Arena, moments: readonly number[]): ReadonlyMap<string, number> {
  const asked = new Map<string, number>();
  const doubtful = new Map<string, number>();
  for (const { mark, id, time } of arena.published()) {
    if (mark === 'try') {
      asked.set(id, time);
      continue;
    }
    const since = asked.get(id) ?? time;
    const times = moments.filter((moment) => since <= moment && moment <= time).length + (mark === 'maybe' ? 1 : 0);
    if (times > 0) doubtful.set(id, (doubtful.get(id) ?? 0) + times);
    // What is sent again is under way anew.
    asked.set(id, time);
  }
  return doubtful;
}

/** The publish that waited longest for its answer, which its deadline bounds. */
export function slowestPublish(arena: Arena): Timed {
  const seconds = arena.published().reduce((most, { took }) => Math.max(most, took), 0);
  return { what: 'a publish was answered', seconds, promised: arena.stack.publishTimeout };
}

/** Milliseconds from the end of a task until its result is stored and its message acknowledged, on a machine whose cores are busy. */
const SETTLES_MS = 100;

/** From and to, epoch ms. */
export type Span = readonly [number, number];

/** How often each task was being executed or settled in one of these spans of time: a line that was away then may repeat it so often. */
function executionsIn(arena: Arena, spans: readonly Span[]): ReadonlyMap<string, number> {
  const open = new Map<string, number>();
  const counts = new Map<string, number>();
  const noted = (id: string, start: number, end: number): void => {
    const isHit = spans.some(([from, to]) => start <= to && from <= end + SETTLES_MS);
    if (isHit) counts.set(id, (counts.get(id) ?? 0) + 1);
  };
  for (const { what, id, worker, time } of arena.runs()) {
    const key = `${worker} ${id}`;
    if (what === 'start') open.set(key, time);
    else {
      noted(id, open.get(key) ?? time, time);
      open.delete(key);
    }
  }
  for (const [key, start] of open) noted(key.slice(key.indexOf(' ') + 1), start, Number.POSITIVE_INFINITY);
  return counts;
}

/** How many executions may be repeated because their broker was away in these spans: they ran, or had ended and were not settled. */
export function unsettledIn(arena: Arena, spans: readonly Span[]): number {
  return [...executionsIn(arena, spans).values()].reduce((sum, count) => sum + count, 0);
}

/** How many executions lines that were cut at these moments (epoch ms) may repeat, and each task that ran oftener than the cuts explain, as sentences. */
export function repeatsAt(
  arena: Arena,
  { consumed, published }: { readonly consumed: readonly number[]; readonly published: readonly number[] },
): { readonly executions: number; readonly beyond: readonly string[] } {
  const executions = executionsIn(
    arena,
    consumed.map((moment) => [moment, moment]),
  );
  const doubtful = doubtsOf(arena, published);
  const starts = new Map<string, number>();
  for (const { what, id } of arena.runs()) if (what === 'start') starts.set(id, (starts.get(id) ?? 0) + 1);
  const beyond: string[] = [];
  for (const [id, count] of starts) {
    const most = 1 + (executions.get(id) ?? 0) + (doubtful.get(id) ?? 0);
    if (count > most) beyond.push(`${id} ran ${count} times, where ${most} can be explained`);
  }
  return { executions: [...executions.values()].reduce((sum, count) => sum + count, 0), beyond };
}

/** Did it end within so many seconds? */
export async function within(seconds: number, work: Promise<unknown>): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), seconds * 1000);
  try {
    return await Promise.race([work.then(() => true), promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Ids that have ended at least once, of those that begin so. */
export function endedIds(arena: Arena, prefix = ''): Set<string> {
  return new Set(arena.runs().flatMap(({ what, id }) => (what === 'end' && id.startsWith(prefix) ? [id] : [])));
}

/** Sends until the worker of this name has run some of it again; false: it stays deaf. */
export async function worksAgain(arena: Arena, producer: Producer, worker: string, rounds = 40): Promise<boolean> {
  const prefix = `again-${worker}-`;
  const works = (): boolean =>
    arena.runs().some(({ what, id, worker: by }) => what === 'end' && id.startsWith(prefix) && by.startsWith(`${worker}/`));
  for (let round = 0; round < rounds && !works(); round++) {
    await producer.produce({ prefix: `${prefix}${round}`, count: 16, perSecond: 200, args: [30] });
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return works();
}

/** Seconds of processor time that a process has used so far (Linux). */
export function cpuSeconds(pid: number): number {
  const [user = 0, system = 0] = (readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1] ?? '')
    .split(' ')
    .slice(11, 13)
    .map(Number);
  return (user + system) / 100;
}

/** Bytes of memory that a process has resident now (Linux). */
export function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
}
