// Where the suites of beat run: brokers with the schedule stores that go with them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type SqlServer, startMariadb, startPostgres } from '../../../../../scripts/servers/index.ts';
import { Lovage, type LovageParts, type SettingsInput } from '../../../src/app/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { amqpUrl, redisUrl } from '../../support/servers.ts';

export const folder: string = mkdtempSync(join(tmpdir(), 'lovage-beat-'));
let servers: { readonly postgres: SqlServer; readonly mariadb: SqlServer } | undefined;

/** For beforeAll. */
export async function startSql(): Promise<void> {
  const [postgres, mariadb] = await Promise.all([startPostgres(), startMariadb()]);
  servers = { postgres, mariadb };
}

/** For afterAll. */
export async function stopAll(): Promise<void> {
  await Promise.all([servers?.postgres[Symbol.asyncDispose](), servers?.mariadb[Symbol.asyncDispose]()]);
  rmSync(folder, { recursive: true, force: true });
}

/** Addresses of schedule stores, each a new one where it can be. */
export const stores: Readonly<Record<string, () => string>> = {
  memory: () => `memory://${uuid()}`,
  sqlite: () => `sqlite:///${folder}/${uuid()}.db`,
  redis: () => redisUrl(),
  PostgreSQL: () => `db+${servers?.postgres.url}`,
  MariaDB: () => `db+${servers?.mariadb.url}`,
  'SQLite by kysely': () => `db+sqlite:///${folder}/kysely.db`,
};

const both = (url: string): SettingsInput => ({ brokerUrl: url, resultBackend: url });

/** Settings of an app: each way in which a run is sent, jointly with what is remembered or not. */
export const places: Readonly<Record<string, () => SettingsInput>> = {
  memory: () => both(stores.memory?.() ?? ''),
  'sqlite, one file': () => both(stores.sqlite?.() ?? ''),
  'sqlite, schedule in a file of its own': () => ({
    ...both(stores.sqlite?.() ?? ''),
    beatScheduler: 'file',
    beatScheduleFilename: `${folder}/${uuid()}.schedule`,
  }),
  redis: () => both(redisUrl()),
  'amqp with redis': () => ({ brokerUrl: amqpUrl(), resultBackend: redisUrl() }),
};

/** More places, once `startSql` was called: schedules in SQL databases, and messages elsewhere. */
export const sqlPlaces: Readonly<Record<string, () => SettingsInput>> = {
  'amqp with PostgreSQL': () => ({ brokerUrl: amqpUrl(), resultBackend: stores.PostgreSQL?.() ?? '' }),
  'redis, schedule in MariaDB': () => ({ ...both(redisUrl()), beatScheduler: stores.MariaDB?.() ?? '' }),
  'memory, schedule in SQLite by kysely': () => ({
    ...both(stores.memory?.() ?? ''),
    beatScheduler: `db+sqlite:///${folder}/${uuid()}.db`,
  }),
};

/** An app of its own name and queue, so that all run at once on shared servers. */
export function shop(settings: SettingsInput, parts: LovageParts = {}, name: string = `beat-${uuid()}`): Lovage {
  const own = { taskDefaultQueue: name, controlExchange: name, resultExpires: 300 };
  return new Lovage(name, { ...own, ...settings }, { environment: {}, ...parts });
}
