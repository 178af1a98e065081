// The suite over PostgreSQL, MariaDB and SQLite, in Lovage's tables and in Celery's; and what each set of tables has of its own.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SqlServer, startMariadb, startPostgres } from '../../../../../scripts/servers/index.ts';
import { type BackendOptions, openBackend } from '../../../src/result/index.ts';
import { connectSql, sqlPlace } from '../../../src/util/sql-connect.ts';
import { startProxy } from '../../support/proxy.ts';
import { describeBackend } from './describe-backend.ts';
import { describeChords } from './describe-chords.ts';
import { bodyOf, eventually, maker, never, optionsFor, untilEnd } from './harness.ts';

const folder = mkdtempSync(join(tmpdir(), 'lovage-sql-'));
let postgres: SqlServer;
let mariadb: SqlServer;
let proxies: readonly Awaited<ReturnType<typeof startProxy>>[];
beforeAll(async () => {
  [postgres, mariadb] = await Promise.all([startPostgres(), startMariadb()]);
  proxies = await Promise.all([startProxy(postgres.url), startProxy(mariadb.url)]);
});
afterAll(async () => {
  await Promise.all(proxies.map((proxy) => proxy[Symbol.asyncDispose]()));
  await Promise.all([postgres[Symbol.asyncDispose](), mariadb[Symbol.asyncDispose]()]);
  rmSync(folder, { recursive: true, force: true });
});

const databases = {
  PostgreSQL: () => `db+${proxies[0]?.url(postgres.url)}`,
  MariaDB: () => `db+${proxies[1]?.url(mariadb.url)}`,
  SQLite: () => `db+sqlite:///${join(folder, 'results.db')}`,
};

const onDatabase = (url: string, tables: string, more: Partial<BackendOptions> = {}): BackendOptions =>
  optionsFor(url, { transportOptions: { tables, pollInterval: 0.05 }, ...more });

/** The database itself, to look into. */
async function look(url: string) {
  const connection = await connectSql(sqlPlace(url), 5);
  return Object.assign(connection, { [Symbol.asyncDispose]: () => connection.db.destroy() });
}

