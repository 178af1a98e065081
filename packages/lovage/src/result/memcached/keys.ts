// Which memcached has a key, and how long a life it understands.
import { crc32 } from 'node:zlib';

/** memcached takes a longer life for a date (1970 + so many seconds), so that such a result would be gone at once. */
const MAX_RELATIVE = 30 * 86_400;

/** Which of several servers has a key: as python-memcached spreads them. */
export function serverOf(key: string, servers: number): number {
  return ((crc32(key) >>> 16) & 0x7fff || 1) % servers;
}

/** Seconds as memcached takes them; 0: never. */
export function memcachedLife(expires: number | undefined, now: number = Date.now()): number {
  if (expires === undefined) return 0;
  const seconds = Math.max(1, Math.ceil(expires));
  return seconds <= MAX_RELATIVE ? seconds : Math.floor(now / 1000) + seconds;
}
