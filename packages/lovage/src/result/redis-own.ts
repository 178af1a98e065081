// The results of this process's own tasks, heard without asking for each. While somebody waits now and then, the ids of new tasks begin
// alike (util/task-ids.ts) and one PSUBSCRIBE covers them all: a wait then costs no command. Called by redis-watch.ts.
// The subscription is there before the first id under it is made, so whatever is published for such an id is heard, and what comes before
// anybody waits for it is kept for a while. A program that waits for few of many results is better off asking: then this stops.
import type { Redis } from 'ioredis';
import { claimIds, logger, type OwnIds } from '../util/index.ts';
import type { ResultKeys } from './redis-keys.ts';
import type { StoredResult } from './seam.ts';

const log = logger('result', 'redis');
/** Results kept of which nobody has asked yet: more, or more bytes, and hearing all costs more than it saves. */
const MAX_KEPT = 1000;
const MAX_BYTES = 4_000_000;
/** Ids of which the result came; after so many the ids begin anew, so that the list stays short. */
const MAX_HEARD = 5000;
/** Milliseconds without a wait after which it stops. */
const IDLE_MS = 10_000;
/** Milliseconds before another try after too much came unasked. */
const PAUSE_MS = 60_000;

export interface OwnResults {
  /** Will what is published for this id be heard, and has not been? */
  covers(id: string): boolean;
  /** Its result was heard and given to who waited: who asks again reads it. */
  heard(id: string): void;
  /** What came before anybody waited. */
  take(id: string): StoredResult | undefined;
  /** Keeps what came and nobody waits for yet. */
  keep(result: StoredResult): void;
  forget(ids: readonly string[]): void;
  /** Somebody waits: begins to hear on this connection, if one is given and it does not. */
  wanted(client?: Redis): void;
  /** Stops; the connection is gone. */
  lost(): void;
}

/** `gaveUp` is told with what to unsubscribe from when too much came unasked. */
export function createOwnResults(keys: ResultKeys, gaveUp: (client: Redis, pattern: string) => void): OwnResults {
  let ids: OwnIds | undefined;
  let opening: Redis | undefined;
  let bytes = 0;
  let wantedAt = 0;
  let pausedUntil = Number.NEGATIVE_INFINITY;
  let look: NodeJS.Timeout | undefined;
  const kept = new Map<string, StoredResult>();
  const heard = new Set<string>();

  function lost(): void {
    ids?.release();
    ids = undefined;
    opening = undefined;
    clearInterval(look);
    kept.clear();
    heard.clear();
    bytes = 0;
  }

  function stop(client: Redis): void {
    const pattern = ids === undefined ? undefined : keys.meta(`${ids.prefix}*`);
    lost();
    if (pattern !== undefined) gaveUp(client, pattern);
  }

  async function open(client: Redis): Promise<void> {
    const claim = claimIds();
    if (claim === undefined) return;
    opening = client;
    try {
      await client.psubscribe(keys.meta(`${claim.prefix}*`));
    } catch (error) {
      // No right to do so, or the line is gone: each wait asks for itself.
      log.debug('Results of own tasks are asked for one by one: {error}', { error });
      claim.release();
      pausedUntil = performance.now() + PAUSE_MS;
      return;
    }
    if (opening !== client) {
      claim.release();
      return;
    }
    claim.use();
    ids = claim;
    look = setInterval(() => {
      if (performance.now() - wantedAt > IDLE_MS) stop(client);
    }, IDLE_MS).unref();
  }

  function drop(id: string): StoredResult | undefined {
    const result = kept.get(id);
    if (result === undefined) return undefined;
    kept.delete(id);
    bytes -= result.body.byteLength;
    return result;
  }

  return {
    covers: (id) => ids !== undefined && id.startsWith(ids.prefix) && !heard.has(id),
    heard: (id) => {
      heard.add(id);
      if (heard.size > MAX_HEARD && opening !== undefined) stop(opening);
    },
    take: drop,
    keep: (result) => {
      if (ids === undefined || opening === undefined) return;
      drop(result.id);
      kept.set(result.id, result);
      bytes += result.body.byteLength;
      if (kept.size <= MAX_KEPT && bytes <= MAX_BYTES) return;
      pausedUntil = performance.now() + PAUSE_MS;
      stop(opening);
    },
    forget: (forgotten) => {
      // Once deleted it is like any other that is not there.
      for (const id of forgotten) if (drop(id) !== undefined) heard.add(id);
    },
    wanted: (client) => {
      wantedAt = performance.now();
      if (client !== undefined && opening === undefined && wantedAt > pausedUntil) void open(client);
    },
    lost,
  };
}
