// The result of a group: its members' results under one id, typed as the tuple of their values. The canvas room makes them when it sends
// a group, store.ts when it reads one.
import { type ResultNode, type ResultTuple, resultTuple } from '../protocol/index.ts';
import { ConfigurationError } from '../util/index.ts';
import type { BroadcastReply, RevokeOptions } from './broadcaster.ts';
import { buildGraph, type GraphOptions, type ResultGraph } from './graph.ts';
import {
  type AnyResult,
  type GetOptions,
  idsUpwards,
  type Leaf,
  type ReadOptions,
  type ResultSource,
  type WaitOptions,
  within,
} from './handle.ts';
import { ResultSet } from './result-set.ts';
import { collect, type Dependency, getLeaf, iterdeps } from './tree.ts';

/** The results of a group's members, by their place. */
export type MembersOf<T extends readonly unknown[]> = { readonly [K in keyof T]: AnyResult<T[K]> };

/** Values, or the errors that stand in their place. */
export type OrErrors<T extends readonly unknown[]> = { [K in keyof T]: T[K] | Error };

export interface GroupResultOptions {
  /** The step before the group. */
  readonly parent?: AnyResult | undefined;
}

/** The result of a group: `get` gives the values of its members in their order. */
export class GroupResult<T extends readonly unknown[] = unknown[]> implements AnyResult<T> {
  readonly id: string;
  readonly members: MembersOf<T>;
  readonly parent: AnyResult | undefined;
  /** @internal */
  readonly source: ResultSource;
  readonly #set: ResultSet<T[number]>;

  constructor(id: string, members: MembersOf<T>, source: ResultSource, options: GroupResultOptions = {}) {
    if (id === '') throw new ConfigurationError('The result of a group needs an id; got an empty text.');
    this.id = id;
    this.members = members;
    this.parent = options.parent;
    this.source = source;
    this.#set = new ResultSet<T[number]>([...members]);
  }

  /** How many members. */
  get length(): number {
    return this.members.length;
  }

  /** The values of the members in their order; the first error that comes ends the wait, unless `propagate` is false. */
  get(options?: GetOptions<T[number]> & { readonly propagate?: true }): Promise<T>;
  get(options: GetOptions<T[number]>): Promise<OrErrors<T>>;
  async get(options: GetOptions<T[number]> = {}): Promise<T | OrErrors<T>> {
    return (await this.#set.getBehind([this, ...this.members], options, false)) as unknown as T;
  }

  /** The same, but errors and callbacks come in the order of the members. */
  join(options?: GetOptions<T[number]> & { readonly propagate?: true }): Promise<T>;
  join(options: GetOptions<T[number]>): Promise<OrErrors<T>>;
  async join(options: GetOptions<T[number]> = {}): Promise<T | OrErrors<T>> {
    return (await this.#set.getBehind([this, ...this.members], options, true)) as unknown as T;
  }

  /** @internal */
  leaves(): readonly Leaf[] {
    return this.#set.leaves();
  }

  /** @internal */
  outcome(propagate: boolean): T {
    return this.members.map((member) => member.outcome(propagate)) as unknown as T;
  }

  /** The members as they end, well or not. */
  asCompleted(options: WaitOptions = {}): AsyncGenerator<AnyResult<T[number]>, void, undefined> {
    return this.#set.asCompleted(options);
  }

  [Symbol.asyncIterator](): AsyncGenerator<AnyResult<T[number]>, void, undefined> {
    return this.asCompleted();
  }

  [Symbol.iterator](): IterableIterator<AnyResult<T[number]>> {
    return this.#set[Symbol.iterator]();
  }

  /** A set of its members that can be changed; the group stays as it is. */
  toSet(): ResultSet<T[number]> {
    return new ResultSet<T[number]>([...this.members]);
  }

  /** Resolves to this handle when every member has ended, well or not. */
  async whenReady(options: WaitOptions = {}): Promise<this> {
    await this.#set.whenReady(options);
    return this;
  }

  /** Did every member end? */
  ready(options?: ReadOptions): Promise<boolean> {
    return this.#set.ready(options);
  }

  /** Did every member succeed? */
  successful(options?: ReadOptions): Promise<boolean> {
    return this.#set.successful(options);
  }

  /** Did any member fail? */
  failed(options?: ReadOptions): Promise<boolean> {
    return this.#set.failed(options);
  }

  /** Is any member still under way? */
  waiting(options?: ReadOptions): Promise<boolean> {
    return this.#set.waiting(options);
  }

  /** How many members succeeded. */
  completedCount(options?: ReadOptions): Promise<number> {
    return this.#set.completedCount(options);
  }

  /** Throws the error of the first member, in their order, that failed or was revoked. Never waits for a task. */
  maybeThrow(options?: ReadOptions & Pick<GetOptions<T[number]>, 'callback'>): Promise<void> {
    return this.#set.maybeThrow(options);
  }

  /** A group's children are its members. */
  async children(): Promise<readonly AnyResult[]> {
    return this.members;
  }

  /** The group, its members and all below them, breadth first, each with the one that sent it. */
  iterdeps(options: { readonly intermediate?: boolean } = {}): AsyncGenerator<Dependency, void, undefined> {
    return iterdeps(this, options);
  }

  /** The group, its members and all below them with their values, breadth first, waiting for each. */
  collect(options: GetOptions & { readonly intermediate?: boolean } = {}): AsyncGenerator<[AnyResult, unknown], void, undefined> {
    return collect(this, options);
  }

  /** Waits for the members and all below them; gives the value of the last. */
  getLeaf(options: GetOptions = {}): Promise<unknown> {
    return getLeaf(this, options);
  }

  /** What was sent by what, below this group, as a graph that can be drawn. */
  buildGraph(options: GraphOptions = {}): Promise<ResultGraph> {
    return buildGraph(this, options);
  }

  /** Stores which tasks belong to the group, so that `app.results.restoreGroup(id)` gives it again, here or in Python. */
  async save(options: ReadOptions = {}): Promise<this> {
    await within(`saving group ${this.id}`, options, () => this.source.saveGroup(this.node()));
    return this;
  }

  /** Deletes what `save` stored; the results of the members stay. */
  delete(options: ReadOptions = {}): Promise<void> {
    return within(`deleting group ${this.id}`, options, () => this.source.deleteGroup(this.id));
  }

  /** Deletes the results of the members. A saved group stays saved. */
  forget(options?: ReadOptions): Promise<void> {
    return this.#set.forget(options);
  }

  /** Tells the workers not to run the members, in one message; with `terminate` also to stop them. */
  revoke(options: RevokeOptions = {}): Promise<readonly BroadcastReply[]> {
    return this.#set.revoke(options);
  }

  /** Its ids, its members' and those of the steps before it. */
  node(): ResultNode {
    return { id: this.id, parent: this.parent?.node(), members: this.members.map((member) => member.node()) };
  }

  /** As Celery's tuple: `[[id, parent], [members]]`. */
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
