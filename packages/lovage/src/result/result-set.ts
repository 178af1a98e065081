// Several results as one: a set that can grow and shrink while nobody waits for it. A wait takes the members that are there when it
// begins. group-result.ts is such a set with an id.
import { ConfigurationError, ResultTimeoutError } from '../util/index.ts';
import type { BroadcastReply, RevokeOptions } from './broadcaster.ts';
import { errorOf, gather } from './gather.ts';
import {
  type AnyResult,
  type GetOptions,
  type Leaf,
  type ReadOptions,
  type ResultSource,
  stepsBefore,
  type WaitOptions,
  within,
} from './handle.ts';
import type { ResultRecord } from './record.ts';
import { READY_STATES } from './seam.ts';

/** Ids that an error names; more are counted. */
const NAMED = 3;

/** Results that are waited for together. Members are kept in the order in which they were added, each once. */
export class ResultSet<T = unknown> {
  #members: Map<string, AnyResult<T>> = new Map();

  constructor(results: Iterable<AnyResult<T>> = []) {
    this.update(results);
  }

  /** How many members. */
  get size(): number {
    return this.#members.size;
  }

  /** The members in their order. */
  get results(): readonly AnyResult<T>[] {
    return [...this.#members.values()];
  }

  /** The member at a place; negative places count from the end. */
  at(index: number): AnyResult<T> | undefined {
    return this.results.at(index);
  }

  has(result: AnyResult | string): boolean {
    return this.#members.has(idOf(result));
  }

  /** Adds a result, unless one of the same id is in it. */
  add(result: AnyResult<T>): this {
    if (!this.#members.has(result.id)) this.#members.set(result.id, result);
    return this;
  }

  /** Adds several. */
  update(results: Iterable<AnyResult<T>>): this {
    for (const result of results) this.add(result);
    return this;
  }

  /** Takes a result out. Throws ConfigurationError when it is not in it. */
  remove(result: AnyResult | string): void {
    if (!this.discard(result))
      throw new ConfigurationError(`The result ${idOf(result)} is not in this set; discard() lets that pass.`);
  }

  /** Takes a result out, if it is in; tells whether it was. */
  discard(result: AnyResult | string): boolean {
    return this.#members.delete(idOf(result));
  }

  clear(): void {
    this.#members = new Map();
  }

  /**
   * The values of the members in their order. The first error that comes ends the wait and is thrown, unless `propagate` is false: then
   * errors stand in the places of values. The time is that of all members together.
   */
  get(options?: GetOptions<T> & { readonly propagate?: true }): Promise<T[]>;
  get(options: GetOptions<T>): Promise<(T | Error)[]>;
  get(options: GetOptions<T> = {}): Promise<(T | Error)[]> {
    return this.getBehind(this.results, options, false);
  }

  /** The same, but errors and callbacks come in the order of the members, whichever ends first. */
  join(options?: GetOptions<T> & { readonly propagate?: true }): Promise<T[]>;
  join(options: GetOptions<T>): Promise<(T | Error)[]>;
  join(options: GetOptions<T> = {}): Promise<(T | Error)[]> {
    return this.getBehind(this.results, options, true);
  }

  /** @internal What a group waits with: an error of the steps before one of `followed` ends the wait too. */
  async getBehind(followed: readonly AnyResult[], options: GetOptions<T>, ordered: boolean): Promise<(T | Error)[]> {
    const members = this.results;
    const { propagate = true, followParents = true, callback } = options;
    const before = propagate && followParents ? stepsBefore(followed) : undefined;
    const taken =
      callback && ((leaf: Leaf): void => (errorOf(leaf) === undefined ? callback(leaf.id, leaf.atHand?.value as T) : undefined));
    await gather(leavesOf(members), { ...options, ...before, propagate, ordered, taken, late: lateWithin(options) });
    return members.map((member) => member.outcome(propagate));
  }

  /** Resolves to this set when every member has ended, well or not. */
  async whenReady(options: WaitOptions = {}): Promise<this> {
    await gather(this.leaves(), { ...options, propagate: false, late: lateWithin(options) });
    return this;
  }

  /** The members as they end, well or not: `await member.get()` then gives its value or throws its error at once. */
  async *asCompleted(options: WaitOptions = {}): AsyncGenerator<AnyResult<T>, void, undefined> {
    const members = this.results;
    const done: AnyResult<T>[] = [];
    let wake = (): void => undefined;
    let failure: { readonly error: unknown } | undefined;
    const stop = new AbortController();
    const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
    const finished = (member: AnyResult<T>): void => {
      done.push(member);
      wake();
    };
    const taken = countdown(members, finished);
    gather(leavesOf(members), { ...options, signal, propagate: false, taken, late: lateWithin(options) }).catch(
      (error: unknown) => {
        failure = { error };
        wake();
      },
    );
    try {
      for (let at = 0; at < members.length; ) {
        const next = done[at];
        if (next !== undefined) {
          at++;
          yield next;
        } else if (failure !== undefined) throw failure.error;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      stop.abort('Nobody waits any more.');
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<AnyResult<T>, void, undefined> {
    return this.asCompleted();
  }

  [Symbol.iterator](): IterableIterator<AnyResult<T>> {
    return this.#members.values();
  }

  /** @internal */
  leaves(): readonly Leaf[] {
    return leavesOf(this.#members.values());
  }

  /** What is known of every task, in one read. */
  async #records(options: ReadOptions = {}): Promise<readonly ResultRecord[]> {
    const leaves = this.leaves();
    return within(`the states of ${leaves.length} tasks`, options, () => Promise.all(leaves.map(recordOf)));
  }

  /** Did every member end? */
  async ready(options?: ReadOptions): Promise<boolean> {
    return (await this.#records(options)).every(({ state }) => READY_STATES.has(state));
  }

  /** Is any member still under way? */
  async waiting(options?: ReadOptions): Promise<boolean> {
    return !(await this.ready(options));
  }

  /** Did every member succeed? */
  async successful(options?: ReadOptions): Promise<boolean> {
    return (await this.#records(options)).every(({ state }) => state === 'SUCCESS');
  }

  /** Did any member fail? */
  async failed(options?: ReadOptions): Promise<boolean> {
    return (await this.#records(options)).some(({ state }) => state === 'FAILURE');
  }

  /** How many members succeeded. */
  async completedCount(options?: ReadOptions): Promise<number> {
    return (await this.#records(options)).filter(({ state }) => state === 'SUCCESS').length;
  }

  /** Throws the error of the first member, in their order, that failed or was revoked. Never waits for a task. */
  async maybeThrow(options: ReadOptions & Pick<GetOptions<T>, 'callback'> = {}): Promise<void> {
    await this.#records(options);
    for (const leaf of this.leaves()) {
      const error = errorOf(leaf);
      if (error !== undefined) throw error;
      if (leaf.atHand !== undefined) options.callback?.(leaf.id, leaf.atHand.value as T);
    }
  }

  /** Deletes what is stored of the members, in one call, and of the steps before them. */
  async forget(options: ReadOptions = {}): Promise<void> {
    const { behind, headers } = stepsBefore(this.results);
    const leaves = [...this.leaves(), ...behind, ...headers].filter(({ ignored }) => !ignored);
    for (const leaf of leaves) leaf.atHand = undefined;
    await within(`forgetting ${leaves.length} tasks`, options, () => perSource(leaves, (source, ids) => source.forget(ids)));
  }

  /** Tells the workers not to run the members, in one message; with `terminate` also to stop them. */
  async revoke(options: RevokeOptions = {}): Promise<readonly BroadcastReply[]> {
    return (await perSource(this.leaves(), (source, ids) => source.revoke(ids, options))).flat();
  }
}

function idOf(result: AnyResult | string): string {
  return typeof result === 'string' ? result : result.id;
}

function leavesOf(members: Iterable<AnyResult>): readonly Leaf[] {
  return Array.from(members).flatMap((member) => member.leaves());
}

async function recordOf(leaf: Leaf): Promise<ResultRecord> {
  if (leaf.atHand !== undefined) return leaf.atHand;
  const record = await leaf.source.read(leaf.id);
  if (READY_STATES.has(record.state)) leaf.atHand = record;
  return record;
}

/** Tells of each member when the last of its tasks has been taken. A group without members is done from the start. */
function countdown<R extends AnyResult>(members: readonly R[], finished: (member: R) => void): (leaf: Leaf) => void {
  const open = new Map<Leaf, { readonly member: R; left: number }[]>();
  for (const member of members) {
    const leaves = member.leaves();
    const counter = { member, left: leaves.length };
    for (const leaf of leaves) open.set(leaf, [...(open.get(leaf) ?? []), counter]);
    if (leaves.length === 0) finished(member);
  }
  return (leaf) => {
    for (const counter of open.get(leaf) ?? []) if (--counter.left === 0) finished(counter.member);
  };
}

function perSource<R>(leaves: readonly Leaf[], ask: (source: ResultSource, ids: readonly string[]) => Promise<R>): Promise<R[]> {
  const bySource = Map.groupBy(leaves, (leaf) => leaf.source);
  return Promise.all(Array.from(bySource, ([source, ours]) => ask(source, [...new Set(ours.map(({ id }) => id))])));
}

function lateWithin({ timeout = 0 }: WaitOptions): (missing: readonly Leaf[]) => ResultTimeoutError {
  return (missing) => {
    const named = missing
      .slice(0, NAMED)
      .map(({ id }) => id)
      .join(', ');
    const more = missing.length > NAMED ? ` and ${missing.length - NAMED} more` : '';
    return new ResultTimeoutError(
      `After ${timeout} s of waiting ${missing.length} tasks have no result: ${named}${more}. They go on; give the wait a longer timeout, or read the results later.`,
    );
  };
}
