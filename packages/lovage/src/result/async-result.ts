// The handle of one task's result. It reads through a ResultSource (store.ts for stored results, eager.ts for those at hand)
// and keeps a ready record, because a ready task does not change any more.
import { type ResultNode, type ResultTuple, resultTuple } from '../protocol/index.ts';
import { ConfigurationError, ResultTimeoutError } from '../util/index.ts';
import type { BroadcastReply, RevokeOptions, StampQuery } from './broadcaster.ts';
import { errorOf, gather } from './gather.ts';
import { buildGraph, type GraphOptions, type ResultGraph } from './graph.ts';
import {
  type AnyResult,
  type GetOptions,
  idsUpwards,
  type Leaf,
  type ReadOptions,
  type ResultSource,
  stepsBefore,
  type WaitOptions,
  within,
} from './handle.ts';
import { assertMayJoin } from './join.ts';
import { type ProgressOptions, progressOfTask, type TaskProgress } from './progress.ts';
import { PROPAGATE_STATES, type ResultRecord } from './record.ts';
import { READY_STATES, type TaskState } from './seam.ts';
import { collect, type Dependency, getLeaf, iterdeps } from './tree.ts';

export interface AsyncResultOptions {
  readonly parent?: AnyResult | undefined;
  /** Sent with `ignoreResult`: nothing will be stored, `get` resolves to undefined at once. */
  readonly ignored?: boolean | undefined;
}

/** The result of one task, there or still to come. Two of them are the same result when their ids are equal. */
export class AsyncResult<T = unknown> implements AnyResult<T>, Leaf {
  readonly id: string;
  /** The step before this one in a chain; of a chord's body, its header. */
  readonly parent: AnyResult | undefined;
  readonly ignored: boolean;
  /** @internal */
  readonly source: ResultSource;
  /** @internal What a ready task left, once it was read. */
  atHand: ResultRecord | undefined;

  constructor(id: string, source: ResultSource, options: AsyncResultOptions = {}) {
    if (id === '') throw new ConfigurationError('A result needs the id of its task; got an empty text.');
    this.id = id;
    this.source = source;
    this.parent = options.parent;
    this.ignored = options.ignored ?? false;
  }

  /** Waits for the task and gives its value, or throws its error. */
  get(options?: GetOptions<T> & { readonly propagate?: true }): Promise<T>;
  get(options: GetOptions<T>): Promise<T | Error>;
  async get(options: GetOptions<T> = {}): Promise<T | Error> {
    if (this.ignored) return undefined as T;
    if (!this.source.eager && options.disableSyncSubtasks !== false) assertMayJoin(this.id);
    const propagate = options.propagate ?? true;
    this.atHand ??= await this.#wait(options, propagate);
    const outcome = this.outcome(propagate);
    if (options.callback !== undefined && errorOf(this) === undefined) options.callback(this.id, outcome as T);
    return outcome;
  }

