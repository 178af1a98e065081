// The handle of one task's result. It reads through a ResultSource (store.ts for stored results, eager.ts for those at hand)
// and keeps a ready record, because a ready task does not change any more.
import { type ResultNode, type ResultTuple, resultTuple } from '../protocol/index.ts';
import { ConfigurationError, deadline, ResultTimeoutError } from '../util/index.ts';
import { assertMayJoin } from './join.ts';
import { PROPAGATE_STATES, type ResultRecord } from './record.ts';
import { READY_STATES, type TaskState } from './seam.ts';
import type { WaitLimit } from './waiter.ts';

/** Where an AsyncResult reads. */
export interface ResultSource {
  /** The newest record, `PENDING` when nothing is stored. */
  read(id: string): Promise<ResultRecord>;
  /** The ready record, once there is one; rejects with the signal's reason. */
  wait(id: string, signal: AbortSignal | undefined, limit?: WaitLimit): Promise<ResultRecord>;
  exists(id: string): Promise<boolean>;
  forget(ids: readonly string[]): Promise<void>;
  /** Is everything at hand already, so that even a running task may read it? */
  readonly eager: boolean;
}

export interface GetOptions {
  /** Seconds to wait; the task itself is not touched. 0 or absent waits without limit. */
  readonly timeout?: number | undefined;
  /** Throw the error of a failed or revoked task; `false` returns it. @default true */
  readonly propagate?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Also stop with the error of a failed parent (an earlier step of a chain). @default true */
  readonly followParents?: boolean;
  /** Refuse to wait inside a running task. @default true */
  readonly disableSyncSubtasks?: boolean;
}

export interface AsyncResultOptions {
  readonly parent?: AsyncResult<unknown> | undefined;
  /** Sent with `ignoreResult`: nothing will be stored, `get` resolves to undefined at once. */
  readonly ignored?: boolean | undefined;
}

/** The result of one task, there or still to come. Two of them are the same result when their ids are equal. */
export class AsyncResult<T = unknown> {
  readonly id: string;
  /** The step before this one in a chain. */
  readonly parent: AsyncResult<unknown> | undefined;
  readonly ignored: boolean;
  readonly #source: ResultSource;
  #ready: ResultRecord | undefined;

  constructor(id: string, source: ResultSource, options: AsyncResultOptions = {}) {
    if (id === '') throw new ConfigurationError('A result needs the id of its task; got an empty text.');
    this.id = id;
    this.#source = source;
    this.parent = options.parent;
    this.ignored = options.ignored ?? false;
  }

  /** Waits for the task and gives its value, or throws its error. */
  get(options?: GetOptions & { readonly propagate?: true }): Promise<T>;
  get(options: GetOptions): Promise<T | Error>;
  async get(options: GetOptions = {}): Promise<T | Error> {
    if (this.ignored) return undefined as T;
    if (!this.#source.eager && options.disableSyncSubtasks !== false) assertMayJoin(this.id);
    const propagate = options.propagate ?? true;
    const record = this.#ready ?? (await this.#wait(options, propagate && (options.followParents ?? true)));
    if (READY_STATES.has(record.state)) this.#ready = record;
    if (record.error === undefined || !PROPAGATE_STATES.has(record.state)) return record.value as T;
    if (propagate) throw record.error;
    return record.error;
  }

  async #wait(options: GetOptions, followParents: boolean): Promise<ResultRecord> {
    // Without limit, signal and parents there is nothing to cancel: the common case makes no timer and no controller.
    const timeout = options.timeout === 0 ? undefined : options.timeout;
    const ancestors = followParents ? this.#ancestors() : [];
    if (timeout === undefined && ancestors.length === 0) return this.#source.wait(this.id, options.signal);
    const error = (): Error => timedOut(this.id, timeout);
    if (ancestors.length === 0 && timeout !== undefined)
      return this.#source.wait(this.id, options.signal, { seconds: timeout, error });
    using limit = deadline(timeout, error, options.signal);
    return await this.#waitBehind(ancestors, limit.signal);
  }

