// How often a call to a result store that is away is repeated: the settings resultBackend…Retry…, in one place. Called by redis.ts.
import { sleep } from '../util/index.ts';

/** When to repeat what failed for a passing reason. */
export interface RetryPolicy {
  /** 0: never. */
  readonly maxRetries: number;
  /** Milliseconds that the back-off grows from. */
  readonly baseSleep: number;
  /** Milliseconds of the longest wait. */
  readonly maxSleep: number;
}

export const DEFAULT_RETRY: RetryPolicy = { maxRetries: Number.POSITIVE_INFINITY, baseSleep: 10, maxSleep: 10_000 };

/** Milliseconds at most before repeat number `repeat` (1 is the first). */
export function longestPause({ baseSleep, maxSleep }: RetryPolicy, repeat: number): number {
  return Math.min(maxSleep, baseSleep * 2 ** repeat);
}

/** Calls until it works, as often as the policy lets it; rejects with the last error, or with the signal's reason while it waits. */
export async function repeatedly<T>(
  policy: RetryPolicy,
  signal: AbortSignal,
  call: () => Promise<T>,
  canMend: (error: unknown) => boolean,
): Promise<T> {
  for (let repeat = 1; ; repeat++) {
    try {
      return await call();
    } catch (error) {
      if (signal.aborted || repeat > policy.maxRetries || !canMend(error)) throw error;
      const milliseconds = Math.floor(Math.random() * (longestPause(policy, repeat) + 1));
      await sleep(milliseconds / 1000, signal, { ref: false });
    }
  }
}
