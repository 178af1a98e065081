// From the scheme of a URL to the backend's module. A module, and the client package it needs, is loaded when a URL first names it.
import { ConfigurationError, didYouMean, redactUrl } from '../util/index.ts';
import type { BackendDriver, BackendOptions, ResultBackend } from './seam.ts';

const redis = (): Promise<BackendDriver> => import('./redis.ts');

const drivers: Readonly<Record<string, () => Promise<BackendDriver>>> = {
  memory: () => import('./memory.ts'),
  sqlite: () => import('./sqlite.ts'),
  redis,
  rediss: redis,
  sentinel: redis,
  'redis+socket': redis,
  rpc: () => import('./rpc.ts'),
  disabled: () => import('./disabled.ts'),
};

/** Opens the backend that the URL names. Nothing connects before the first call. */
export async function openBackend(options: BackendOptions): Promise<ResultBackend> {
  const scheme = /^([a-z][a-z0-9+.-]*)(?=:|$)/i.exec(options.url)?.[1]?.toLowerCase() ?? '';
  const load = Object.hasOwn(drivers, scheme) ? drivers[scheme] : undefined;
  if (load === undefined) {
    throw new ConfigurationError(
      `No result backend is known for ${JSON.stringify(redactUrl(options.url))}.${didYouMean(scheme, Object.keys(drivers))} ` +
        `Known schemes: ${Object.keys(drivers).join(', ')}.`,
    );
  }
  return (await load()).open(options);
}