  /** A step whose earlier step failed may never get a record, so the error of an ancestor ends the wait too. */
  async #waitBehind(ancestors: readonly AsyncResult<unknown>[], signal: AbortSignal): Promise<ResultRecord> {
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    const { promise: failed, reject } = Promise.withResolvers<never>();
    for (const ancestor of ancestors) {
      ancestor.#settled(either).then((record) => {
        if (record.error !== undefined && PROPAGATE_STATES.has(record.state)) reject(record.error);
      }, reject);
    }
    try {
      return await Promise.race([failed, this.#source.wait(this.id, either)]);
    } finally {
      failed.catch(() => undefined);
      over.abort('The wait is over.');
    }
  }

  async #settled(signal: AbortSignal): Promise<ResultRecord> {
    this.#ready ??= await this.#source.wait(this.id, signal);
    return this.#ready;
  }

  /** Oldest first. */
  #ancestors(): readonly AsyncResult<unknown>[] {
    const found: AsyncResult<unknown>[] = [];
    for (let at = this.parent; at !== undefined && !found.includes(at); at = at.parent) if (!at.ignored) found.unshift(at);
    return found;
  }

  /** Everything that is known of the task, in one read. */
  async record(): Promise<ResultRecord> {
    if (this.#ready !== undefined) return this.#ready;
    const record = await this.#source.read(this.id);
    if (READY_STATES.has(record.state)) this.#ready = record;
    return record;
  }

  /** `PENDING` (also: unknown), `STARTED`, `RETRY`, `SUCCESS`, `FAILURE`, `REVOKED` or a state of the task's own. */
  async state(): Promise<TaskState> {
    return (await this.record()).state;
  }

  /** The value, the error of a failure, revoke or retry, or what a custom state says of itself. Never waits. */
  async result(): Promise<unknown> {
    const { error, value } = await this.record();
    return error ?? value;
  }

  /** The same as `result`, under the name that fits custom states. */
  async info(): Promise<unknown> {
    return this.result();
  }

  async traceback(): Promise<string | undefined> {
    return (await this.record()).traceback;
  }

  /** Did the task end: with a value, an error or a revoke? */
  async ready(): Promise<boolean> {
    return READY_STATES.has(await this.state());
  }

  async successful(): Promise<boolean> {
    return (await this.state()) === 'SUCCESS';
  }

  async failed(): Promise<boolean> {
    return (await this.state()) === 'FAILURE';
  }

  /** Is anything stored under this id? Tells a task that waits from one that nobody knows, once tasks record their start. */
  exists(): Promise<boolean> {
    return this.#source.exists(this.id);
  }

  /** Results of the tasks that this one sent. A group counts as its members. */
  async children(): Promise<readonly AsyncResult<unknown>[]> {
    const flat = (child: ResultNode): readonly ResultNode[] => child.members?.flatMap(flat) ?? [child];
    const seen = (await this.record()).children.flatMap(flat).filter((child) => child.id !== this.id);
    return seen.map((child) => new AsyncResult(child.id, this.#source));
  }

  async dateDone(): Promise<Date | undefined> {
    return (await this.record()).dateDone;
  }

  /** The task's name; like the five below only with the setting `resultExtended`. */
  async name(): Promise<string | undefined> {
    return (await this.record()).name;
  }

  async args(): Promise<readonly unknown[] | undefined> {
    return (await this.record()).args;
  }

  async kwargs(): Promise<Readonly<Record<string, unknown>> | undefined> {
    return (await this.record()).kwargs;
  }

  async worker(): Promise<string | undefined> {
    return (await this.record()).worker;
  }

  async retries(): Promise<number | undefined> {
    return (await this.record()).retries;
  }

  async queue(): Promise<string | undefined> {
    return (await this.record()).queue;
  }

  /** Deletes what is stored of this task and of the steps before it. A task that still runs may store its result anew. */
  async forget(): Promise<void> {
    const all = [...this.#ancestors(), this];
    for (const result of all) result.#ready = undefined;
    await this.#source.forget(all.map((result) => result.id));
  }

  /** Its ids and those of the steps before it. */
  node(): ResultNode {
    return { id: this.id, parent: this.parent?.node() };
  }

  /** As a task's return value a result is stored as Celery's tuple: `[[id, parent], null]`. */
  toJSON(): ResultTuple {
    return resultTuple(this.node());
  }
}

function timedOut(id: string, timeout: number | undefined): ResultTimeoutError {
  return new ResultTimeoutError(
    `Task ${id} has no result after ${timeout} s of waiting; the task itself goes on. Give get() a longer timeout, or read the result later by its id.`,
  );
}
