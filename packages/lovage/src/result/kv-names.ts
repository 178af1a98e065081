// Names of keys where a store allows less than Celery's keys may hold. Task ids come off the wire: one with a slash must not leave a folder.
import { createHash } from 'node:crypto';

/** The key itself if the store takes it, else one made of its beginning and a digest of all of it: Celery could not keep that one at all. */
export function storableKey(key: string, unstorable: RegExp, maxBytes: number): string {
  if (Buffer.byteLength(key) <= maxBytes && !unstorable.test(key)) return key;
  const start = key.slice(0, 100).replaceAll(/[^A-Za-z0-9_.-]/g, '_');
  return `${start}~${createHash('sha256').update(key).digest('hex')}`;
}