for (const [name, url] of Object.entries(databases)) {
  const cut = async (): Promise<void> => {
    for (const proxy of proxies) proxy.cut();
  };
  describeBackend(name, { options: () => onDatabase(url(), 'own'), cut });
  describeChords(name, { options: () => onDatabase(url(), 'own') });
  describeBackend(`${name}, Celery's tables`, { options: () => onDatabase(url(), 'celery'), cut, rewrites: true });

  describe(name, () => {
    it('keeps JSON records where SQL can look into them, and others as bytes', async () => {
      const backend = untilEnd(await openBackend(onDatabase(url(), 'own')));
      const make = await maker(backend);
      const [json, bytes, odd] = [randomUUID(), randomUUID(), randomUUID()];
      const oddBody = Buffer.from('{"status": "SUCCESS", "result": NaN, "task_id": "x"}');
      await backend.put([
        make(json, 'SUCCESS', { body: bodyOf(json, 'SUCCESS', { total: 42 }) }),
        make(bytes, 'SUCCESS', {
          body: Buffer.from([0x81, 0, 255]),
          contentType: 'application/x-msgpack',
          contentEncoding: 'binary',
        }),
        make(odd, 'SUCCESS', { body: oddBody }),
      ]);
      await using database = await look(url());
      const { sql, db, kind } = database;
      const total = kind === 'postgresql' ? "record->'result'->>'total'" : "json_extract(record, '$.result.total')";
      const found = await sql<{
        total: unknown;
      }>`select ${sql.raw(total)} as total from lovage_results where id = ${json}`.execute(db);
      expect(Number(found.rows[0]?.total)).toBe(42);
      const stored = await backend.get([bytes, odd]);
      expect(Buffer.from(stored.get(bytes)?.body ?? [])).toEqual(Buffer.from([0x81, 0, 255]));
      expect(stored.get(bytes)).toMatchObject({ contentType: 'application/x-msgpack', contentEncoding: 'binary' });
      expect(Buffer.from(stored.get(odd)?.body ?? []).equals(oddBody)).toBe(true);
    });

    it('does not show what has expired, and deletes it when it cleans up', async () => {
      const backend = untilEnd(await openBackend(onDatabase(url(), 'own')));
      const make = await maker(backend);
      const [gone, kept] = [randomUUID(), randomUUID()];
      await backend.put([make(gone, 'SUCCESS', { expires: 0.3 }), make(kept, 'SUCCESS', { expires: 600 })]);
      await eventually(backend, gone, undefined);
      expect(await backend.cleanup?.()).toBeGreaterThan(0);
      await using database = await look(url());
      const { sql, db } = database;
      const rows = await sql<{ id: string }>`select id from lovage_results where id in (${sql.join([gone, kept])})`.execute(db);
      expect(rows.rows.map(({ id }) => id)).toEqual([kept]);
      // What has expired may be written anew, by an attempt that was too old before.
      await backend.fence?.(gone, 5, 0.2);
      await expect.poll(() => backend.put([make(gone, 'STARTED', { attempt: 1 })])).toEqual([]);
    });

    it('lets one of several who write a SUCCESS at once win, in batches in any order, without a deadlock', async () => {
      for (const tables of ['own', 'celery']) {
        const backends = await Promise.all([0, 1, 2].map(() => openBackend(onDatabase(url(), tables))));
        for (const backend of backends) untilEnd(backend);
        const make = await maker(backends[0] as never);
        const ids = Array.from({ length: 20 }, () => randomUUID());
        const puts = backends.map((backend, index) => {
          const order = index % 2 === 0 ? ids : ids.toReversed();
          return backend.put(order.map((id) => make(id, 'SUCCESS', { body: bodyOf(id, 'SUCCESS', index) })));
        });
        expect((await Promise.all(puts)).flat()).toHaveLength(40);
      }
    });

    it('keeps ids that are longer than a column, and ids that differ in case only', async () => {
      const backend = untilEnd(await openBackend(onDatabase(url(), 'own')));
      const make = await maker(backend);
      const id = randomUUID();
      const ids = [`${id}-a`, `${id}-A`, `${id}${'x'.repeat(300)}`, `${id}\0zero`, `${id}'; drop table lovage_results; --`];
      expect(await backend.put(ids.map((one) => make(one, 'SUCCESS')))).toEqual([]);
      expect(new Set((await backend.get(ids)).keys())).toEqual(new Set(ids));
    });

    it('says in words what Python alone can read', async () => {
      const backend = untilEnd(await openBackend(onDatabase(url(), 'celery')));
      await backend.check(never);
      const id = randomUUID();
      await using database = await look(url());
      const { sql, db } = database;
      // cos\nsystem\n(S'true'\ntR.
      const evil = Buffer.from("cos\nsystem\n(S'true'\ntR.", 'latin1');
      await sql`insert into celery_taskmeta (task_id, status, result) values (${id}, 'SUCCESS', ${evil})`.execute(db);
      const stored = (await backend.get([id])).get(id);
      expect(stored?.state).toBe('SUCCESS');
      expect(stored?.unreadable?.message).toMatch(/holds a Python object \(os\.system\).*would run code/);
    });
  });
}

it('names tables and schemas as the settings say, and makes none when it may not', async () => {
  const tableNames = { task: 'shop_results', group: 'shop_groups' };
  await using database = await look(databases.PostgreSQL());
  const { sql, db } = database;
  await sql`create schema if not exists shop`.execute(db);
  const schemas = { task: 'shop', group: 'shop' };
  const forbidden = optionsFor(databases.PostgreSQL(), {
    transportOptions: { tableNames, tableSchemas: schemas, createTables: false },
  });
  await expect(untilEnd(await openBackend(forbidden)).get(['a'])).rejects.toThrow(/shop\.shop_results/);
  for (const tables of ['own', 'celery']) {
    const named = { tables, tableNames: { task: `${tables}_results`, group: `${tables}_groups` }, table_schemas: schemas };
    const backend = untilEnd(await openBackend(optionsFor(databases.PostgreSQL(), { transportOptions: named })));
    const make = await maker(backend);
    expect(await backend.put([make('a', 'SUCCESS')])).toEqual([]);
    const rows = await sql`select 1 from ${sql.table(`shop.${tables}_results`)}`.execute(db);
    expect(rows.rows).toHaveLength(1);
  }
});

it('refuses addresses and options that mean nothing', async () => {
  await expect(openBackend(optionsFor('db+oracle://host/db'))).rejects.toThrow(/names no SQL database/);
  await expect(openBackend(optionsFor('db+sqlite://'))).rejects.toThrow(/names no file/);
  await expect(openBackend(onDatabase('db+sqlite:///x.db', 'python'))).rejects.toThrow(/tables is "python"/);
  const names = optionsFor('db+sqlite:///x.db', { transportOptions: { tableNames: { task: 'a; drop' } } });
  await expect(openBackend(names)).rejects.toThrow(/no name of a table/);
});
