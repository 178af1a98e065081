// What several scenarios do: keep a load going, see what a worker holds, measure who took it over.
import type { Arena } from './arena.ts';
import type { Load } from './orders.ts';
import type { Producer } from './stack.ts';

/** Seconds by which a machine with busy cores may be late. */
export const SLACK = 1.5;

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
 * Publishes that were in doubt: nobody knew whether they were stored, or they were under way at one of these moments (epoch ms). They
 * were sent again, by the producer or by the driver, so each may have run twice.
 */
export function inDoubt(arena: Arena, moments: readonly number[] = []): number {
  const asked = new Map<string, number>();
  const doubtful = new Set<string>();
  for (const { mark, id, time } of arena.published()) {
    if (mark === 'try') asked.set(id, time);
    else if (mark === 'maybe') doubtful.add(id);
    else if (mark === 'ok' && moments.some((moment) => (asked.get(id) ?? time) <= moment && moment <= time)) doubtful.add(id);
  }
  return doubtful.size;
}

/** Publishes that took longer than their deadline allows, as sentences. */
export function latePublishes(arena: Arena): readonly string[] {
  const limit = arena.stack.publishTimeout + SLACK;
  const late = arena.published().filter(({ took }) => took > limit);
  return late.length === 0
    ? []
    : [`${late.length} publishes answered later than their deadline (${Math.max(...late.map(({ took }) => took))} s)`];
}
