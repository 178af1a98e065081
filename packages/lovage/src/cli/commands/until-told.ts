// Ctrl-C and TERM for work that ends between two steps.

/** A signal that aborts when the program is told to end. */
export function untilTold(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  return stop.signal;
}
