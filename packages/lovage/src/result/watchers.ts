// The part of `watch` that all drivers share: who waits for which id, and the iterator in which results come out.
// A driver adds two moves: `begin` (hear of these ids from now on, then read them once) and `end` (nobody waits for these any more).
import { BackendError } from '../util/index.ts';
import { READY_STATES, type Receiver, type StoredResult } from './seam.ts';

export interface WatchMoves {
  /** Subscribes first, reads second, and hands what it read to `deliver`: so nothing falls between the two. `over` gives a signal: that watch is over. */
  begin(ids: readonly string[], over: () => AbortSignal): Promise<void> | undefined;
  end(ids: readonly string[]): void;
}

interface Watch {
  readonly open: Set<string>;
  readonly receiver: Receiver;
  over: AbortController | undefined;
  isOver: boolean;
}

export interface Watchers {
  watch(ids: readonly string[], signal: AbortSignal): AsyncIterable<StoredResult>;
  /** The same with callbacks; gives how to stop. */
  listen(ids: readonly string[], receiver: Receiver): () => void;
  /** Gives a result to all who wait for it; of unready ones they are told, and wait on. */
  deliver(result: StoredResult): void;
  /** Does anybody wait for this id? */
  has(id: string): boolean;
  /** Every id that somebody waits for. */
  ids(): readonly string[];
  /** Ends every watch with this error. */
  fail(error: unknown): void;
}

/** Without a reason of its own each abort would make an error with a stack. */
const OVER = 'This watch is over.';

/** The table of one backend. */
export function createWatchers(moves: WatchMoves): Watchers {
  const byId = new Map<string, Watch | Set<Watch>>();
  const all = new Set<Watch>();

  function enter(watch: Watch): void {
    all.add(watch);
    for (const id of watch.open) {
      const there = byId.get(id);
      if (there === undefined) byId.set(id, watch);
      else if (there instanceof Set) there.add(watch);
      else byId.set(id, new Set([there, watch]));
    }
  }

  function leave(watch: Watch): void {
    if (watch.isOver) return;
    watch.isOver = true;
    watch.over?.abort(OVER);
    all.delete(watch);
    const orphans: string[] = [];
    for (const id of watch.open) {
      const there = byId.get(id);
      if (there instanceof Set) there.delete(watch);
      const isOrphan = there === watch || (there instanceof Set && there.size === 0);
      if (isOrphan && byId.delete(id)) orphans.push(id);
    }
    if (orphans.length > 0) moves.end(orphans);
  }

  function deliver(result: StoredResult): void {
    const there = byId.get(result.id);
    if (there === undefined) return;
    if (!READY_STATES.has(result.state)) {
      for (const watch of there instanceof Set ? there : [there]) watch.receiver.noticed?.(result);
      return;
    }
    byId.delete(result.id);
    if (there instanceof Set) for (const watch of there) give(watch, result);
    else give(there, result);
    moves.end([result.id]);
  }

  function give(watch: Watch, result: StoredResult): void {
    watch.open.delete(result.id);
    if (watch.open.size === 0) leave(watch);
    watch.receiver.arrived(result);
  }

  function abandon(watch: Watch, error: unknown): void {
    if (watch.isOver) return;
    leave(watch);
    watch.receiver.failed(error);
  }

  function listen(ids: readonly string[], receiver: Receiver): () => void {
    const watch: Watch = { open: new Set(ids), receiver, over: undefined, isOver: false };
    enter(watch);
    const over = (): AbortSignal => {
      watch.over ??= new AbortController();
      if (watch.isOver) watch.over.abort(OVER);
      return watch.over.signal;
    };
    moves.begin([...watch.open], over)?.catch((error: unknown) => abandon(watch, error));
    return () => leave(watch);
  }

  async function* iterate(ids: readonly string[], signal: AbortSignal): AsyncGenerator<StoredResult, void, undefined> {
    signal.throwIfAborted();
    const left = new Set(ids);
    // Taking from the front of a long array is dear: each place is emptied, and the array goes when it has been read.
    let arrived: (StoredResult | undefined)[] = [];
    let at = 0;
    let failure: { readonly error: unknown } | undefined;
    let wake = (): void => undefined;
    const failed = (error: unknown): void => {
      failure ??= { error };
      wake();
    };
    const stop = (): void => failed(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    const end = listen([...left], {
      failed,
      arrived: (result) => {
        arrived.push(result);
        wake();
      },
    });
    try {
      while (left.size > 0) {
        const next = arrived[at];
        if (next !== undefined) {
          arrived[at++] = undefined;
          if (at === arrived.length) {
            arrived = [];
            at = 0;
          }
          left.delete(next.id);
          yield next;
        } else if (failure !== undefined) throw failure.error;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      signal.removeEventListener('abort', stop);
      end();
    }
  }

  return {
    watch: iterate,
    listen,
    deliver,
    has: (id) => byId.has(id),
    ids: () => [...byId.keys()],
    fail: (error) => {
      for (const watch of all) abandon(watch, error);
    },
  };
}

/** What a watch throws when this program closes its backend. */
export function closedBackend(): BackendError {
  return new BackendError('The result backend was closed while somebody waited for a result.', { transient: false });
}
