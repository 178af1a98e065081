// The results of one app: a backend, opened when first needed, and the codec, behind the few calls that the rooms above use.
// Single writes and reads of one turn of the event loop join into one call to the backend.

import { parseResultTuple, type ResultMeta } from '../protocol/index.ts';
import { batcher, ConfigurationError } from '../util/index.ts';
import { AsyncResult, type AsyncResultOptions } from './async-result.ts';
import {
  type BroadcastCommand,
  type Broadcaster,
  type BroadcastReply,
  revokeByStampsCommand,
  revokeCommand,
} from './broadcaster.ts';
import { createResultCache, type ResultCache } from './cache.ts';
import type { ChordCodec } from './chord-codec.ts';
import type { ChordOpening } from './chord-seam.ts';
import type { EncodeResultOptions, ResultCodec } from './codec.ts';
import { GroupResult, type GroupResultOptions, type MembersOf } from './group-result.ts';
import type { GroupStore } from './group-seam.ts';
import { type AnyResult, type ReadOptions, type RecordReceiver, type ResultSource, within } from './handle.ts';
import { handleOf } from './handle-of.ts';
import { keepalive } from './keepalive.ts';
import { pendingRecord, type ResultRecord } from './record.ts';
import { ResultSet } from './result-set.ts';
import type { Receiver, ResultBackend, StoredResult } from './seam.ts';
import { createWaiter, type ResultWaiter, type WaitLimit } from './waiter.ts';
import { closedBackend } from './watchers.ts';

/** Results in one call to the backend at most. */
const MAX_BATCH = 1000;

interface Opened {
  readonly backend: ResultBackend;
  readonly waiter: ResultWaiter;
}

/** What a store takes from its app. */
export interface ResultStoreParts {
  /** Without one, revoking throws ConfigurationError. */
  readonly broadcaster?: Broadcaster | undefined;
  /** Results of tasks that succeeded, kept here once they were read. @default 0 */
  readonly cacheMax?: number;
}

/** Writes, reads and waits for the results of one app. */
export class ResultStore implements AsyncDisposable {
  readonly codec: ResultCodec;
  readonly #open: () => Promise<ResultBackend>;
  readonly #parts: ResultStoreParts;
  readonly #cache: ResultCache;
  readonly #alive = keepalive();
  readonly #put: (results: readonly StoredResult[]) => Promise<readonly string[]>;
  readonly #get: (id: string) => Promise<StoredResult | undefined>;
  #opening: Promise<Opened> | undefined;
  #waiter: ResultWaiter | undefined;
  #backend: ResultBackend | undefined;
  #closed = false;

  /** `open` is called once, at the first use; a failed try is repeated at the next. */
  constructor(open: () => Promise<ResultBackend>, codec: ResultCodec, parts: ResultStoreParts = {}) {
    this.#open = open;
    this.#cache = createResultCache(parts.cacheMax ?? 0);
    this.codec = codec;
    this.#parts = parts;
    // One put under way at a time, so that the states of a task are stored in the order in which they were given.
    this.#put = batcher((calls) => this.#putAll(calls), { maxSize: MAX_BATCH, maxInFlight: 1 });
    this.#get = batcher((ids) => this.#getAll(ids), { maxSize: MAX_BATCH });
  }

