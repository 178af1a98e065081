// Idle connections do not keep a program alive; a wait or a write under way does. Drivers unref everything, and what is pending here
// holds one timer for all.

/** Far beyond any wait, and below the limit above which Node fires a timer at once. */
const LONG_MS = 2 ** 30;

export interface Keepalive {
  /** Keeps the process alive until `work` has settled. */
  during<T>(work: Promise<T>): Promise<T>;
}

/** Makes a holder; it costs one timer while something is pending and nothing otherwise. */
export function keepalive(): Keepalive {
  let pending = 0;
  let timer: NodeJS.Timeout | undefined;
  return {
    async during(work) {
      if (pending++ === 0) timer = setInterval(() => undefined, LONG_MS);
      try {
        return await work;
      } finally {
        if (--pending === 0) clearInterval(timer);
      }
    },
  };
}
