// Values that may have to be waited for. The hot path of a worker takes them as they come: a promise for each step of each task would
// cost more than the steps.

/** A value, or the promise of one. */
export type Maybe<T> = T | Promise<T>;

/** Is there something to wait for? Also what merely looks like a promise. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}
