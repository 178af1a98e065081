// What the Redis tests stand on: a broker behind a proxy of its own, under a key prefix of its own, so that all tests run at once.
import { openBroker } from '../../../src/broker/index.ts';
import { openRedis, parseRedisUrl, type RedisLine } from '../../../src/util/index.ts';
import { startProxy } from '../../support/proxy.ts';
import { redisUrl } from '../../support/servers.ts';
import { brokerOptions, unique } from './harness.ts';
import type { BrokerHarness, BrokerTraits } from './suite.ts';

export const REDIS_TRAITS: BrokerTraits = {
  remembersQueues: false,
  countsParked: true,
  looksInside: true,
  handsOn: true,
  expires: false,
  earliness: 0.01,
  priorityArguments: {},
};

/** A plain line to look with. */
export function plainLine(url: string): RedisLine {
  return openRedis({ target: parseRedisUrl(url), connectTimeout: 5, name: 'test' });
}

/** Deletes every lease under a prefix, as time would. */
export async function endLeases(line: RedisLine, prefix: string): Promise<void> {
  const leases = (await line.call('KEYS', [`${prefix}lovage.lease.*`])) as string[];
  if (leases.length > 0) await line.call('DEL', leases);
}

/**
 * A holder mends a cut line itself and keeps what it holds; what it cannot survive is the end of its lease. So losing the line, as
 * the suite means it, is both at once.
 */
export async function redisHarness(transportOptions: Readonly<Record<string, unknown>>): Promise<BrokerHarness> {
  const stack = new AsyncDisposableStack();
  const proxy = stack.use(await startProxy(redisUrl()));
  const line = stack.use(plainLine(redisUrl()));
  const prefix = `${unique('p')}:`;
  return {
    open: (options) =>
      openBroker(
        brokerOptions(proxy.url(redisUrl()), { transportOptions: { globalKeyprefix: prefix, ...transportOptions }, ...options }),
      ),
    cut: async () => {
      await endLeases(line, prefix);
      proxy.cut();
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
