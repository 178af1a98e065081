// What all parts of one Redis broker share: its options, key names, the line for plain calls, and how further lines are opened.
import {
  BrokerConnectionError,
  BrokerError,
  BrokerFullError,
  ConfigurationError,
  isReplyError,
  openRedis,
  type RedisLine,
  type RedisLineOptions,
  type RedisTarget,
} from '../../util/index.ts';
import type { BrokerOptions, DeadLetterPolicy } from '../seam.ts';
import type { RedisKeys } from './keys.ts';
import type { RedisTransportOptions } from './options.ts';

export interface RedisContext {
  readonly target: RedisTarget;
  readonly transport: RedisTransportOptions;
  readonly keys: RedisKeys;
  readonly deadLetters: DeadLetterPolicy;
  readonly line: RedisLine;
  /** Seconds. */
  readonly connectTimeout: number;
  /** Milliseconds. */
  readonly leaseMs: number;
  /** Celery's `unacked` and its index in Celery's mode, else empty texts. */
  readonly unacked: string;
  readonly unackedIndex: string;
  readonly open: (options: Pick<RedisLineOptions, 'name' | 'protocol' | 'prepare'>) => RedisLine;
  /** Told of the due time of what this process parks, so that its chores look in time. */
  readonly parking: { tell: (dueAt: number) => void };
  /** PEXPIRE of a queue declared with `x-expires`, in milliseconds. */
  readonly expiries: Map<string, number>;
}

export interface ContextParts {
  readonly options: BrokerOptions;
  readonly target: RedisTarget;
  readonly transport: RedisTransportOptions;
  readonly keys: RedisKeys;
}

export function createContext({ options, target, transport, keys }: ContextParts): RedisContext {
  const connectTimeout = transport.socketConnectTimeout ?? options.connectTimeout;
  const silence = transport.socketTimeout ?? (options.heartbeat > 0 ? 2 * options.heartbeat : undefined);
  const open: RedisContext['open'] = (more) =>
    openRedis({ target, connectTimeout, ...(silence === undefined ? {} : { replyTimeout: silence }), ...more });
  const celery = transport.inFlight === 'celery';
  return {
    target,
    transport,
    keys,
    deadLetters: options.deadLetters,
    line: open({ name: transport.clientName ?? `lovage:${options.appName}` }),
    connectTimeout,
    leaseMs: Math.round(transport.leaseSeconds * 1000),
    unacked: celery ? keys.unacked : '',
    unackedIndex: celery ? keys.unackedIndex : '',
    open,
    parking: { tell: () => undefined },
    expiries: new Map(),
  };
}

/** The same error in the words of the error tree: full, lost, or another refusal of the server. */
export function brokerError(error: unknown, what: string): unknown {
  if (!isReplyError(error)) return error;
  if (error.message.startsWith('OOM')) {
    return new BrokerFullError(`${what}: the Redis has reached its maxmemory. Drain queues or give it more.`, { cause: error });
  }
  if (isAway(error)) return new BrokerConnectionError(`${what}: ${error.message}`, { cause: error });
  for (const [pattern, advice] of ADVICE) {
    if (pattern.test(error.message)) return new ConfigurationError(`${what}: ${error.message}. ${advice}`, { cause: error });
  }
  return new BrokerError(`${what}: ${error.message}`, { cause: error });
}

/** Refusals that no waiting mends, and what to do about each. */
const ADVICE: readonly (readonly [RegExp, string])[] = [
  [
    /^(MOVED|ASK|CROSSSLOT)\b|cluster/i,
    'This server is part of a Redis Cluster, which Lovage does not speak to: one step of its touches many keys. Use a single Redis, or Sentinel.',
  ],
  [
    /^NOPERM|no permissions|can't run this command/i,
    "Allow the user of the URL all commands on its keys and channels ('~* &* +@all', or the prefix of globalKeyprefix in the place of '*').",
  ],
  [/unknown command|unknown redis command|wrong number of args/i, 'Lovage needs Redis 6.2 or later with no command renamed.'],
];

/**
 * Answers with which a server says that it is not the one to ask just now: a replica after a failover, one that loads its data or runs
 * somebody's long script, or one that takes no writes as long as its disk or its replicas are away.
 */
export function isAway(error: unknown): boolean {
  return (
    isReplyError(error) && /^(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|UNBLOCKED|BUSY|MISCONF|NOREPLICAS)\b/.test(error.message)
  );
}
