// Which write may replace which: one rule for every backend. The Redis form of it is Lua (util/redis-joint.ts), the SQL form a WHERE.
import { READY_STATES, type StoredResult } from './seam.ts';

/** Redeliveries of one message stay far below this, so that every retry's attempts come after those of the retry before. */
const ATTEMPTS_PER_RETRY = 1_000_000;
/** Hardly any task is retried so often: what took the place of a task comes after all attempts of that. */
const RETRIES_PER_PLACE = 1000;

/**
 * The number under which an execution writes. A retry is a new message whose delivery count starts at 1 again, so the count alone
 * would let the fence of an earlier message refuse the retry's own result; what replaced a task starts even its retries anew.
 */
export function attemptNumber(retries: number, attempts: number, replacements = 0): number {
  return (replacements * RETRIES_PER_PLACE + retries) * ATTEMPTS_PER_RETRY + attempts;
}

/** May `next` be stored over what is there? SUCCESS is never replaced, a ready state only by a ready one, and no attempt older than the fence writes. */
export function mayStore(
  next: Pick<StoredResult, 'state' | 'attempt'>,
  stored: Pick<StoredResult, 'state'> | undefined,
  fence: number | undefined,
): boolean {
  const wasReady = stored !== undefined && READY_STATES.has(stored.state);
  if (stored?.state === 'SUCCESS') return false;
  if (wasReady && !READY_STATES.has(next.state)) return false;
  if (fence === undefined) return true;
  return next.attempt > fence || (next.attempt === fence && !wasReady);
}

/** Is exactly this record stored? Then its write was no refusal but a repeat, whose first answer was lost on the way. */
export function isStored(result: StoredResult, stored: ReadonlyMap<string, StoredResult>): boolean {
  const there = stored.get(result.id);
  return there !== undefined && Buffer.compare(there.body, result.body) === 0;
}
