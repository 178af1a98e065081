// From an address to the module of its schedule store, loaded when it is first named.
import { ConfigurationError, didYouMean, redactUrl } from '../util/index.ts';
import type { ScheduleStore, StoreDriver, StoreOptions } from './store.ts';

const redis = (): Promise<StoreDriver> => import('./stores/redis.ts');
const sql = (): Promise<StoreDriver> => import('./stores/sql.ts');

const drivers: Readonly<Record<string, () => Promise<StoreDriver>>> = {
  memory: () => import('./stores/memory.ts'),
  sqlite: () => import('./stores/sqlite.ts'),
  redis,
  rediss: redis,
  sentinel: redis,
  'redis+socket': redis,
  db: sql,
  database: sql,
};

function schemeOf(url: string): string {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase() ?? '';
  return Object.hasOwn(drivers, scheme) ? scheme : (scheme.split('+')[0] ?? '');
}

/** Is there a schedule store for such addresses? */
export function keepsSchedules(url: string): boolean {
  return Object.hasOwn(drivers, schemeOf(url));
}

/** Opens a store. Throws ConfigurationError for an address that no store has. */
export async function openStore(options: StoreOptions): Promise<ScheduleStore> {
  const scheme = schemeOf(options.url);
  const load = Object.hasOwn(drivers, scheme) ? drivers[scheme] : undefined;
  if (load !== undefined) return (await load()).open(options);
  const known = ['file', ...Object.keys(drivers)];
  throw new ConfigurationError(
    `No schedule store is known for '${redactUrl(options.url)}'.${didYouMean(scheme, known)} Write 'file', or a URL of one of ${known.slice(1).join(', ')} (-S, setting beatScheduler).`,
  );
}
