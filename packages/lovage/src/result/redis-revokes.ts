// Revokes in Redis: one sorted set for each scope, each member until the time that is its score. Called by redis.ts.
import type { RedisLine } from '../util/index.ts';
import type { ResultKeys } from './redis-keys.ts';
import type { RevokeStore } from './revokes.ts';

/** Members in one command at most. */
const CHUNK = 1000;

/** `patiently` repeats a call while Redis is away. */
export function redisRevokes(
  line: RedisLine,
  keys: ResultKeys,
  patiently: <T>(call: (signal: AbortSignal) => Promise<T>) => Promise<T>,
): RevokeStore {
  const now = (): number => Date.now() / 1000;
  const store = async (
    key: string,
    texts: readonly string[],
    expires: number,
    max: number,
    signal: AbortSignal,
  ): Promise<void> => {
    for (let at = 0; at < texts.length; at += CHUNK) {
      const until = now() + expires;
      await line.call('ZADD', [key, ...texts.slice(at, at + CHUNK).flatMap((text) => [until, text])], signal);
    }
    await Promise.all([
      line.call('ZREMRANGEBYSCORE', [key, '-inf', now()], signal),
      line.call('ZREMRANGEBYRANK', [key, 0, -max - 1], signal),
      // The set goes with its youngest member.
      line.call('PEXPIRE', [key, Math.ceil(expires * 1000)], signal),
    ]);
  };
  return {
    add: async (scope, texts, { expires, max }) => {
      if (texts.length > 0) await patiently((signal) => store(keys.revokes(scope), texts, expires, max, signal));
    },
    load: async (scope) => {
      const found = await patiently((signal) =>
        line.call('ZRANGEBYSCORE', [keys.revokes(scope), now(), '+inf', 'WITHSCORES'], signal),
      );
      // RESP3 gives pairs, RESP2 one list.
      const flat = (found as readonly (string | number | readonly (string | number)[])[]).flat();
      return Array.from({ length: flat.length / 2 }, (_, at) => ({
        text: String(flat[2 * at] ?? ''),
        until: Number(flat[2 * at + 1]),
      }));
    },
  };
}
