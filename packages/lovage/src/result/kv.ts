// The seam of key/value stores, and what makes a result backend of any of them: keys, write rule, fence, waiting. A store moves bytes by
// key and knows nothing of tasks; kv-backend.ts does the rest. docs/guide-backends.md writes one in a page.

/** What is kept under a key. */
export interface KeyValue {
  readonly value: Uint8Array;
  /** What `swap` compares: a CAS number, an ETag, the value itself. Only stores with `swap` need it. */
  readonly version?: unknown;
}

/** A value to keep. */
export interface KeyValueWrite {
  readonly key: string;
  readonly value: Uint8Array;
  /** Seconds until it may go; undefined: never. Stores without a clock of their own leave that to `cleanup`. */
  readonly expires: number | undefined;
}

/** What was read under some keys before a `swap`; undefined: nothing was there. */
export type Seen = ReadonlyMap<string, KeyValue | undefined>;

/**
 * Enough to be a result backend. Everything is plural, so that a batch can be one round trip. Failures are thrown as they come: an error
 * with `transient: true` (BackendError) is tried again for 20 seconds, any other is not.
 */
export interface KeyValueStore extends AsyncDisposable {
  /** As docs/backends.md calls it. */
  readonly name: string;
  /** Passwords masked. */
  readonly url: string;
  /** Values go by themselves once they expire. */
  readonly autoExpire: boolean;
  /** Celery counts the members of a chord here, under `chord-unlock-<id of the group>`. */
  readonly celeryCounts?: true;
  /** Keys that are not there are absent from the map. */
  get(keys: readonly string[]): Promise<ReadonlyMap<string, KeyValue>>;
  /** No key comes twice in one call. */
  set(writes: readonly KeyValueWrite[]): Promise<void>;
  /** Keys that are not there are no error. */
  delete(keys: readonly string[]): Promise<void>;
  /**
   * Writes if nothing has changed since it was read; false: something has. `seen` has the written key, and with
   * `guards: 'all'` others too. Without `swap` a write follows its read, and "the first ready state wins" all but always.
   */
  readonly swap?: {
    /** `written`: only the written key is compared. `all`: every key of `seen`, in one step, which is what a fence needs. */
    readonly guards: 'written' | 'all';
    try(write: KeyValueWrite, seen: Seen): Promise<boolean>;
  };
  /** Tells of keys that were written, by whomever; gives how to stop. What goes unheard costs one interval of polling. */
  changes?(heard: (keys: readonly string[]) => void): Disposable;
  /** Deletes keys that begin with one of these and were last written so many seconds ago. Only stores without autoExpire. */
  cleanup?(prefixes: readonly string[], olderThan: number): Promise<number>;
  /** Throws when the store cannot be used. */
  check(signal: AbortSignal): Promise<void>;
}