  /** The backend, opened; what a worker's settle writes through. */
  async backend(): Promise<ResultBackend> {
    return (await this.#opened()).backend;
  }

  /** The backend, if it is open already. */
  get openBackend(): ResultBackend | undefined {
    return this.#backend;
  }

  #opened(): Promise<Opened> {
    if (this.#closed) return Promise.reject(closedBackend());
    this.#opening ??= this.#open().then(
      (backend) => {
        this.#backend = backend;
        this.#waiter = createWaiter(backend, this.#alive);
        return { backend, waiter: this.#waiter };
      },
      (error: unknown) => {
        this.#opening = undefined;
        throw error;
      },
    );
    return this.#opening;
  }

  /** The handle of a task's result. Reads nothing, opens nothing. */
  result<T = unknown>(id: string, options: AsyncResultOptions = {}): AsyncResult<T> {
    return new AsyncResult<T>(id, this.#source, options);
  }

  /** The handle of a group's result. Stores nothing: see its `save`. */
  group<T extends readonly unknown[]>(id: string, members: MembersOf<T>, options: GroupResultOptions = {}): GroupResult<T> {
    return new GroupResult<T>(id, members, this.#source, options);
  }

  /** Several results, given as handles or ids, to be waited for together. */
  set<T = unknown>(results: Iterable<AnyResult<T> | string> = []): ResultSet<T> {
    const members = Array.from(results, (result) => (typeof result === 'string' ? this.result<T>(result) : result));
    return new ResultSet<T>(members);
  }

  /** The handle of what a tuple names, as `asTuple` wrote it here or in Python: a group when it has members. A bare id is a task's. Throws DecodeError. */
  fromTuple<T = unknown>(tuple: unknown): AnyResult<T> {
    return handleOf(parseResultTuple(tuple), this) as AnyResult<T>;
  }

  /** The group that was saved under this id, here or in Python; undefined when none is (any more). */
  async restoreGroup<T extends readonly unknown[] = unknown[]>(
    id: string,
    options: ReadOptions = {},
  ): Promise<GroupResult<T> | undefined> {
    const stored = await within(`group ${id}`, options, () =>
      this.#alive.during(this.#groups(async (groups) => (await groups.get([id])).get(id))),
    );
    if (stored === undefined) return undefined;
    const { members = [], ...group } = this.codec.decodeGroup(stored);
    return handleOf({ ...group, members }, this) as unknown as GroupResult<T>;
  }

  /** See ResultCodec.encode. */
  encode(meta: ResultMeta, options: EncodeResultOptions): StoredResult {
    return this.codec.encode(meta, options);
  }

  /** What chords keep, as bytes. */
  get chords(): ChordCodec {
    return this.codec.chords;
  }

  /**
   * Opens chords before their headers are sent. Resolves to `counted`, or to `polled` when the backend keeps results but counts none: then
   * celery.chord_unlock is to be sent for each. Throws ConfigurationError when the backend can do neither.
   */
  async openChords(openings: readonly ChordOpening[]): Promise<'counted' | 'polled'> {
    const { backend } = await this.#opened();
    if (backend.chords !== undefined) {
      await this.#alive.during(backend.chords.open(openings.map((opening) => this.chords.opening(opening))));
      return 'counted';
    }
    if (backend.chordsNeed !== undefined) throw new ConfigurationError(backend.chordsNeed);
    if (backend.features.persistent) return 'polled';
    throw new ConfigurationError(
      `A chord needs results that any worker can read, and the result backend '${backend.name}' keeps none. Use redis://, sqlite:// or another store of results (db+postgresql:// …), or a chain in its place.`,
    );
  }

  /** Deletes what has expired, where the backend does not by itself. */
  async cleanup(): Promise<void> {
    const { backend } = await this.#opened();
    await backend.cleanup?.();
  }

  /** Makes a chord wait for further ids. Throws ConfigurationError on a backend that does not count. */
  async extendChord(groupId: string, ids: readonly string[]): Promise<void> {
    const { backend } = await this.#opened();
    if (backend.chords === undefined) {
      throw new ConfigurationError(
        `The result backend '${backend.name}' does not count the members of a chord, so none can be added. Use redis://, sqlite://, db+postgresql:// or db+mysql://.`,
      );
    }
    await this.#alive.during(backend.chords.extend(groupId, ids, this.chords.expires));
  }

  /** Stores; resolves to the ids whose write was refused because something better is there. */
  async put(results: readonly StoredResult[]): Promise<readonly string[]> {
    return results.length === 0 ? [] : this.#alive.during(this.#put(results));
  }

  /** What is stored of a task as the wire has it; `PENDING` when nothing is. */
  async meta(id: string): Promise<ResultMeta> {
    const stored = await this.stored(id);
    return stored === undefined ? { taskId: id, status: 'PENDING', result: null } : this.codec.decode(stored);
  }

  /** What is stored of a task, undecoded. */
  async stored(id: string): Promise<StoredResult | undefined> {
    return this.#cache.get(id) ?? this.#cache.keep(await this.#alive.during(this.#get(id)));
  }

  async #record(id: string): Promise<ResultRecord> {
    const stored = await this.stored(id);
    return stored === undefined ? pendingRecord(id) : this.codec.record(stored);
  }

  async #putAll(calls: readonly (readonly StoredResult[])[]): Promise<readonly (readonly string[])[]> {
    const { backend } = await this.#opened();
    const refused = new Set(await backend.put(calls.flat()));
    return calls.map((results) => results.map((result) => result.id).filter((id) => refused.has(id)));
  }

  async #getAll(ids: readonly string[]): Promise<readonly (StoredResult | undefined)[]> {
    const { backend } = await this.#opened();
    const found = await backend.get([...new Set(ids)]);
    return ids.map((id) => found.get(id));
  }

