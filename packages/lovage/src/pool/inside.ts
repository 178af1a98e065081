// The inside of a slot: frames in, executions, frames out. Whatever carries the frames calls `receive`; the same for processes and threads.
import type { ExecuteOptions, Job, Outcome } from '../task/index.ts';
import { type Maybe, ShutdownError, TaskRevokedError } from '../util/index.ts';
import { FRAME, type Frame, type SendFrame } from './frames.ts';
import { claim, ENDING_GRACE, FLAG, LANE_FLAGS, STOP } from './link.ts';
import type { SlotPlace } from './seam.ts';
import { type AbortReason, errorOf, type ReadJob, readJob, readValue, writeOutcome } from './wire.ts';

/** Seconds of computing after which an outcome does not wait for the next turn of the loop: the job behind it may hold that as long. */
const LONG = 0.001;

/** What runs a job inside a slot. */
export type ExecuteInside = (job: Job, options: ExecuteOptions & { readonly signal: AbortSignal }) => Maybe<Outcome>;

export interface InsideOptions {
  readonly execute: ExecuteInside;
  readonly send: SendFrame;
  /** Writes what was sent, now. */
  readonly flush: () => void;
  /** Is something that was written still here, because the worker does not read? Resolves when it is not. @default it never is */
  readonly written?: (() => Promise<void> | undefined) | undefined;
  readonly place: SlotPlace;
  /** Numbers for each lane, as FLAG says. */
  readonly flags: Int32Array;
  /** No more jobs come, and the last one has ended. */
  readonly leave: () => void;
}

/** One job as its execution sees it. Its signal stays unmade until somebody looks or stops it. */
class InsideRun implements ExecuteOptions {
  readonly seq: number;
  readonly lane: number;
  readonly #inside: InsideOptions;
  readonly #at: number;
  readonly #announce: boolean;
  /** Its hard limit, seconds. */
  readonly #limit: number | undefined;
  /** When its task began, where it has a limit. */
  #startedAt = 0;
  began = false;
  #controller: AbortController | undefined;
  left: Promise<unknown> | undefined;
  readonly onAbandoned: (body: Promise<unknown>) => void;

  constructor(inside: InsideOptions, seq: number, { lane, announce, job }: ReadJob) {
    this.#inside = inside;
    this.seq = seq;
    this.lane = lane;
    this.#at = LANE_FLAGS * lane;
    this.#announce = announce;
    this.#limit = job.timeLimit;
    this.onAbandoned = (body) => {
      this.left = body;
    };
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  get interrupted(): boolean {
    return this.#controller?.signal.aborted === true;
  }

  onStart(): void {
    const { flags, send, flush } = this.#inside;
    this.began = true;
    if (this.#limit !== undefined) this.#startedAt = performance.now();
    // Seen by who asks while the body computes.
    Atomics.store(flags, this.#at + FLAG.begun, this.seq);
    if (!this.#announce) return;
    send(FRAME.accept, this.seq);
    flush();
  }

  onEnding(): void {
    // The limit itself leaves enough.
    if (this.#limit === undefined || this.#limit - (performance.now() - this.#startedAt) / 1000 > ENDING_GRACE) return;
    this.#inside.send(FRAME.ending, this.seq);
    this.#inside.flush();
  }

  /** Has the worker said, past the loop, that this job must stop? */
  look(): void {
    const { flags } = this.#inside;
    if (Atomics.load(flags, this.#at + FLAG.stop) !== this.seq || this.interrupted) return;
    const terminated = Atomics.load(flags, this.#at + FLAG.why) === STOP.terminated;
    this.stop(terminated ? new TaskRevokedError('The task was terminated.') : new ShutdownError('The worker stops.'));
  }

  stop(reason: Error): void {
    this.#controller ??= new AbortController();
    this.#controller.abort(reason);
  }
}

/** A slot from within. */
export class Inside {
  readonly #options: InsideOptions;
  readonly #runs = new Map<number, InsideRun>();
  /** What is left running of jobs, by lane. */
  readonly #left = new Map<number, Promise<unknown>>();
  /** Waits for the job in its lane, by lane. */
  readonly #waiting = new Map<number, Frame>();
  #leaving = false;

  constructor(options: InsideOptions) {
    this.#options = options;
  }

  receive(frame: Frame): void {
    if (frame.type === FRAME.job) this.#run(frame);
    else if (frame.type === FRAME.abort) this.#runs.get(frame.seq)?.stop(errorOf(readValue(frame) as AbortReason));
    else if (frame.type === FRAME.leave) {
      this.#leaving = true;
      this.#leaveWhenDone();
    }
  }

  #run(frame: Frame): void {
    const { seq } = frame;
    const how = readJob(frame);
    const { job } = how;
    if (how.waits && !this.#isFirst(frame, how.lane)) return;
    const run = new InsideRun(this.#options, seq, how);
    this.#runs.set(seq, run);
    const said = how.waits ? this.#say() : undefined;
    if (said === undefined) this.#begin(run, job, how.announce);
    else void said.then(() => this.#begin(run, job, how.announce));
  }

  /** What ended before a job is said before that begins: whatever it does to this process is its own. */
  #say(): Promise<void> | undefined {
    this.#options.flush();
    return this.#options.written?.();
  }

  #begin(run: InsideRun, job: Job, announce: boolean): void {
    const { seq } = run;
    const outcome = this.#options.execute(job, run);
    if (outcome instanceof Promise) {
      if (run.began && !announce) this.#options.send(FRAME.accept, seq);
      void outcome.then((ended) => this.#done(run, ended));
    } else {
      this.#done(run, outcome);
      if (outcome.runtime > LONG) this.#options.flush();
    }
  }

  /** May a job begin that was sent to wait for the one in its lane? */
  #isFirst(frame: Frame, lane: number): boolean {
    if (this.#left.has(lane) || this.#isBusy(lane)) {
      this.#waiting.set(lane, frame);
      return false;
    }
    if (claim(this.#options.flags, lane, frame.seq)) return true;
    this.#options.send(FRAME.skipped, frame.seq);
    return false;
  }

  #isBusy(lane: number): boolean {
    if (this.#runs.size === 0) return false;
    for (const run of this.#runs.values()) if (run.lane === lane) return true;
    return false;
  }

  #done(run: InsideRun, outcome: Outcome): void {
    const { seq, left, began, lane } = run;
    this.#runs.delete(seq);
    const { head, body } = writeOutcome(outcome, { left: left !== undefined, began });
    this.#options.send(FRAME.done, seq, head, body);
    if (left === undefined) this.#next(lane);
    else {
      const free = (): void => {
        this.#left.delete(lane);
        this.#options.send(FRAME.free, seq);
        this.#next(lane);
      };
      this.#left.set(lane, left);
      left.then(free, free);
    }
    this.#leaveWhenDone();
  }

  #next(lane: number): void {
    const frame = this.#waiting.size === 0 ? undefined : this.#waiting.get(lane);
    if (frame === undefined) return;
    this.#waiting.delete(lane);
    this.#run(frame);
  }

  /** This process ends, and nobody asked it to: says which tasks had begun, and, where that is known, the id of the one that it ends of. */
  lastWords(culprit?: string): void {
    for (const { seq, began } of this.#runs.values()) if (began) this.#options.send(FRAME.accept, seq);
    if (culprit !== undefined) this.#options.send(FRAME.culprit, 0, JSON.stringify(culprit));
    this.#options.flush();
  }

  #leaveWhenDone(): void {
    if (this.#leaving && this.#runs.size === 0 && this.#waiting.size === 0) this.#options.leave();
  }
}
