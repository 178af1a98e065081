// The table of broker drivers: URL scheme → module, loaded on first use. A new driver adds its lines here and nowhere else.
import { ConfigurationError, didYouMean, redactUrl } from '../util/index.ts';
import type { Broker, BrokerDriver, BrokerOptions } from './seam.ts';

const DRIVERS: Readonly<Record<string, () => Promise<BrokerDriver>>> = {
  amqp: () => import('./amqp.ts'),
  amqps: () => import('./amqp.ts'),
  memory: () => import('./memory.ts'),
  sqlite: () => import('./sqlite.ts'),
  pyamqp: () => import('./amqp.ts'),
  redis: () => import('./redis.ts'),
  rediss: () => import('./redis.ts'),
  'redis+socket': () => import('./redis.ts'),
  sentinel: () => import('./redis.ts'),
};

/** URL schemes that name a broker. */
export const BROKER_SCHEMES: readonly string[] = Object.keys(DRIVERS);

/** Loads the driver that the URL's scheme names and opens a broker with it. Nothing is connected before the first call. */
export async function openBroker(options: BrokerOptions): Promise<Broker> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(options.url)?.[1]?.toLowerCase() ?? '';
  const load = Object.hasOwn(DRIVERS, scheme) ? DRIVERS[scheme] : undefined;
  if (load === undefined) {
    throw new ConfigurationError(
      `No broker driver for "${redactUrl(options.url)}".${didYouMean(scheme, BROKER_SCHEMES)} Known schemes: ${BROKER_SCHEMES.join(', ')}.`,
    );
  }
  const driver = await load();
  return driver.open(options);
}
