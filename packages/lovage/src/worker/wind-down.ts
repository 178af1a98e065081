// The end of a worker's parts: they drain, as long as they may, and are closed, in a time that is bounded: a broker that is dead must not
// keep a worker.
import { deadline, ShutdownError } from '../util/index.ts';
import type { Blueprint } from './bootsteps.ts';

/** Seconds that closing gets at least, after a drain in time and after one that was not. */
const CLOSING = { inTime: 2, late: 1 };

/** Waits for what runs, `seconds` at most (null: without limit) and not beyond the abort of `signal`; then closes. */
export async function windDown(blueprint: Blueprint, seconds: number | null, signal: AbortSignal): Promise<void> {
  const began = performance.now();
  const isLate = await drain(blueprint, seconds ?? undefined, signal);
  if (seconds === null && !isLate) {
    await blueprint.stop(signal);
    return;
  }
  const rest = (seconds ?? 0) - (performance.now() - began) / 1000;
  using hurry = deadline(
    isLate ? CLOSING.late : Math.max(CLOSING.inTime, rest),
    () => new ShutdownError('The worker leaves without waiting any longer.'),
    undefined,
    { ref: true },
  );
  await blueprint.stop(hurry.signal);
}

/** Answers whether it was broken off. */
async function drain(blueprint: Blueprint, seconds: number | undefined, signal: AbortSignal): Promise<boolean> {
  const late = (): Error =>
    new ShutdownError(`The worker stops, and the task did not end within ${seconds} seconds (shutdownTimeout).`);
  using limit = deadline(seconds, late, signal, { ref: true });
  await blueprint.drain(limit.signal);
  return limit.signal.aborted;
}
