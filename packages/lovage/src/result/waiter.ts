// Every wait of one backend: waits for one id share one entry, and ids first waited for in one turn of the event loop share one watch.
// Subscribing happens here, when somebody waits, and never at publish: a program that only sends holds no subscriptions.
// Plain callbacks: a wait makes one promise, and a timer when it has a limit.
import { after, BackendError, type Timer } from '../util/index.ts';
import { type Keepalive, keepalive } from './keepalive.ts';
import type { Receiver, ResultBackend, StoredResult } from './seam.ts';

/** Somebody who waits, for one id or for several. */
interface Wait extends Receiver {
  readonly ids: string | readonly string[];
  /** Ids that have not come. */
  left: number;
  readonly signal: AbortSignal | undefined;
  timer: Timer | undefined;
  stop: (() => void) | undefined;
}

interface Entry {
  readonly id: string;
  /** A set once there are several: hardly ever. */
  waits: Wait | Set<Wait> | undefined;
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
  /** Several ids at once, each given as it comes; gives how to stop. */
  listen(ids: readonly string[], receiver: Receiver): () => void;
  /** Rejects every wait under way. */
  close(reason: Error): void;
}

type Source = Pick<ResultBackend, 'watch' | 'listen'>;

function waitsOf({ waits }: Entry): readonly Wait[] {
  if (waits === undefined) return [];
  return waits instanceof Set ? [...waits] : [waits];
}

function addWait(entry: Entry, wait: Wait): void {
  if (entry.waits === undefined) entry.waits = wait;
  else if (entry.waits instanceof Set) entry.waits.add(wait);
  else entry.waits = new Set([entry.waits, wait]);
}

/** Takes a wait out; tells whether nobody else waits. */
function removeWait(entry: Entry, wait: Wait): boolean {
  if (entry.waits instanceof Set) entry.waits.delete(wait);
  else if (entry.waits === wait) entry.waits = undefined;
  return entry.waits === undefined || (entry.waits instanceof Set && entry.waits.size === 0);
}

/** The waiter of one backend. */
export function createWaiter(backend: Source, alive: Keepalive = keepalive()): ResultWaiter {
  const entries = new Map<string, Entry>();
  let fresh: Entry[] = [];

  function enter(wait: Wait): void {
    alive.hold();
    for (const id of typeof wait.ids === 'string' ? [wait.ids] : wait.ids) addWait(entryOf(id), wait);
  }

  function entryOf(id: string): Entry {
    const known = entries.get(id);
    if (known !== undefined) return known;
    const entry: Entry = { id, waits: undefined, watch: undefined };
    entries.set(id, entry);
    if (fresh.push(entry) === 1) queueMicrotask(begin);
    return entry;
  }

  function begin(): void {
    const wanted = fresh.filter((entry) => entries.get(entry.id) === entry);
    fresh = [];
    if (wanted.length === 0) return;
    const watch: Watch = { entries: new Set(wanted), end: undefined };
    for (const entry of wanted) entry.watch = watch;
    const ids = wanted.map((entry) => entry.id);
    const receiver: Receiver = {
      arrived: (result) => {
        const entry = entries.get(result.id);
        if (entry?.watch === watch) arrived(entry, result);
      },
      noticed: (result) => {
        const entry = entries.get(result.id);
        if (entry?.watch === watch) for (const wait of waitsOf(entry)) wait.noticed?.(result);
      },
      failed: (error) => {
        for (const entry of watch.entries) fail(entry, error);
      },
    };
    watch.end = backend.listen?.(ids, receiver) ?? iterated(backend, ids, receiver);
    // All of them may have come, or been given up, while the watch began.
    if (watch.entries.size === 0) watch.end();
  }

  function arrived(entry: Entry, result: StoredResult): void {
    drop(entry);
    for (const wait of waitsOf(entry)) {
      if (wait.left === 0) continue;
      if (--wait.left === 0) over(wait);
      wait.arrived(result);
    }
  }

  function fail(entry: Entry, error: unknown): void {
    drop(entry);
    for (const wait of waitsOf(entry)) giveUp(wait, error);
  }

  function drop(entry: Entry): void {
    if (entries.get(entry.id) === entry) entries.delete(entry.id);
    entry.watch?.entries.delete(entry);
  }

  function over(wait: Wait): void {
    wait.left = 0;
    wait.timer?.cancel();
    if (wait.stop !== undefined) wait.signal?.removeEventListener('abort', wait.stop);
    alive.release();
  }

  /** Takes a wait back before its end. */
  function leave(wait: Wait): boolean {
    if (wait.left === 0) return false;
    over(wait);
    for (const id of typeof wait.ids === 'string' ? [wait.ids] : wait.ids) {
      const entry = entries.get(id);
      if (entry === undefined || !removeWait(entry, wait)) continue;
      drop(entry);
      if (entry.watch?.entries.size === 0) entry.watch.end?.();
    }
    return true;
  }

  function giveUp(wait: Wait, error: unknown): void {
    if (leave(wait)) wait.failed(error);
  }

  return {
    wait: (id, signal, limit) => {
      if (signal?.aborted) return Promise.reject(signal.reason as Error);
      return new Promise((resolve, reject) => {
        const wait: Wait = { ids: id, left: 1, arrived: resolve, failed: reject, signal, timer: undefined, stop: undefined };
        enter(wait);
        if (signal !== undefined) {
          const stop = (): void => giveUp(wait, signal.reason);
          wait.stop = stop;
          signal.addEventListener('abort', stop, { once: true });
        }
        if (limit !== undefined) wait.timer = after(limit.seconds, () => giveUp(wait, limit.error()));
      });
    },
    listen: (ids, { arrived, failed, noticed }) => {
      const all = [...new Set(ids)];
      if (all.length === 0) return () => undefined;
      const wait: Wait = {
        ids: all,
        left: all.length,
        arrived,
        failed,
        noticed,
        signal: undefined,
        timer: undefined,
        stop: undefined,
      };
      enter(wait);
      return () => void leave(wait);
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
