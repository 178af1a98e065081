// The Redis broker: Celery's wire layout, Lovage's holding. Loaded by drivers.ts for redis, rediss, sentinel and redis+socket URLs.
import { parseRedisUrl } from '../util/index.ts';
import { createContext } from './redis/context.ts';
import { redisKeys } from './redis/keys.ts';
import { readTransportOptions } from './redis/options.ts';
import { createRedisStore } from './redis/store.ts';
import type { Broker, BrokerOptions } from './seam.ts';
import { virtualBroker } from './virtual.ts';

/** Opens the broker of a Redis URL; connects at the first call. */
export function open(options: BrokerOptions): Broker {
  const transport = readTransportOptions(options.transportOptions);
  const { username, password } = transport.sentinelKwargs;
  const target = parseRedisUrl(options.url, {
    tls: options.tls,
    masterName: transport.masterName,
    sentinel: { username: text(username), password: text(password) },
  });
  const keys = redisKeys(transport, target.db);
  return virtualBroker(createRedisStore(createContext({ options, target, transport, keys })));
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
