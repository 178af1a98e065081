// The suite over PostgreSQL, MariaDB and SQLite, in Lovage's tables and in Celery's; and what each set of tables has of its own.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type SqlServer, startMariadb, startPostgres } from '../../../../../scripts/servers/index.ts';
import { type BackendOptions, type ChordPart, type ChordStore, openBackend } from '../../../src/result/index.ts';
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

    it('tells one of many clients that a chord is complete, each part of which came twice and at once', async () => {
      const clients = await Promise.all(Array.from({ length: 6 }, () => openBackend(onDatabase(url(), 'own'))));
      const stores = clients.map((client) => untilEnd(client).chords as ChordStore);
      const groupIds = [randomUUID(), randomUUID(), randomUUID()];
      const size = 60;
      const callback = '{"body":{}}';
      const part = (groupId: string, index: number): ChordPart => {
        const body = Buffer.from(`[1,"${index}","SUCCESS",${index}]`);
        return { groupId, index, id: String(index), state: 'SUCCESS', body, head: 4, callback, expires: 60 };
      };
      await stores[0]?.open(groupIds.map((groupId) => ({ groupId, size, callback, structure: undefined, expires: 60 })));
      const lasts = stores.map((_, index) => size - 1 - index);
      const early = groupIds.flatMap((groupId) =>
        Array.from({ length: size - lasts.length }, (_, index) => part(groupId, index)),
      );
      // Every part is in two batches of other clients, and their chords come in any order.
      const batches = stores.map((_, at) => {
        const own = early.filter((__, index) => index % stores.length === at || (index + 1) % stores.length === at);
        return at % 2 === 0 ? own : own.toReversed();
      });
      const told = await Promise.all(
        batches.flatMap((batch, at) =>
          [0, 1, 2].map((third) => (stores[at] as ChordStore).join(batch.filter((_, index) => index % 3 === third))),
        ),
      );
      expect(told.flat()).toEqual([]);
      const complete = await Promise.all(
        stores.map((store, at) => store.join(groupIds.map((groupId) => part(groupId, lasts[at] ?? 0)))),
      );
      expect(
        complete
          .flat()
          .map(({ groupId }) => groupId)
          .sort(),
      ).toEqual(groupIds.toSorted());
      for (const { parts } of complete.flat())
        expect(parts.map((body) => (JSON.parse(Buffer.from(body).toString()) as unknown[])[3])).toEqual(
          Array.from({ length: size }, (_, n) => n),
        );
      await Promise.all(stores.map((store) => store.close(groupIds)));
      expect((await Promise.all(stores.map((store) => store.join(early)))).flat()).toEqual([]);
    });

    it('gives a chord that is left behind to one of many janitors', async () => {
      const clients = await Promise.all([0, 1, 2, 3].map(() => openBackend(onDatabase(url(), 'own'))));
      const stores = clients.map((client) => untilEnd(client).chords as ChordStore);
      const groupId = randomUUID();
      await stores[0]?.open([{ groupId, size: 1, callback: '{}', structure: undefined, expires: 60 }]);
      const body = Buffer.from('[1,"a","SUCCESS",1]');
      await stores[0]?.join([{ groupId, index: 0, id: 'a', state: 'SUCCESS', body, head: 4, callback: '{}', expires: 60 }]);
      const mine = async (): Promise<number> => {
        const found = await Promise.all(stores.map(async (store) => (await store.stale?.(0.5)) ?? []));
        return found.flat().filter((chord) => chord.groupId === groupId).length;
      };
      expect(await mine()).toBe(0);
      await vi.waitFor(async () => expect(await mine()).toBe(1), { timeout: 20_000, interval: 50 });
    });

    it('deletes expired chords when it cleans up, with their parts, and no others', async () => {
      const backend = untilEnd(await openBackend(onDatabase(url(), 'own')));
      const [gone, kept, odd] = [randomUUID(), randomUUID(), `${randomUUID()}\0 `];
      const groupIds = [gone, kept, odd];
      const body = Buffer.from('[1,"a","SUCCESS",1]');
      const complete = await Promise.all(
        groupIds.map(async (groupId) => {
          const expires = groupId === gone ? 0.01 : 60;
          await backend.chords?.open([{ groupId, size: 1, callback: '{}', structure: undefined, expires }]);
          return backend.chords?.join([
            { groupId, index: 0, id: 'a \0', state: 'SUCCESS', body, head: 4, callback: '{}', rootId: 'r\0', expires },
          ]);
        }),
      );
      expect(complete.flat().map((chord) => chord?.groupId)).toEqual(groupIds);
      expect(complete[2]?.[0]?.root).toEqual({ id: 'a \0', rootId: 'r\0' });
      await using database = await look(url());
      const { sql, db } = database;
      const ids = async (table: string, column: string): Promise<readonly unknown[]> => {
        const name = sql.ref(column);
        const found = await sql<{ id: string }>`select ${name} as id from ${sql.table(table)}
          where ${name} in (${sql.join([gone, kept])})`.execute(db);
        return found.rows.map(({ id }) => id);
      };
      await vi.waitFor(async () => {
        await backend.cleanup?.();
        expect(await ids('lovage_result_chords', 'id')).toEqual([kept]);
      }, 20_000);
      expect(await ids('lovage_result_chord_parts', 'chord')).toEqual([kept]);
      await backend.chords?.close([kept]);
      expect(await ids('lovage_result_chord_parts', 'chord')).toEqual([]);
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
