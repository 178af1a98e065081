// The part of `watch` that all drivers share: who waits for which id, and the iterator in which results come out.
// A driver adds two moves: `begin` (hear of these ids from now on, then read them once) and `end` (nobody waits for these any more).
import { BackendError } from '../util/index.ts';
import { READY_STATES, type StoredResult } from './seam.ts';

export interface WatchMoves {
  /** Subscribes first, reads second, and hands what it read to `deliver`: so nothing falls between the two. The signal: that watch is over. */
  begin(ids: readonly string[], over: AbortSignal): Promise<void>;
  end(ids: readonly string[]): void;
}

interface Watch {
  readonly open: Set<string>;
  readonly arrived: StoredResult[];
  failure: { readonly error: unknown } | undefined;
  wake: () => void;
}

export interface Watchers {
  watch(ids: readonly string[], signal: AbortSignal): AsyncIterable<StoredResult>;
  /** Gives a result to all who wait for it; unready ones are passed over. */
  deliver(result: StoredResult): void;
  /** Does anybody wait for this id? */
  has(id: string): boolean;
  /** Every id that somebody waits for. */
  ids(): readonly string[];
  /** Ends every watch with this error. */
  fail(error: unknown): void;
}

/** The table of one backend. */
export function createWatchers(moves: WatchMoves): Watchers {
  const byId = new Map<string, Set<Watch>>();
  const all = new Set<Watch>();

  function enter(watch: Watch): void {
    all.add(watch);
    for (const id of watch.open) {
      const set = byId.get(id);
      if (set === undefined) byId.set(id, new Set([watch]));
      else set.add(watch);
    }
  }

  function leave(watch: Watch): void {
    all.delete(watch);
    const orphans: string[] = [];
    for (const id of watch.open) {
      const set = byId.get(id);
      set?.delete(watch);
      if (set?.size === 0 && byId.delete(id)) orphans.push(id);
    }
    if (orphans.length > 0) moves.end(orphans);
  }

  function deliver(result: StoredResult): void {
    const watches = byId.get(result.id);
    if (watches === undefined || !READY_STATES.has(result.state)) return;
    byId.delete(result.id);
    for (const watch of watches) {
      watch.open.delete(result.id);
      watch.arrived.push(result);
      watch.wake();
    }
    moves.end([result.id]);
  }

  async function* iterate(ids: readonly string[], signal: AbortSignal): AsyncGenerator<StoredResult, void, undefined> {
    signal.throwIfAborted();
    const over = new AbortController();
    const watch: Watch = { open: new Set(ids), arrived: [], failure: undefined, wake: () => undefined };
    const stop = (): void => abandon(watch, signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    enter(watch);
    try {
      moves.begin([...watch.open], over.signal).catch((error: unknown) => abandon(watch, error));
      while (watch.open.size > 0 || watch.arrived.length > 0) {
        const next = watch.arrived.shift();
        if (next !== undefined) yield next;
        else if (watch.failure !== undefined) throw watch.failure.error;
        else await new Promise<void>((resolve) => (watch.wake = resolve));
      }
    } finally {
      signal.removeEventListener('abort', stop);
      over.abort();
      leave(watch);
    }
  }

  return {
    watch: iterate,
    deliver,
    has: (id) => byId.has(id),
    ids: () => [...byId.keys()],
    fail: (error) => {
      for (const watch of all) abandon(watch, error);
    },
  };
}

function abandon(watch: Watch, error: unknown): void {
  watch.failure ??= { error };
  watch.wake();
}

/** What a watch throws when this program closes its backend. */
export function closedBackend(): BackendError {
  return new BackendError('The result backend was closed while somebody waited for a result.', { transient: false });
}
