// What the handles of this room share: options of every wait, where a handle reads, and what a result of one task and that of a group
// have in common. async-result.ts and group-result.ts implement it; store.ts and eager.ts are the sources.
import type { ResultNode, ResultTuple } from '../protocol/index.ts';
import { deadline, orAborted, ResultTimeoutError } from '../util/index.ts';
import type { BroadcastReply, RevokeOptions, StampQuery } from './broadcaster.ts';
import type { ResultRecord } from './record.ts';
import type { WaitLimit } from './waiter.ts';

/** Options of calls that ask the store once. */
export interface ReadOptions {
  /** Seconds; 0 or absent waits for the store as long as its driver does. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Options of everything that waits for tasks. */
export interface WaitOptions {
  /** Seconds to wait; the tasks themselves are not touched. 0 or absent waits without limit. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Refuse to wait inside a running task. @default true */
  readonly disableSyncSubtasks?: boolean;
  /** Called with every state that is stored meanwhile of a task that is waited for. Only where the store tells of states by itself. */
  readonly onMessage?: (record: ResultRecord) => void;
  /** Called every `interval` seconds until the wait is over; what it throws ends the wait. */
  readonly onInterval?: () => void;
  /** Seconds between calls of `onInterval`. @default 0.5 */
  readonly interval?: number;
}

export interface GetOptions<T = unknown> extends WaitOptions {
  /** Throw the error of a failed or revoked task; `false` returns it. @default true */
  readonly propagate?: boolean;
  /** Also stop with the error of a failed parent (an earlier step of a chain). @default true */
  readonly followParents?: boolean;
  /** Called with the id and the value of each task that succeeded, before the wait resolves. */
  readonly callback?: (id: string, value: T) => void;
}

/** Told of the results of several ids, one by one. */
export interface RecordReceiver {
  /** Ready. */
  arrived(record: ResultRecord): void;
  /** The wait for the rest of them is over. */
  failed(error: unknown): void;
  /** A state that is no end. */
  noticed?: ((record: ResultRecord) => void) | undefined;
}

/** Where a handle reads. */
export interface ResultSource {
  /** Is everything at hand already, so that even a running task may read it? */
  readonly eager: boolean;
  /** The newest record, `PENDING` when nothing is stored. */
  read(id: string): Promise<ResultRecord>;
  /** The ready record, once there is one; rejects with the signal's reason. */
  wait(id: string, signal: AbortSignal | undefined, limit?: WaitLimit): Promise<ResultRecord>;
  /** The same for several, each given as it comes; gives how to stop. */
  listen(ids: readonly string[], receiver: RecordReceiver): () => void;
  exists(id: string): Promise<boolean>;
  forget(ids: readonly string[]): Promise<void>;
  /** The handle of what a tuple names. */
  make(node: ResultNode): AnyResult;
  saveGroup(node: ResultNode): Promise<void>;
  deleteGroup(id: string): Promise<void>;
  revoke(ids: readonly string[], options: RevokeOptions): Promise<readonly BroadcastReply[]>;
  revokeByStampedHeaders(headers: StampQuery, options: RevokeOptions): Promise<readonly BroadcastReply[]>;
}

/** The result of one task, as a wait for several sees it. */
export interface Leaf {
  readonly id: string;
  readonly ignored: boolean;
  readonly source: ResultSource;
  /** What a ready task left, once it was read: it does not change any more. */
  atHand: ResultRecord | undefined;
}

/** What the result of a task and that of a group have in common. */
export interface AnyResult<T = unknown> {
  readonly id: string;
  /** The step before this one in a chain; of a chord's body, its header. */
  readonly parent: AnyResult | undefined;
  get(options?: GetOptions & { readonly propagate?: true }): Promise<T>;
  ready(options?: ReadOptions): Promise<boolean>;
  successful(options?: ReadOptions): Promise<boolean>;
  failed(options?: ReadOptions): Promise<boolean>;
  /** Resolves to this handle when everything behind it has ended, well or not. */
  whenReady(options?: WaitOptions): Promise<AnyResult<T>>;
  children(options?: ReadOptions): Promise<readonly AnyResult[]>;
  forget(options?: ReadOptions): Promise<void>;
  revoke(options?: RevokeOptions): Promise<readonly BroadcastReply[]>;
  node(): ResultNode;
  asTuple(): ResultTuple;
  asList(): readonly string[];
  toJSON(): ResultTuple;
  /** @internal The tasks behind it, for whoever waits for several. */
  leaves(): readonly Leaf[];
  /** @internal What `get` gives, once every task behind it is at hand. */
  outcome(propagate: boolean): T | Error;
}

/** Oldest first; a circle ends where it closes. */
export function ancestorsOf(result: AnyResult): readonly AnyResult[] {
  const found: AnyResult[] = [];
  for (let at = result.parent; at !== undefined && !found.includes(at); at = at.parent) found.unshift(at);
  return found;
}

/** The tasks of the steps before a result. */
export interface StepsBefore {
  readonly behind: readonly Leaf[];
  /** Members of groups: headers of chords. */
  readonly headers: readonly Leaf[];
}

/** The tasks of the steps before any of these results, each once, the oldest first. */
export function stepsBefore(results: readonly AnyResult[]): StepsBefore {
  const steps = new Set<AnyResult>();
  for (const result of results) if (result.parent !== undefined) for (const step of ancestorsOf(result)) steps.add(step);
  const isTask = (step: AnyResult): boolean => (step.leaves()[0] as unknown) === step;
  const leavesWhere = (wanted: boolean): readonly Leaf[] =>
    Array.from(steps).flatMap((step) => (isTask(step) === wanted ? step.leaves() : []));
  return { behind: leavesWhere(true), headers: leavesWhere(false) };
}

/** Its own id, then those of the steps before it. */
export function idsUpwards(result: AnyResult): readonly string[] {
  return [
    result.id,
    ...ancestorsOf(result)
      .toReversed()
      .map(({ id }) => id),
  ];
}

/** Runs one question to the store inside its limits. */
export async function within<T>(what: string, options: ReadOptions, ask: () => Promise<T>): Promise<T> {
  const { timeout = 0, signal } = options;
  signal?.throwIfAborted();
  if (timeout === 0) return orAborted(ask(), signal);
  const late = (): Error => new ResultTimeoutError(`The result store has not answered within ${timeout} s: ${what}.`);
  using limit = deadline(timeout, late, signal);
  return await orAborted(ask(), limit.signal);
}