  /** No async function: thousands may wait here, and each would keep one more frame. */
  #wait(options: GetOptions<T>, propagate: boolean): Promise<ResultRecord | undefined> {
    const { timeout = 0, signal, onMessage, onInterval, followParents = true } = options;
    const before = propagate && followParents && this.parent !== undefined ? stepsBefore([this]) : undefined;
    const late = (): Error => timedOut(this.id, timeout);
    if (before !== undefined || onMessage !== undefined || onInterval !== undefined)
      return gather([this], { ...options, ...before, propagate: false, late }).then(() => this.atHand);
    // The common case: no timer and no controller unless there is something to cancel.
    const limit = timeout === 0 ? undefined : { seconds: timeout, error: late };
    return this.source.wait(this.id, signal, limit);
  }

  /** @internal */
  leaves(): readonly Leaf[] {
    return [this];
  }

  /** @internal */
  outcome(propagate: boolean): T | Error {
    const record = this.atHand;
    if (record?.error === undefined || !PROPAGATE_STATES.has(record.state)) return record?.value as T;
    if (propagate) throw record.error;
    return record.error;
  }

  /** Resolves to this handle when the task has ended, well or not: what it left is then at hand. */
  async whenReady(options: WaitOptions = {}): Promise<this> {
    const late = (): Error => timedOut(this.id, options.timeout ?? 0);
    await gather([this], { ...options, propagate: false, late });
    return this;
  }

  /** Everything that is known of the task, in one read. */
  record(options: ReadOptions = {}): Promise<ResultRecord> {
    const known = this.atHand;
    return known === undefined ? within(`the state of task ${this.id}`, options, () => this.#read()) : Promise.resolve(known);
  }

  async #read(): Promise<ResultRecord> {
    const record = await this.source.read(this.id);
    if (READY_STATES.has(record.state)) this.atHand = record;
    return record;
  }

  /** `PENDING` (also: unknown), `STARTED`, `RETRY`, `SUCCESS`, `FAILURE`, `REVOKED` or a state of the task's own. */
  async state(options?: ReadOptions): Promise<TaskState> {
    return (await this.record(options)).state;
  }

  /** The value, the error of a failure, revoke or retry, or what a custom state says of itself. Never waits for the task. */
  async result(options?: ReadOptions): Promise<unknown> {
    const { error, value } = await this.record(options);
    return error ?? value;
  }

  /**
   * What the running task says of how far it is, as it comes, until it has ended: `for await (const { current, total } of result.progress())`.
   * Whoever reads slowly gets the newest. A failed task ends it too; its error is what `get` throws.
   */
  progress(options: ProgressOptions = {}): AsyncGenerator<TaskProgress, void, undefined> {
    return progressOfTask(this, options);
  }

  /** The same as `result`, under the name that fits custom states. */
  info(options?: ReadOptions): Promise<unknown> {
    return this.result(options);
  }

  async traceback(options?: ReadOptions): Promise<string | undefined> {
    return (await this.record(options)).traceback;
  }

  /** Did the task end: with a value, an error or a revoke? */
  async ready(options?: ReadOptions): Promise<boolean> {
    return READY_STATES.has(await this.state(options));
  }

  async successful(options?: ReadOptions): Promise<boolean> {
    return (await this.state(options)) === 'SUCCESS';
  }

  async failed(options?: ReadOptions): Promise<boolean> {
    return (await this.state(options)) === 'FAILURE';
  }

  /** Throws the error of a task that failed or was revoked; else, also while it runs, gives what is known. Never waits for the task. */
  async maybeThrow(options: ReadOptions & Pick<GetOptions<T>, 'propagate' | 'callback'> = {}): Promise<unknown> {
    const { state, value, error } = await this.record(options);
    if (error !== undefined && PROPAGATE_STATES.has(state) && options.propagate !== false) throw error;
    if (state === 'SUCCESS') options.callback?.(this.id, value as T);
    return error ?? value;
  }

  /** Throws the error of a task that failed or was revoked, and does nothing otherwise. */
  async throw(options?: ReadOptions): Promise<void> {
    await this.maybeThrow(options);
  }

  /** Is anything stored under this id? Tells a task that waits from one that nobody knows, once tasks record their start. */
  exists(options: ReadOptions = {}): Promise<boolean> {
    return within(`whether task ${this.id} is known`, options, () => this.source.exists(this.id));
  }

  /** Results of the tasks and groups that this one sent. */
  async children(options?: ReadOptions): Promise<readonly AnyResult[]> {
    const { children } = await this.record(options);
    return children.filter((child) => child.id !== this.id).map((child) => this.source.make(child));
  }

  /** This result and all below it, breadth first, each with the one that sent it. Throws IncompleteStreamError at one that is not ready. */
  iterdeps(options: { readonly intermediate?: boolean } = {}): AsyncGenerator<Dependency, void, undefined> {
    return iterdeps(this, options);
  }

  /** This result and all below it with their values, breadth first, waiting for each. */
  collect(options: GetOptions & { readonly intermediate?: boolean } = {}): AsyncGenerator<[AnyResult, unknown], void, undefined> {
    return collect(this, options);
  }

  /** Waits for this result and all below it; gives the value of the last. */
  getLeaf(options: GetOptions = {}): Promise<unknown> {
    return getLeaf(this, options);
  }

  /** What was sent by what, below this result, as a graph that can be drawn. */
  buildGraph(options: GraphOptions = {}): Promise<ResultGraph> {
    return buildGraph(this, options);
  }

  async dateDone(options?: ReadOptions): Promise<Date | undefined> {
    return (await this.record(options)).dateDone;
  }

  /** The task's name; like the five below only with the setting `resultExtended`. */
  async name(options?: ReadOptions): Promise<string | undefined> {
    return (await this.record(options)).name;
  }

  async args(options?: ReadOptions): Promise<readonly unknown[] | undefined> {
    return (await this.record(options)).args;
  }

  async kwargs(options?: ReadOptions): Promise<Readonly<Record<string, unknown>> | undefined> {
    return (await this.record(options)).kwargs;
  }

  async worker(options?: ReadOptions): Promise<string | undefined> {
    return (await this.record(options)).worker;
  }

  async retries(options?: ReadOptions): Promise<number | undefined> {
    return (await this.record(options)).retries;
  }

  async queue(options?: ReadOptions): Promise<string | undefined> {
    return (await this.record(options)).queue;
  }

  /** Deletes what is stored of this task and of the steps before it. A task that still runs may store its result anew. */
  async forget(options: ReadOptions = {}): Promise<void> {
    await this.parent?.forget(options);
    this.atHand = undefined;
    if (this.ignored) return;
    await within(`forgetting task ${this.id}`, options, () => this.source.forget([this.id]));
  }

  /** Tells the workers not to run this task; with `terminate` also to stop it. */
  revoke(options: RevokeOptions = {}): Promise<readonly BroadcastReply[]> {
    return this.source.revoke([this.id], options);
  }

  /** Tells the workers not to run any task with one of these stamps, whatever its id. */
  revokeByStampedHeaders(headers: StampQuery, options: RevokeOptions = {}): Promise<readonly BroadcastReply[]> {
    return this.source.revokeByStampedHeaders(headers, options);
  }

  /** Its ids and those of the steps before it. */
  node(): ResultNode {
    return { id: this.id, parent: this.parent?.node() };
  }

  /** As Celery's tuple: `[[id, parent], null]`. `app.results.fromTuple` reads it. */
  asTuple(): ResultTuple {
    return resultTuple(this.node());
  }

  /** Its own id, then those of the steps before it. */
  asList(): readonly string[] {
    return idsUpwards(this);
  }

  /** As a task's return value a result is stored as its tuple. */
  toJSON(): ResultTuple {
    return this.asTuple();
  }
}

function timedOut(id: string, timeout: number): ResultTimeoutError {
  return new ResultTimeoutError(
    `Task ${id} has no result after ${timeout} s of waiting; the task itself goes on. Give get() a longer timeout, or read the result later by its id.`,
  );
}
