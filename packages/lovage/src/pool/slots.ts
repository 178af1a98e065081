// Slots on the worker's own event loop: what async and solo share. The execute function decides every outcome; a slot only counts,
// queues, and gives up on a job that comes back neither after its hard limit nor after its signal.
import type { ExecuteOptions, Job, Outcome } from '../task/index.ts';
import { after, logger, type Maybe, ShutdownError, TaskRevokedError, type Timer } from '../util/index.ts';
import type { Pool, PoolPowers, RunOptions, SlotPlace } from './seam.ts';

const log = logger('pool');

/** Runs one job to its outcome; never throws or rejects for a failing task. */
export type Execute = (job: Job, options: ExecuteOptions & { readonly signal: AbortSignal }) => Maybe<Outcome>;

/** The outcome of a job that its slot cannot tell any more: it was terminated, or ended at its hard limit. Never rejects. */
export type EndOutside = (job: Job, reason: Error, runtime: number) => Promise<Outcome>;

/** What every pool on this event loop is made of. */
export interface PoolOptions {
  /** How many jobs may run at once. */
  readonly limit: number;
  readonly execute: Execute;
  /** @default jobs that do not heed their termination are LOST */
  readonly ended?: EndOutside;
  /** See Pool. */
  readonly alone?: NonNullable<Pool['alone']>;
  /** Seconds that a job may take to come back after its hard limit or its signal, before its slot is given up. @default 5 */
  readonly grace?: number;
  /** For statistics: soft and hard limit of tasks that have none of their own. @default none */
  readonly timeouts?: readonly [soft: number, hard: number];
  /** Told how many bodies run on in slots that were given up, whenever there is one more. */
  readonly onZombie?: (zombies: number) => void;
}

interface Waiting {
  readonly job: Job;
  readonly options: RunOptions;
  readonly resolve: (outcome: Maybe<Outcome>) => void;
  readonly reject: (error: unknown) => void;
}

const DEFAULT_GRACE = 5;
/** The same when the worker stops, which gives the message back by then. */
const SHUTDOWN_GRACE = 2;
/** Seconds that a body may take to heed its signal once its hard limit has passed; its slot is free by then. */
const HEED = 1;

function abandoned(job: Job, runtime: number): Outcome {
  const message = `The task ${job.request.task}[${job.request.id}] did not stop when it had to; its slot was given up.`;
  return {
    state: 'LOST',
    results: [],
    next: [],
    runtime,
    repr: message,
    error: { type: 'WorkerLostError', message, traceback: undefined, expected: false },
  };
}

/** A job's options as its execution sees them. The signal stays unmade until somebody looks. */
class Watched implements ExecuteOptions {
  readonly #options: RunOptions;
  readonly #slot: SlotPlace;
  readonly onAbandoned: (body: Promise<unknown>) => void;

  constructor(options: RunOptions, slot: SlotPlace, onAbandoned: (body: Promise<unknown>) => void) {
    this.#options = options;
    this.#slot = slot;
    this.onAbandoned = onAbandoned;
  }

  // A method, and not a function made here and kept: V8 puts those among the old at once, where they outlive their task and keep all of
  // it alive until the next full collection.
  onStart(): void {
    this.#options.onStart?.(this.#slot);
  }

  get signal(): AbortSignal {
    return this.#options.signal;
  }

  get interrupted(): boolean {
    return this.#options.interrupted ?? this.#options.signal.aborted;
  }
}

/** A pool whose slots are promises of this process. */
export class LoopPool implements Pool {
  readonly name: string;
  readonly can: PoolPowers;
  readonly width = 1;
  readonly alone?: NonNullable<Pool['alone']>;
  readonly #execute: Execute;
  readonly #ended: EndOutside | undefined;
  readonly #grace: number;
  readonly #onZombie: ((zombies: number) => void) | undefined;
  readonly #resizable: boolean;
  readonly #timeouts: readonly [soft: number, hard: number];
  readonly #queue: Waiting[] = [];
  #limit: number;
  #running = 0;
  #zombies = 0;
  #done = 0;
  #idle: PromiseWithResolvers<void> | undefined;
  #advancing = false;
  readonly #slot: SlotPlace;

  constructor(name: string, options: PoolOptions, resizable: boolean) {
    this.name = name;
    this.#slot = { pid: process.pid, name };
    this.can = { kill: false, isolate: false, resize: resizable, restart: false };
    if (options.alone !== undefined) this.alone = options.alone;
    this.#execute = options.execute;
    this.#ended = options.ended;
    this.#grace = options.grace ?? DEFAULT_GRACE;
    this.#onZombie = options.onZombie;
    this.#limit = options.limit;
    this.#resizable = resizable;
    this.#timeouts = options.timeouts ?? [0, 0];
  }

  get limit(): number {
    return this.#limit;
  }

  get running(): number {
    return this.#running;
  }

  /** Bodies that run on although their slot was given up or their hard limit has passed: nobody can stop them. */
  get zombies(): number {
    return this.#zombies;
  }

