// Names of what a result leaves in Redis: exactly Celery's, plus the fence, which no Celery looks at.
import { keyPrefix, resultKey } from '../protocol/index.ts';
import type { RedisUrlOptions } from '../util/index.ts';
import type { BackendOptions } from './seam.ts';

export interface ResultKeys {
  /** Key and pub/sub channel of a result. */
  meta(id: string): string;
  /** Key of the number of its last redelivered attempt. */
  fence(id: string): string;
  /** The id in a channel's name, if it is one of ours. */
  idOf(channel: string): string | undefined;
}

/** The keys under the transport option `globalKeyprefix`. */
export function resultKeys(transportOptions: BackendOptions['transportOptions']): ResultKeys {
  const prefix = keyPrefix(text(transportOptions, 'globalKeyprefix', 'global_keyprefix'));
  const start = resultKey('', prefix);
  return {
    meta: (id) => resultKey(id, prefix),
    fence: (id) => `${prefix}lovage-fence-${id}`,
    idOf: (channel) => (channel.startsWith(start) ? channel.slice(start.length) : undefined),
  };
}

/** What the transport options add to the URL. */
export function urlOptions(options: BackendOptions): RedisUrlOptions {
  const given = options.transportOptions.sentinelKwargs ?? options.transportOptions.sentinel_kwargs;
  const sentinel = typeof given === 'object' && given !== null ? (given as Readonly<Record<string, unknown>>) : {};
  return {
    tls: options.tls,
    masterName: text(options.transportOptions, 'masterName', 'master_name'),
    sentinel: { username: text(sentinel, 'username'), password: text(sentinel, 'password') },
  };
}

function text(options: Readonly<Record<string, unknown>>, ...names: readonly string[]): string | undefined {
  const value = names.map((name) => options[name]).find((candidate) => candidate !== undefined && candidate !== null);
  return value === undefined ? undefined : String(value);
}
