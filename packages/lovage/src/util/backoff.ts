// How long to wait before the n-th retry: capped exponential growth with jitter.

export interface BackoffOptions {
  /** Seconds before the first retry. */
  readonly first: number;
  /** Seconds; no wait is longer. */
  readonly cap: number;
  /** @default 2 */
  readonly factor?: number;
  /** Share of the wait that is random, 0 to 1. @default 0.5 */
  readonly jitter?: number;
}

/** Seconds to wait before retry number `retry` (0 is the first). */
export function backoff(retry: number, options: BackoffOptions, random: () => number = Math.random): number {
  const whole = Math.min(options.cap, options.first * (options.factor ?? 2) ** Math.min(retry, 64));
  const jitter = options.jitter ?? 0.5;
  return whole * (1 - jitter) + whole * jitter * random();
}
