// Names of what a result leaves in Redis: exactly Celery's, plus the fence, which no Celery looks at.
import { groupKey, keyPrefix, resultKey } from '../protocol/index.ts';
import { type RedisChordKeys, type RedisUrlOptions, readOptionNames } from '../util/index.ts';
import type { BackendOptions } from './seam.ts';

export interface ResultKeys {
  /** Key and pub/sub channel of a result. */
  meta(id: string): string;
  /** Key of a saved group. */
  group(id: string): string;
  /** Key of the number of its last redelivered attempt. */
  fence(id: string): string;
  /** Keys of a chord; of all chords, but for the id, when there is none. */
  chord(groupId: string): RedisChordKeys;
  /** Key of what is revoked under a control exchange. */
  revokes(scope: string): string;
  /** The id in a channel's name, if it is one of ours. */
  idOf(channel: string): string | undefined;
}

/** What of the transport options has a meaning here. */
export interface RedisResultOptions {
  readonly globalKeyprefix?: string;
  /** Give a chord's body the results in order of the header; false: in order of their coming, as Celery does with the same option. @default true */
  readonly resultChordOrdered: boolean;
  readonly masterName?: string;
  readonly sentinelKwargs: Readonly<Record<string, unknown>>;
}

/** Reads the setting resultBackendTransportOptions; an unknown name is a ConfigurationError. */
export function readResultOptions(given: BackendOptions['transportOptions']): RedisResultOptions {
  const names = ['globalKeyprefix', 'masterName', 'resultChordOrdered', 'sentinelKwargs'];
  const ignored = ['retryPolicy', 'minOtherSentinels', 'additionalConnectionErrors', 'visibilityTimeout'];
  const read = readOptionNames('The result store in Redis', given, { names, ignored });
  const { globalKeyprefix, masterName, resultChordOrdered, sentinelKwargs } = read;
  return {
    ...(globalKeyprefix === undefined ? {} : { globalKeyprefix: String(globalKeyprefix) }),
    ...(masterName === undefined ? {} : { masterName: String(masterName) }),
    resultChordOrdered: resultChordOrdered !== false,
    sentinelKwargs: typeof sentinelKwargs === 'object' && sentinelKwargs !== null ? { ...sentinelKwargs } : {},
  };
}

/** The keys under the transport option `globalKeyprefix`. */
export function resultKeys({ globalKeyprefix }: Pick<RedisResultOptions, 'globalKeyprefix'>): ResultKeys {
  const prefix = keyPrefix(globalKeyprefix);
  const start = resultKey('', prefix);
  return {
    meta: (id) => resultKey(id, prefix),
    group: (id) => groupKey(id, prefix),
    fence: (id) => `${prefix}lovage-fence-${id}`,
    chord: (groupId) => ({
      groupId,
      group: groupKey(groupId, prefix),
      own: `${prefix}lovage-chord-${groupId}`,
      waiting: `${prefix}lovage-chords`,
    }),
    revokes: (scope) => `${prefix}lovage-revoked-${scope}`,
    idOf: (channel) => (channel.startsWith(start) ? channel.slice(start.length) : undefined),
  };
}

/** What the transport options add to the URL. */
export function urlOptions(tls: BackendOptions['tls'], { masterName, sentinelKwargs }: RedisResultOptions): RedisUrlOptions {
  return { tls, masterName, sentinel: { username: text(sentinelKwargs.username), password: text(sentinelKwargs.password) } };
}

function text(value: unknown): string | undefined {
  return value === undefined || value === null ? undefined : String(value);
}
