// Waiting on a store that has to be asked: one plural read for all who wait, every interval, sooner where the store tells of changes.
// Called by kv-backend.ts and the SQL backend.
import { after, LovageError, logger, type Timer } from '../util/index.ts';
import { READY_STATES, type StoredResult } from './seam.ts';
import { closedBackend, createWatchers, type Watchers } from './watchers.ts';

const log = logger('result');

export interface KeyWatchParts {
  /** Seconds between two reads. */
  readonly interval: number;
  read(ids: readonly string[]): Promise<Iterable<StoredResult>>;
  /** Tells which ids were written; undefined ids: something was. */
  readonly changes?: ((heard: (ids: readonly string[] | undefined) => void) => Disposable | undefined) | undefined;
}

export interface KeyWatch {
  readonly watchers: Watchers;
  /** This process wrote these itself. */
  written(ids: readonly string[]): void;
  close(): void;
}

/** A watch over a store; it reads only while somebody waits. */
export function createKeyWatch({ interval, read, changes }: KeyWatchParts): KeyWatch {
  let timer: Timer | undefined;
  let listening: Disposable | undefined;
  let closed = false;
  const asked = new Set<string>();

  const watchers = createWatchers({
    begin: async (ids) => {
      // Hears first and reads second, so that nothing is written between the two unheard.
      listening ??= changes?.(heard);
      await look(ids);
      arm();
    },
    end: () => {
      if (watchers.ids().length === 0) rest();
    },
  });

  function rest(): void {
    timer?.cancel();
    timer = undefined;
    listening?.[Symbol.dispose]();
    listening = undefined;
  }

  function arm(): void {
    if (timer !== undefined || closed || watchers.ids().length === 0) return;
    const mine = after(interval, () => {
      const next = (): void => {
        if (timer !== mine) return;
        timer = undefined;
        arm();
      };
      look(watchers.ids()).then(next, (error: unknown) => {
        // A store that is away comes back, as may the right to use it; who waits has a limit of its own.
        log.debug('A look for results failed: {error}', { error });
        if (!(error instanceof LovageError && error.transient)) watchers.fail(error);
        next();
      });
    });
    timer = mine;
  }

  async function look(ids: readonly string[]): Promise<void> {
    const wanted = ids.filter(watchers.has);
    if (wanted.length === 0) return;
    for (const result of await read(wanted)) if (READY_STATES.has(result.state)) watchers.deliver(result);
  }

  /** Changes of one turn of the event loop are read together. */
  function heard(ids: readonly string[] | undefined): void {
    const waited = (ids ?? watchers.ids()).filter(watchers.has);
    if (waited.length === 0) return;
    if (asked.size === 0) setImmediate(readAsked);
    for (const id of waited) asked.add(id);
  }

  function readAsked(): void {
    const ids = [...asked];
    asked.clear();
    // The next round asks for them again.
    if (!closed) look(ids).catch((error: unknown) => log.debug('A look for results failed: {error}', { error }));
  }

  return {
    watchers,
    written: heard,
    close: () => {
      closed = true;
      watchers.fail(closedBackend());
      rest();
    },
  };
}
