// Every wait of one backend: waits for one id share one entry, and ids first waited for in one turn of the event loop share one watch.
// Subscribing happens here, when somebody waits, and never at publish: a program that only sends holds no subscriptions.
import { BackendError, orAborted } from '../util/index.ts';
import { type Keepalive, keepalive } from './keepalive.ts';
import type { ResultBackend, StoredResult } from './seam.ts';

interface Entry {
  readonly id: string;
  readonly arrived: PromiseWithResolvers<StoredResult>;
  waiters: number;
  watch: Watch | undefined;
}

interface Watch {
  readonly entries: Set<Entry>;
  readonly stop: AbortController;
}

/** Waits for ready results. */
export interface ResultWaiter {
  wait(id: string, signal?: AbortSignal): Promise<StoredResult>;
  /** Rejects every wait under way. */
  close(reason: Error): void;
}

/** The waiter of one backend. */
export function createWaiter(backend: Pick<ResultBackend, 'watch'>, alive: Keepalive = keepalive()): ResultWaiter {
  const entries = new Map<string, Entry>();
  let fresh: Entry[] = [];

  function entryOf(id: string): Entry {
    const known = entries.get(id);
    if (known !== undefined) return known;
    const entry: Entry = { id, arrived: Promise.withResolvers(), waiters: 0, watch: undefined };
    // Whoever gave up does not listen any more; a failure then must not count as unhandled.
    entry.arrived.promise.catch(() => undefined);
    entries.set(id, entry);
    if (fresh.push(entry) === 1) queueMicrotask(begin);
    return entry;
  }

  function begin(): void {
    const wanted = fresh.filter((entry) => entry.waiters > 0);
    fresh = [];
    if (wanted.length === 0) return;
    const watch: Watch = { entries: new Set(wanted), stop: new AbortController() };
    for (const entry of wanted) entry.watch = watch;
    void run(watch);
  }

  async function run(watch: Watch): Promise<void> {
    try {
      const ids = Array.from(watch.entries, (entry) => entry.id);
      for await (const result of backend.watch(ids, watch.stop.signal)) {
        const entry = entries.get(result.id);
        if (entry?.watch !== watch) continue;
        drop(entry);
        entry.arrived.resolve(result);
      }
      fail(watch, new BackendError('The result backend stopped watching before all results had come; ask for them again.'));
    } catch (error) {
      fail(watch, error);
    }
  }

  function fail(watch: Watch, error: unknown): void {
    for (const entry of watch.entries) {
      drop(entry);
      entry.arrived.reject(error);
    }
  }

  function drop(entry: Entry): void {
    if (entries.get(entry.id) === entry) entries.delete(entry.id);
    entry.watch?.entries.delete(entry);
  }

  function giveUp(entry: Entry): void {
    if (--entry.waiters > 0) return;
    drop(entry);
    if (entry.watch?.entries.size === 0) entry.watch.stop.abort();
  }

  async function wait(id: string, signal: AbortSignal | undefined): Promise<StoredResult> {
    signal?.throwIfAborted();
    const entry = entryOf(id);
    entry.waiters++;
    try {
      return await orAborted(entry.arrived.promise, signal);
    } finally {
      giveUp(entry);
    }
  }

  return {
    wait: (id, signal) => alive.during(wait(id, signal)),
    close: (reason) => {
      const watches = new Set(Array.from(entries.values(), (entry) => entry.watch));
      for (const watch of watches) watch?.stop.abort(reason);
    },
  };
}
