// What belongs to the end of a task and runs in the worker's own process, where somebody waits for it who must not wait for ever.
import { deadline, orAborted, TimeLimitExceededError } from '../util/index.ts';

/** Seconds, where the task says nothing else. */
const PATIENCE = 30;

/** Settles as `called` does, or rejects with TimeLimitExceededError when that takes too long; then it is left to itself. */
export function inTime(what: string, called: unknown, seconds: number = PATIENCE): Promise<unknown> {
  const late = (): Error => new TimeLimitExceededError(`${what} did not end within ${seconds} seconds.`);
  const limit = deadline(seconds, late);
  return orAborted(Promise.resolve(called), limit.signal).finally(() => limit[Symbol.dispose]());
}
