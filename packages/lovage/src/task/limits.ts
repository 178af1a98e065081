// The time limits of one attempt, and the one signal that tells its body to stop: soft limit, hard limit, shutdown or termination.
// Nothing is allocated for an attempt without limits whose body never looks at the signal.
import { after, logger, type Maybe, SoftTimeLimitExceededError, TimeLimitExceededError, type Timer } from '../util/index.ts';

const log = logger('task');

/** Who may stop an attempt from outside: a shutdown, or with TaskRevokedError somebody who terminates the task. */
export interface Interruptible {
  readonly signal?: AbortSignal;
  /** Has `signal` aborted? Given where the signal is made only when somebody looks at it. */
  readonly interrupted?: boolean;
  /** Looks whether it has to stop by a way that needs no turn of the event loop, and aborts `signal` then. */
  look?(): void;
}

export interface LimitOptions {
  readonly task: string;
  readonly id: string;
  /** Seconds. */
  readonly soft: number | undefined;
  readonly hard: number | undefined;
  readonly outer: Interruptible | undefined;
}

/** Limits of one attempt. `start` arms them, disposing disarms them. */
export class Limits implements Disposable {
  readonly #options: LimitOptions;
  #controller: AbortController | undefined;
  #reason: Error | undefined;
  #timers: readonly Timer[] = [];
  #follow: (() => void) | undefined;
  #abandoned: Promise<unknown> | undefined;
  /** When the body began, in milliseconds of the monotonic clock. */
  #began = 0;

  constructor(options: LimitOptions) {
    this.#options = options;
  }

  /** Aborts with the reason why the body must stop. */
  get signal(): AbortSignal {
    if (this.#controller !== undefined) return this.#controller.signal;
    const controller = new AbortController();
    this.#controller = controller;
    const outer = this.#options.outer?.signal;
    if (this.#reason !== undefined) controller.abort(this.#reason);
    else if (outer?.aborted === true) controller.abort(outer.reason);
    else if (outer !== undefined) {
      this.#follow = () => controller.abort(outer.reason);
      outer.addEventListener('abort', this.#follow, { once: true });
    }
    return controller.signal;
  }

  /** The limit that has passed. */
  get reason(): Error | undefined {
    return this.#reason;
  }

  /** The body that ran on when its hard limit passed. */
  get abandoned(): Promise<unknown> | undefined {
    return this.#abandoned;
  }

  /** Was it stopped from outside? */
  get interrupted(): boolean {
    const { outer } = this.#options;
    return outer !== undefined && (outer.interrupted ?? outer.signal?.aborted === true);
  }

  /** Looks at the clock, and at who may stop it: for bodies that compute, so that no timer fires. */
  check(): void {
    const { soft, hard, outer } = this.#options;
    outer?.look?.();
    if (this.#reason !== undefined || this.#began === 0 || (soft === undefined && hard === undefined)) return;
    const seconds = (performance.now() - this.#began) / 1000;
    if (hard !== undefined && seconds >= hard) this.#pass(this.#hardError(hard));
    else if (soft !== undefined && seconds >= soft) this.#passSoft(soft);
  }

  /** Ends as `body` does, or rejects at the hard limit, whatever the body does then. */
  run<T>(body: () => Maybe<T>): Maybe<T> {
    const { soft, hard } = this.#options;
    return soft === undefined && hard === undefined ? body() : this.#limited(body);
  }

  async #limited<T>(body: () => Maybe<T>): Promise<T> {
    const { soft, hard } = this.#options;
    this.#began = performance.now();
    const timers: Timer[] = [];
    this.#timers = timers;
    if (soft !== undefined && (hard === undefined || soft < hard)) {
      timers.push(after(soft, () => this.#passSoft(soft)));
    }
    if (hard === undefined) return body();
    const over = Promise.withResolvers<never>();
    let running: Maybe<T> | undefined;
    timers.push(
      after(hard, () => {
        const error = this.#hardError(hard);
        this.#abandoned = Promise.resolve(running);
        this.#pass(error);
        over.reject(error);
      }),
    );
    running = body();
    return Promise.race([running, over.promise]);
  }

  /** Said here, because a task that ends well after it leaves no other trace of it. */
  #passSoft(seconds: number): void {
    if (this.#reason !== undefined) return;
    const { task, id } = this.#options;
    log.warning('The soft time limit ({seconds} s) of {task}[{id}] has passed.', { seconds, task, id });
    this.#pass(new SoftTimeLimitExceededError(`${task} ran longer than its soft time limit of ${seconds} s.`));
  }

  #hardError(seconds: number): Error {
    const message = `${this.#options.task} ran longer than its time limit of ${seconds} s and was given up.`;
    return new TimeLimitExceededError(message, { seconds });
  }

  #pass(reason: Error): void {
    this.#reason = reason;
    this.#controller?.abort(reason);
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) timer.cancel();
    if (this.#follow !== undefined) this.#options.outer?.signal?.removeEventListener('abort', this.#follow);
  }
}