  async #groups<R>(use: (groups: GroupStore) => Promise<R>): Promise<R> {
    const { backend } = await this.#opened();
    if (backend.groups === undefined) {
      throw new ConfigurationError(
        `The result backend ${backend.name} cannot save groups: it keeps nothing that another program could read. ` +
          'Set resultBackend to redis://host, sqlite:// or a database, or keep asTuple() of the group yourself.',
      );
    }
    return use(backend.groups);
  }

  /** No async function: thousands may wait here, and each would keep one more frame. */
  #wait(id: string, signal: AbortSignal | undefined, limit: WaitLimit | undefined): Promise<ResultRecord> {
    const known = this.#cache.get(id);
    if (known !== undefined) return Promise.resolve(known).then(this.#read);
    const waiter = this.#waiter;
    if (waiter !== undefined) return waiter.wait(id, signal, limit).then(this.#read);
    return this.#opened().then((opened) => opened.waiter.wait(id, signal, limit).then(this.#read));
  }

  /** One function for all waits. */
  readonly #read = (stored: StoredResult): ResultRecord => this.codec.record(this.#cache.keep(stored));

  #listen(ids: readonly string[], receiver: RecordReceiver): () => void {
    const inner = this.#decoding(receiver);
    const { noticed } = receiver;
    if (noticed === undefined && this.#waiter !== undefined) return this.#waiter.listen(ids, inner);
    let stop = (): void => undefined;
    let isOver = false;
    // Until the backend is open the waiter, which keeps the process alive, does not know of this wait.
    this.#alive.during(this.#opened()).then(({ backend, waiter }) => {
      if (isOver) return;
      if (noticed !== undefined && backend.features.messages !== true) receiver.failed(noMessages(backend.name));
      else stop = waiter.listen(ids, inner);
    }, receiver.failed);
    return () => {
      isOver = true;
      stop();
    };
  }

  #decoding({ arrived, failed, noticed }: RecordReceiver): Receiver {
    const decoded = (give: (record: ResultRecord) => void) => (stored: StoredResult) => {
      let record: ResultRecord;
      try {
        record = this.#read(stored);
      } catch (error) {
        return failed(error);
      }
      give(record);
    };
    return { arrived: decoded(arrived), failed, noticed: noticed && decoded(noticed) };
  }

  readonly #source: ResultSource = {
    eager: false,
    read: (id) => this.#record(id),
    wait: (id, signal, limit) => this.#wait(id, signal, limit),
    listen: (ids, receiver) => this.#listen(ids, receiver),
    exists: async (id) => (await this.stored(id)) !== undefined,
    forget: async (ids) => {
      this.#cache.forget(ids);
      const { backend } = await this.#opened();
      await this.#alive.during(backend.forget(ids));
    },
    make: (node) => handleOf(node, this),
    saveGroup: (node) => this.#alive.during(this.#groups((groups) => groups.put([this.codec.encodeGroup(node)]))),
    deleteGroup: (id) => this.#alive.during(this.#groups((groups) => groups.delete([id]))),
    revoke: async (ids, options) => (ids.length === 0 ? [] : this.#broadcast(revokeCommand(ids, options))),
    revokeByStampedHeaders: async (headers, options) => this.#broadcast(revokeByStampsCommand(headers, options)),
  };

  #broadcast(command: BroadcastCommand): Promise<readonly BroadcastReply[]> {
    const { broadcaster } = this.#parts;
    if (broadcaster !== undefined) return this.#alive.during(broadcaster.broadcast(command));
    throw new ConfigurationError(
      'Revoking tells the workers over the broker, and this result store has no way to it: take the result from an app (app.result(id)).',
    );
  }

  /** Ends every wait and closes the backend; a store that was never used closes at once. */
  async close(): Promise<void> {
    if (this.#closed) return;
    const opening = this.#opening;
    this.#closed = true;
    this.#waiter = undefined;
    const opened = await opening?.catch(() => undefined);
    opened?.waiter.close(closedBackend());
    await opened?.backend[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function noMessages(name: string): ConfigurationError {
  return new ConfigurationError(
    `The result backend ${name} does not tell of states by itself, so onMessage would never be called. Ask for state() now and then, or use memory, sqlite, redis or rpc.`,
  );
}
