// Idle connections do not keep a program alive; a wait or a write under way does. Drivers unref everything, and what is pending here
// holds one timer for all.

/** Far beyond any wait, and below the limit above which Node fires a timer at once. */
const LONG_MS = 2 ** 30;

export interface Keepalive {
  /** Keeps the process alive until `work` has settled. */
  during<T>(work: Promise<T>): Promise<T>;
  /** Keeps the process alive until as many releases. */
  hold(): void;
  release(): void;
}

/** Makes a holder; it costs one timer while something is pending and nothing otherwise. */
export function keepalive(): Keepalive {
  let pending = 0;
  let timer: NodeJS.Timeout | undefined;
  const hold = (): void => {
    if (pending++ > 0) return;
    // One timer for good: making one for each wait costs more than the wait.
    if (timer === undefined) timer = setInterval(() => undefined, LONG_MS);
    else timer.ref();
  };
  const release = (): void => {
    if (--pending === 0) timer?.unref();
  };
  return {
    hold,
    release,
    async during(work) {
      hold();
      try {
        return await work;
      } finally {
        release();
      }
    },
  };
}
