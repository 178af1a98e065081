// The seam of pools: a pool runs jobs in slots and says how each ended. It computes; the worker does the I/O (consumer/settle).
import type { Interruptible, Job, Outcome } from '../task/index.ts';
import type { Maybe } from '../util/index.ts';

export interface RunOptions extends Interruptible {
  /** Aborting asks the task to stop (its `ctx.signal`); the pool ends the slot if it can. The reason tells why. */
  readonly signal: AbortSignal;
  /** Called once, when a slot has begun; never for a message that cannot be read, so that it is not acknowledged early. */
  readonly onStart?: (slot: { readonly pid: number; readonly name: string }) => void;
}

/**
 * Runs jobs in slots. A failing task is an Outcome, returned at once where the slot did not have to wait; `run` throws or rejects only
 * if the pool itself is broken.
 */
export interface Pool extends AsyncDisposable {
  readonly name: string;
  /** How many jobs may run at once. */
  readonly limit: number;
  readonly running: number;
  run(job: Job, options: RunOptions): Maybe<Outcome>;
  resize(limit: number): Promise<void>;
  info(): Readonly<Record<string, unknown>>;
}
