// The end of a worker's parts: they drain, as long as they may, and are closed, in a time that is bounded: a broker that is dead must not
// keep a worker.
import { after, deadline, ShutdownError, type Timer } from '../util/index.ts';
import type { Blueprint } from './bootsteps.ts';

/** Seconds that closing gets at least, after a drain in time and after one that was not. */
const CLOSING = { inTime: 2, late: 1 };

/**
 * Seconds after `shutdownTimeout`, or after a cold shutdown began, in which a worker is gone, whatever does not answer: five and a half for
 * what is broken off (see Consumer.interrupt), the rest to close. With the default, and two more for the connections of a program, that
 * has to fit into the 30 s after which Kubernetes kills.
 */
const LEAVE = 6.5;

/** Aborts at the last moment of a worker that stops now. `seconds`: its shutdownTimeout. */
export function lastMoment(seconds: number | null, cold: AbortSignal): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const timers: Timer[] = [];
  const over = (): void => controller.abort(new ShutdownError('The worker leaves without waiting any longer.'));
  const begin = (wait: number): void => void timers.push(after(wait, over, { ref: true }));
  const onCold = (): void => begin(LEAVE);
  if (seconds !== null) begin(seconds + LEAVE);
  if (cold.aborted) onCold();
  else cold.addEventListener('abort', onCold, { once: true });
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      for (const timer of timers) timer.cancel();
      cold.removeEventListener('abort', onCold);
    },
  };
}

export interface WindDown {
  /** Seconds that what runs may take; null: without limit. */
  readonly seconds: number | null;
  /** A cold shutdown: nothing is waited for any more. */
  readonly cold: AbortSignal;
  /** See lastMoment. */
  readonly last: AbortSignal;
}

/** Waits for what runs, `seconds` at most and not beyond the abort of `cold`; then closes. */
export async function windDown(blueprint: Blueprint, { seconds, cold, last }: WindDown): Promise<void> {
  const began = performance.now();
  const isLate = await drain(blueprint, seconds ?? undefined, cold);
  if (seconds === null && !isLate) {
    await blueprint.stop(cold, last);
    return;
  }
  const rest = (seconds ?? 0) - (performance.now() - began) / 1000;
  using hurry = deadline(
    isLate ? CLOSING.late : Math.max(CLOSING.inTime, rest),
    () => new ShutdownError('The worker leaves without waiting any longer.'),
    undefined,
    { ref: true },
  );
  await blueprint.stop(hurry.signal, last);
}

/** Answers whether it was broken off. */
async function drain(blueprint: Blueprint, seconds: number | undefined, signal: AbortSignal): Promise<boolean> {
  const late = (): Error =>
    new ShutdownError(`The worker stops, and the task did not end within ${seconds} seconds (shutdownTimeout).`);
  using limit = deadline(seconds, late, signal, { ref: true });
  await blueprint.drain(limit.signal);
  return limit.signal.aborted;
}
