// What a pool of slots says of itself: Celery's keys, which dashboards read, and our own under `lovage`.
import type { PoolRequest } from './request.ts';
import type { Slot } from './slot.ts';

/** What a pool has counted. */
export interface SlotPoolCounts {
  readonly limit: number;
  readonly width: number;
  readonly running: number;
  readonly queued: number;
  readonly done: number;
  readonly lost: number;
  readonly replaced: number;
  /** Jobs that each slot number was given. */
  readonly writes: ReadonlyMap<number, number>;
}

export function statisticsOf(
  name: string,
  slots: readonly Slot[],
  { limit, width, running, queued, done, lost, replaced, writes }: SlotPoolCounts,
  { maxTasksPerChild, timeouts = [0, 0] }: Pick<PoolRequest, 'maxTasksPerChild' | 'timeouts'>,
): Readonly<Record<string, unknown>> {
  return {
    implementation: `lovage.pool:${name}`,
    'max-concurrency': limit,
    processes: [...new Set(slots.map(({ link }) => link.pid))],
    'max-tasks-per-child': maxTasksPerChild ?? 'N/A',
    'put-guarded-by-semaphore': false,
    timeouts: [...timeouts],
    writes: writesOf([...writes.values()], slots),
    lovage: { running, queued, zombies: 0, done, lost, replaced, width, slots: slots.map(slotLine) },
  };
}

/** As Celery counts what it wrote to each child. */
function writesOf(counts: readonly number[], slots: readonly Slot[]): Readonly<Record<string, unknown>> {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const share = (count: number): string => (total === 0 ? 0 : count / total).toFixed(2);
  return {
    total,
    avg: share(counts.length === 0 ? 0 : total / counts.length),
    all: counts.map(share).join(', '),
    raw: counts.join(', '),
    strategy: 'fair',
    inqueues: { total: slots.length, active: slots.filter(({ taken }) => taken > 0).length },
  };
}

function slotLine({ name, link, state, retired, taken, jobs }: Slot): Readonly<Record<string, unknown>> {
  return { name, pid: link.pid, state: retired && state === 'up' ? 'retired' : state, running: taken, jobs };
}
