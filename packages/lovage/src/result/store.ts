// The results of one app: a backend, opened when first needed, and the codec, behind the few calls that the rooms above use.
// Single writes and reads of one turn of the event loop join into one call to the backend.

import type { ResultMeta } from '../protocol/index.ts';
import { batcher } from '../util/index.ts';
import { AsyncResult, type AsyncResultOptions, type ResultSource } from './async-result.ts';
import type { EncodeResultOptions, ResultCodec } from './codec.ts';
import { keepalive } from './keepalive.ts';
import { pendingRecord, type ResultRecord } from './record.ts';
import type { ResultBackend, StoredResult } from './seam.ts';
import { createWaiter, type ResultWaiter } from './waiter.ts';
import { closedBackend } from './watchers.ts';

/** Results in one call to the backend at most. */
const MAX_BATCH = 1000;

/** Writes, reads and waits for the results of one app. */
export class ResultStore implements AsyncDisposable {
  readonly codec: ResultCodec;
  readonly #open: () => Promise<ResultBackend>;
  readonly #alive = keepalive();
  readonly #put: (results: readonly StoredResult[]) => Promise<readonly string[]>;
  readonly #get: (id: string) => Promise<StoredResult | undefined>;
  #opening: Promise<{ readonly backend: ResultBackend; readonly waiter: ResultWaiter }> | undefined;
  #waiter: ResultWaiter | undefined;
  #closed = false;

  /** `open` is called once, at the first use; a failed try is repeated at the next. */
  constructor(open: () => Promise<ResultBackend>, codec: ResultCodec) {
    this.#open = open;
    this.codec = codec;
    // One put under way at a time, so that the states of a task are stored in the order in which they were given.
    this.#put = batcher((calls) => this.#putAll(calls), { maxSize: MAX_BATCH, maxInFlight: 1 });
    this.#get = batcher((ids) => this.#getAll(ids), { maxSize: MAX_BATCH });
  }

  /** The backend, opened; what a worker's settle writes through. */
  async backend(): Promise<ResultBackend> {
    return (await this.#opened()).backend;
  }

  #opened(): Promise<{ readonly backend: ResultBackend; readonly waiter: ResultWaiter }> {
    if (this.#closed) return Promise.reject(closedBackend());
    this.#opening ??= this.#open().then(
      (backend) => {
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

  /** See ResultCodec.encode. */
  encode(meta: ResultMeta, options: EncodeResultOptions): StoredResult {
    return this.codec.encode(meta, options);
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
  stored(id: string): Promise<StoredResult | undefined> {
    return this.#alive.during(this.#get(id));
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

  readonly #source: ResultSource = {
    eager: false,
    read: (id) => this.#record(id),
    wait: async (id, signal, limit) => {
      const waiter = this.#waiter ?? (await this.#opened()).waiter;
      return this.codec.record(await waiter.wait(id, signal, limit));
    },
    exists: async (id) => (await this.stored(id)) !== undefined,
    forget: async (ids) => {
      const { backend } = await this.#opened();
      await this.#alive.during(backend.forget(ids));
    },
  };

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
