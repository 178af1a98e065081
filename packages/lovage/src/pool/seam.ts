// The seam of pools: a pool runs jobs in slots and says how each ended. It computes; the worker does the I/O (consumer/settle).
import type { Interruptible, Job, Outcome } from '../task/index.ts';
import type { Maybe } from '../util/index.ts';

/** Where a job runs. */
export interface SlotPlace {
  readonly pid: number;
  readonly name: string;
}

export interface RunOptions extends Interruptible {
  /**
   * Aborting asks the task to stop (its `ctx.signal`); a pool that can ends the slot when the task does not heed it in time. The reason
   * says what is meant: TaskRevokedError terminates the task (REVOKED; with `signal: 'SIGKILL'` its slot ends at once), any other error
   * interrupts it (LOST, or whatever it ended with), and the worker decides what becomes of its message. Time limits are the job's own.
   */
  readonly signal: AbortSignal;
  /** Called once, when a slot has begun; never for a message that cannot be read, so that it is not acknowledged early. */
  readonly onStart?: (slot: SlotPlace) => void;
  /** `onStart` is called before the task begins, for messages that are acknowledged then; else it may come a moment later. @default false */
  readonly announce?: boolean;
  /**
   * The job may wait in a slot that is busy, so that the slot has its next job when it ends this one. Called in place of an outcome, and
   * once, when it waited there for too long, or its slot is gone: it has not begun and is the caller's again. @default it waits in the pool
   */
  readonly returned?: (() => void) | undefined;
  /** Where listening to `signal` costs more than it has to: calls back when that aborts, or has, with its reason. Asked once for each run. */
  follow?(stop: (reason: Error) => void): void;
}

/** What a pool can do to a task that does not end by itself, and to its slots. */
export interface PoolPowers {
  /** Ends a task that heeds nothing, at its hard limit or when it is terminated. Without it such a task runs on beside the others. */
  readonly kill: boolean;
  /** A task that takes its process down takes only its own slot. */
  readonly isolate: boolean;
  readonly resize: boolean;
  readonly restart: boolean;
}

/**
 * Runs jobs in slots. A failing task is an Outcome, returned at once where the slot did not have to wait; `run` throws or rejects only
 * if the pool itself is broken.
 */
export interface Pool extends AsyncDisposable {
  readonly name: string;
  readonly can: PoolPowers;
  /** How many jobs may run at once. */
  readonly limit: number;
  /** How many of them share one slot: one slot more is `resize(limit + width)`. */
  readonly width: number;
  readonly running: number;
  /** How many jobs beyond `limit` may wait in slots now; those that wait there are among them. @default 0 */
  readonly ahead?: number;
  run(job: Job, options: RunOptions): Maybe<Outcome>;
  /**
   * As many jobs at once as that: new slots start now, idle ones leave first, and those that run something leave when it ends. Resolves
   * when that is decided. Throws RangeError below 1, or where the number of slots is fixed.
   */
  resize(limit: number): Promise<void>;
  /** Puts a new slot in the place of each: of idle ones now, of others when their jobs end. Absent where slots are not replaced. */
  restart?(): Promise<void>;
  /**
   * Runs a job in a process in which nothing else runs, whatever pool this is: for one that may have killed its worker before. Absent
   * where no such process can be started.
   */
  alone?(job: Job, options: RunOptions): Promise<Outcome>;
  /** Is that process one of the slots, and counts as one? @default false */
  readonly aloneInside?: boolean;
  /** As `inspect stats` shows it: the keys of Celery that dashboards read, and our own under `lovage`. */
  info(): Readonly<Record<string, unknown>>;
}