  run(job: Job, options: RunOptions): Maybe<Outcome> {
    if (this.#running < this.#limit) return this.#start(job, options);
    return new Promise((resolve, reject) => this.#queue.push({ job, options, resolve, reject }));
  }

  async resize(limit: number): Promise<void> {
    if (!this.#resizable)
      throw new RangeError(`The pool '${this.name}' always has ${this.#limit} slot; choose the pool 'async' for more.`);
    if (!Number.isInteger(limit) || limit < 1) throw new RangeError(`A pool has at least one slot, not ${limit}.`);
    this.#limit = limit;
    this.#next();
  }

  info(): Readonly<Record<string, unknown>> {
    return {
      implementation: `lovage.pool:${this.name}`,
      'max-concurrency': this.#limit,
      processes: [process.pid],
      'max-tasks-per-child': 'N/A',
      'put-guarded-by-semaphore': false,
      timeouts: [...this.#timeouts],
      writes: {
        total: this.#done + this.#running,
        avg: '1.00',
        all: '1.00',
        raw: String(this.#done + this.#running),
        strategy: 'fair',
        inqueues: { total: this.#limit, active: this.#running },
      },
      lovage: { running: this.#running, queued: this.#queue.length, zombies: this.#zombies, done: this.#done },
    };
  }

  /** Waits for what runs; whoever is in a hurry aborts the jobs first. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#running === 0) return;
    this.#idle ??= Promise.withResolvers<void>();
    await this.#idle.promise;
  }

  #start(job: Job, options: RunOptions): Maybe<Outcome> {
    this.#running++;
    try {
      const outcome = this.#execute(job, new Watched(options, this.#slot, (body) => this.#abandoned(job, body)));
      if (outcome instanceof Promise) return this.#bounded(job, options.signal, outcome).finally(() => this.#free());
      this.#free();
      return outcome;
    } catch (error) {
      this.#free();
      throw error;
    }
  }

  #free(): void {
    this.#running--;
    this.#done++;
    this.#next();
  }

  /** The attempt is over, its body is not: it gets a moment to heed its signal. */
  #abandoned(job: Job, body: Promise<unknown>): void {
    const timer = after(Math.min(HEED, this.#grace), () => this.#zombie(job, body));
    const gone = (): void => timer.cancel();
    body.then(gone, gone);
  }

  #zombie(job: Job, body: Promise<unknown>): void {
    const gone = (): void => void this.#zombies--;
    this.#zombies++;
    log.warning(
      'The task {name}[{id}] runs on although it had to stop; nothing can end it but the end of this process. It should look at its signal (ctx.signal). Such tasks now: {zombies}',
      { name: job.request.task, id: job.request.id, zombies: this.#zombies },
    );
    this.#onZombie?.(this.#zombies);
    body.then(gone, gone);
  }

  /** The body's own outcome, or LOST when it outlives its hard limit or its signal by the grace. */
  #bounded(job: Job, signal: AbortSignal, body: Promise<Outcome>): Promise<Outcome> {
    const began = performance.now();
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined;
      const giveUp = (): void => {
        signal.removeEventListener('abort', onAbort);
        this.#zombie(job, body);
        resolve(this.#givenUp(job, signal, (performance.now() - began) / 1000));
      };
      const onAbort = (): void => {
        timer?.cancel();
        const stops = signal.reason instanceof ShutdownError;
        timer = after(stops ? Math.min(this.#grace, SHUTDOWN_GRACE) : this.#grace, giveUp);
      };
      if (job.timeLimit !== undefined) timer = after(job.timeLimit + this.#grace, giveUp);
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
      const settled = (): void => {
        timer?.cancel();
        signal.removeEventListener('abort', onAbort);
      };
      body.then(
        (outcome) => {
          settled();
          resolve(outcome);
        },
        (error: unknown) => {
          settled();
          reject(error);
        },
      );
    });
  }

  /** It was terminated before there was a slot for it: it never starts. */
  #terminated({ job, options: { interrupted, signal } }: Waiting): Promise<Outcome> | undefined {
    const reason: unknown = (interrupted ?? true) && signal.aborted ? signal.reason : undefined;
    return reason instanceof TaskRevokedError ? this.#ended?.(job, reason, 0) : undefined;
  }

  #givenUp(job: Job, { reason }: AbortSignal, runtime: number): Maybe<Outcome> {
    const terminated = reason instanceof TaskRevokedError && this.#ended !== undefined;
    return terminated ? this.#ended(job, reason, runtime) : abandoned(job, runtime);
  }

  #next(): void {
    // A job that ends at once comes here again from within.
    if (this.#advancing) return;
    this.#advancing = true;
    while (this.#queue.length > 0 && this.#running < this.#limit) {
      const waiting = this.#queue.shift();
      if (waiting === undefined) break;
      try {
        waiting.resolve(this.#terminated(waiting) ?? this.#start(waiting.job, waiting.options));
      } catch (error) {
        waiting.reject(error);
      }
    }
    this.#advancing = false;
    if (this.#running === 0) this.#idle?.resolve();
  }
}
