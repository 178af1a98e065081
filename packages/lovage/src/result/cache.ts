// Results of tasks that succeeded, kept in the process that read them: nothing can change them any more. The setting resultCacheMax.
import type { StoredResult } from './seam.ts';

/** Stored results by task id, the longest unread out first. */
export interface ResultCache {
  get(id: string): StoredResult | undefined;
  /** Keeps a SUCCESS and nothing else; gives the result back. */
  keep<T extends StoredResult | undefined>(result: T): T;
  forget(ids: readonly string[]): void;
}

/** A cache of `limit` results; Infinity: of any number, 0: of none. */
export function createResultCache(limit: number): ResultCache {
  const kept = new Map<string, StoredResult>();
  const keep: ResultCache['keep'] = (result) => {
    if (limit === 0 || result?.state !== 'SUCCESS') return result;
    kept.delete(result.id);
    kept.set(result.id, result);
    const [oldest] = kept.keys();
    if (kept.size > limit && oldest !== undefined) kept.delete(oldest);
    return result;
  };
  return {
    get: (id) => keep(kept.get(id)),
    keep,
    forget: (ids) => {
      for (const id of ids) kept.delete(id);
    },
  };
}
