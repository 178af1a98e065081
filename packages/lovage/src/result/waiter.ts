// Every wait of one backend: waits for one id share one entry, and ids first waited for in one turn of the event loop share one watch.
// Subscribing happens here, when somebody waits, and never at publish: a program that only sends holds no subscriptions.
// Plain callbacks: a wait makes one promise, and a timer when it has a limit.
import { after, BackendError, type Timer } from '../util/index.ts';
import { type Keepalive, keepalive } from './keepalive.ts';
import type { ResultBackend, StoredResult } from './seam.ts';
import type { Receiver } from './watchers.ts';

interface Wait {
  readonly resolve: (result: StoredResult) => void;
  readonly reject: (error: unknown) => void;
  readonly signal: AbortSignal | undefined;
  timer: Timer | undefined;
  stop: (() => void) | undefined;
}

interface Entry {
  readonly id: string;
  readonly waits: Set<Wait>;
  watch: Watch | undefined;
}

interface Watch {
  readonly entries: Set<Entry>;
  end: (() => void) | undefined;
}

/** A limit of a wait. */
export interface WaitLimit {
  readonly seconds: number;
  readonly error: () => Error;
}

/** Waits for ready results. */
export interface ResultWaiter {
  /** Rejects with the signal's reason, or with the limit's error. */
  wait(id: string, signal?: AbortSignal, limit?: WaitLimit): Promise<StoredResult>;
  /** Rejects every wait under way. */
  close(reason: Error): void;
}

type Source = Pick<ResultBackend, 'watch' | 'listen'>;

/** The waiter of one backend. */
export function createWaiter(backend: Source, alive: Keepalive = keepalive()): ResultWaiter {
  const entries = new Map<string, Entry>();
  let fresh: Entry[] = [];

  function entryOf(id: string): Entry {
    const known = entries.get(id);
    if (known !== undefined) return known;
    const entry: Entry = { id, waits: new Set(), watch: undefined };
    entries.set(id, entry);
    if (fresh.push(entry) === 1) queueMicrotask(begin);
    return entry;
  }

  function begin(): void {
    const wanted = fresh.filter((entry) => entry.waits.size > 0);
    fresh = [];
    if (wanted.length === 0) return;
    const watch: Watch = { entries: new Set(wanted), end: undefined };
    for (const entry of wanted) entry.watch = watch;
    const ids = wanted.map((entry) => entry.id);
    const receiver: Receiver = {
      arrived: (result) => {
        const entry = entries.get(result.id);
        if (entry?.watch !== watch) return;
        drop(entry);
        for (const wait of entry.waits) over(entry, wait, () => wait.resolve(result));
      },
      failed: (error) => {
        for (const entry of watch.entries) fail(entry, error);
      },
    };
    watch.end = backend.listen?.(ids, receiver) ?? iterated(backend, ids, receiver);
  }

  function fail(entry: Entry, error: unknown): void {
    drop(entry);
    for (const wait of entry.waits) over(entry, wait, () => wait.reject(error));
  }

  function drop(entry: Entry): void {
    if (entries.get(entry.id) === entry) entries.delete(entry.id);
    entry.watch?.entries.delete(entry);
  }

  /** The end of one wait. */
  function over(entry: Entry, wait: Wait, settle: () => void): void {
    if (!entry.waits.delete(wait)) return;
    wait.timer?.cancel();
    if (wait.stop !== undefined) wait.signal?.removeEventListener('abort', wait.stop);
    alive.release();
    settle();
  }

  function giveUp(entry: Entry, wait: Wait, error: unknown): void {
    over(entry, wait, () => wait.reject(error));
    if (entry.waits.size > 0) return;
    drop(entry);
    if (entry.watch?.entries.size === 0) entry.watch.end?.();
  }

  return {
    wait: (id, signal, limit) => {
      if (signal?.aborted) return Promise.reject(signal.reason as Error);
      return new Promise((resolve, reject) => {
        const entry = entryOf(id);
        const wait: Wait = { resolve, reject, signal, timer: undefined, stop: undefined };
        entry.waits.add(wait);
        alive.hold();
        if (signal !== undefined) {
          wait.stop = () => giveUp(entry, wait, signal.reason);
          signal.addEventListener('abort', wait.stop, { once: true });
        }
        if (limit !== undefined) wait.timer = after(limit.seconds, () => giveUp(entry, wait, limit.error()));
      });
    },
    close: (reason) => {
      const all = [...entries.values()];
      for (const entry of all) fail(entry, reason);
      for (const watch of new Set(all.map((entry) => entry.watch))) watch?.end?.();
    },
  };
}

/** A watch that has no callbacks, read by a loop. */
function iterated(backend: Source, ids: readonly string[], receiver: Receiver): () => void {
  const stop = new AbortController();
  const read = async (): Promise<void> => {
    for await (const result of backend.watch(ids, stop.signal)) receiver.arrived(result);
    receiver.failed(new BackendError('The result backend stopped watching before all results had come; ask for them again.'));
  };
  read().catch((error: unknown) => receiver.failed(error));
  return () => stop.abort('Nobody waits any more.');
}
