// Time, injectable so that tests do not sleep. Wall time in epoch seconds (Celery's unit), monotonic time in milliseconds.

export interface Clock {
  /** Epoch seconds with a fraction. */
  now(): number;
  /** Milliseconds that never go back. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now() / 1000,
  monotonic: () => performance.now(),
};
