// From the scheme of a URL to the backend's module. A module, and the client package it needs, is loaded when a URL first names it.
import { ConfigurationError, didYouMean, redactUrl } from '../util/index.ts';
import type { BackendDriver, BackendOptions, ResultBackend } from './seam.ts';

const redis = (): Promise<BackendDriver> => import('./redis.ts');
const cluster = (): Promise<BackendDriver> => import('./cluster.ts');
const database = (): Promise<BackendDriver> => import('./database.ts');

const drivers: Readonly<Record<string, () => Promise<BackendDriver>>> = {
  memory: () => import('./memory.ts'),
  sqlite: () => import('./sqlite.ts'),
  redis,
  rediss: redis,
  sentinel: redis,
  'redis+socket': redis,
  'redis+cluster': cluster,
  'rediss+cluster': cluster,
  rpc: () => import('./rpc.ts'),
  file: () => import('./filesystem.ts'),
  cache: () => import('./memcached.ts'),
  db: database,
  database,
  s3: () => import('./s3.ts'),
  dynamodb: () => import('./dynamodb.ts'),
  azureblockblob: () => import('./azure.ts'),
  etcd: () => import('./etcd.ts'),
  disabled: () => import('./disabled.ts'),
};

/** The driver that a URL names, if there is one. */
function driverOf(url: string): { readonly scheme: string; readonly load: (() => Promise<BackendDriver>) | undefined } {
  const scheme = /^([a-z][a-z0-9+.-]*)(?=:|$)/i.exec(url)?.[1]?.toLowerCase() ?? '';
  // As Celery reads it: what stands before the first '+' names the store, and what follows is the store's own business.
  const alias = Object.hasOwn(drivers, scheme) ? scheme : (scheme.split('+')[0] ?? '');
  return { scheme, load: Object.hasOwn(drivers, alias) ? drivers[alias] : undefined };
}

/** Is there a backend for this URL in Lovage itself? */
export function knowsBackend(url: string): boolean {
  return driverOf(url).load !== undefined;
}

/** Backends of the app's own, by scheme: they go before ours. */
export type OwnBackends = ReadonlyMap<string, BackendDriver['open']>;

/** Opens the backend that the URL names. Nothing connects before the first call. Throws ConfigurationError. */
export async function openBackend(options: BackendOptions, own?: OwnBackends): Promise<ResultBackend> {
  const { scheme, load } = driverOf(options.url);
  const opensOwn = own?.get(scheme);
  if (opensOwn !== undefined) return keepsTo(options, opensOwn(options));
  if (load === undefined) {
    const known = [...(own?.keys() ?? []), ...Object.keys(drivers)];
    const hint = /^(postgres(ql)?|mysql|mariadb)([+]|$)/.test(scheme)
      ? ` SQL databases have db+ in front, as Celery has it: db+${scheme}://…`
      : didYouMean(scheme, known);
    throw new ConfigurationError(
      `No result backend is known for ${JSON.stringify(redactUrl(options.url))}.${hint} ` +
        `Known schemes: ${known.join(', ')}. A scheme of your own is made known by app.registerBackend().`,
    );
  }
  return keepsTo(options, (await load()).open(options));
}

/** A limit that the store would not keep is refused, so that nobody counts on it. */
async function keepsTo({ retention = {} }: BackendOptions, backend: ResultBackend): Promise<ResultBackend> {
  const isLimited = retention.maxCount !== undefined || retention.maxBytes !== undefined;
  if (!isLimited || backend.features.retention === true) return backend;
  await backend[Symbol.asyncDispose]();
  throw new ConfigurationError(
    `The result backend ${backend.name} keeps results by their age only (resultExpires), so resultMaxCount and resultMaxBytes must be null.`,
  );
}
