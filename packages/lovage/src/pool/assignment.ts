// One job that a pool of slots was given, from `run` to its outcome: queued, handed to a slot, accepted (its task has begun), settled.
import type { Job, Outcome } from '../task/index.ts';
import type { Timer } from '../util/index.ts';
import type { RunOptions } from './seam.ts';
import { occupy, type Slot } from './slot.ts';

/** A job that so many slots died of before it began is what they died of. */
const MAX_MISSES = 3;

/** A job in a pool. */
export class Assignment {
  readonly seq: number;
  readonly job: Job;
  readonly options: RunOptions;
  readonly #resolve: (outcome: Outcome | Promise<Outcome>) => void;
  slot: Slot<Assignment> | undefined;
  lane = 0;
  /** Milliseconds of the monotonic clock. */
  handedAt = 0;
  startedAt: number | undefined;
  /** It waits in a slot and was asked for, because another is free. */
  recalled = false;
  /** It was asked to stop. */
  stopping: Error | undefined;
  /** Slots that were gone before its task had begun. */
  #misses = 0;
  /** Its slot is ended because it did not begin there. */
  stuck = false;
  /** Why its slot is ended for its sake. */
  verdict: Error | undefined;
  settled = false;
  /** Its hard limit; after an abort, the time that it gets to heed that. */
  timer: Timer | undefined;
  #onAbort: (() => void) | undefined;

  constructor(seq: number, job: Job, options: RunOptions, resolve: (outcome: Outcome | Promise<Outcome>) => void) {
    this.seq = seq;
    this.job = job;
    this.options = options;
    this.#resolve = resolve;
  }

  /** Seconds since its task began. */
  get runtime(): number {
    return this.startedAt === undefined ? 0 : (performance.now() - this.startedAt) / 1000;
  }

  /** Takes a lane of a slot, which has one free. */
  handTo(slot: Slot<Assignment>): void {
    this.lane = occupy(slot, this);
    this.slot = slot;
    this.stuck = false;
    this.handedAt = performance.now();
  }

  /** Its slot is gone: does it go to another? What does not announce itself may have begun, and is what the slot died of then. */
  tryElsewhere(): boolean {
    const isUnbegun = this.startedAt === undefined && (this.options.announce === true || this.slot?.ended === true);
    return isUnbegun && ++this.#misses < MAX_MISSES;
  }

  /** Calls back when the job shall stop, now or later. */
  watch(stop: (reason: Error) => void): void {
    const { options } = this;
    if (options.follow !== undefined) {
      options.follow((reason) => this.settled || stop(reason));
      return;
    }
    const { signal } = options;
    const onAbort = (): void => {
      const reason: unknown = signal.reason;
      stop(reason instanceof Error ? reason : new Error(String(reason)));
    };
    if (signal.aborted) {
      onAbort();
      return;
    }
    this.#onAbort = onAbort;
    signal.addEventListener('abort', onAbort, { once: true });
  }

  /** Ends it, once. */
  settle(outcome: Outcome | Promise<Outcome>): void {
    if (this.settled) return;
    this.leave();
    this.#resolve(outcome);
  }

  /** The pool has nothing more to do with it. */
  leave(): void {
    this.settled = true;
    this.timer?.cancel();
    if (this.#onAbort !== undefined) this.options.signal.removeEventListener('abort', this.#onAbort);
  }
}
