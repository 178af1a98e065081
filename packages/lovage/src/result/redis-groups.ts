// Saved groups in Redis, at Celery's keys and with its bytes: either side restores what the other saved. Called by redis.ts.
import type { RedisLine } from '../util/index.ts';
import type { GroupStore, StoredGroup } from './group-seam.ts';
import type { ResultKeys } from './redis-keys.ts';

/** `patiently` repeats a call while Redis is away. */
export function redisGroups(
  line: RedisLine,
  keys: ResultKeys,
  patiently: <T>(call: (signal: AbortSignal) => Promise<T>) => Promise<T>,
): GroupStore {
  const put = (group: StoredGroup, signal: AbortSignal): Promise<unknown> => {
    const body = Buffer.from(group.body.buffer, group.body.byteOffset, group.body.byteLength);
    const life = group.expires === undefined ? [] : ['PX', Math.max(1, Math.round(group.expires * 1000))];
    return line.call('SET', [keys.group(group.id), body, ...life], signal);
  };
  return {
    put: async (groups) => {
      await patiently((signal) => Promise.all(groups.map((group) => put(group, signal))));
    },
    get: async (ids) => {
      if (ids.length === 0) return new Map();
      const bodies = await patiently((signal) => line.callBuffer('MGET', ids.map(keys.group), signal));
      const found = new Map<string, StoredGroup>();
      for (const [index, body] of (bodies as readonly (Buffer | null)[]).entries()) {
        const id = ids[index];
        if (id !== undefined && body !== null) found.set(id, { id, body, contentType: '', contentEncoding: '' });
      }
      return found;
    },
    delete: async (ids) => {
      if (ids.length > 0) await patiently((signal) => line.call('DEL', ids.map(keys.group), signal));
    },
  };
}
