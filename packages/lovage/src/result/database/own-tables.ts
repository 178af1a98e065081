// Lovage's own tables: a row for each result with its record as JSON, so that SQL can look into it, and the fence beside it.
// Moments are UTC. A row whose state is null holds a fence and no result yet.
import type { RawBuilder } from 'kysely';
import type { Connection, Db, SqlKind } from '../../util/sql-connect.ts';
import type { GroupStore, StoredGroup } from '../group-seam.ts';
import { isStored, mayStore } from '../rules.ts';
import type { StoredResult } from '../seam.ts';
import { type ChordNames, createChords } from './chord-rows.ts';
import { ownChords, trimChords } from './own-chords.ts';
import { createRevokes, ownRevokes } from './own-revokes.ts';
import { BYTES, ID, MOMENT, type ResultTables, sqlTime, sqlUntil } from './tables.ts';

/** Names of the tables, by the keys of the setting databaseTableNames, and their schemas. */
export interface OwnNames {
  readonly task: readonly string[];
  readonly group: readonly string[];
  readonly revokes: readonly string[];
  readonly chords: readonly string[];
  readonly chordParts: readonly string[];
}

interface Row {
  readonly id: string;
  readonly state: string | null;
  readonly record: string | null;
  readonly record_bytes: Uint8Array | null;
  readonly content_type: string | null;
  readonly content_encoding: string | null;
  readonly attempt: number | string | null;
  readonly fence: number | string | null;
}

// PostgreSQL's json, not jsonb: it keeps the text as it was written. MySQL's json would not, so it is text there.
const JSON_TEXT: Readonly<Record<SqlKind, string>> = { postgresql: 'json', mysql: 'longtext', sqlite: 'text' };

/** Tokens that JSON.parse of Node and Python writes, but no database takes for JSON. */
const NO_JSON = /\b(?:NaN|Infinity)\b|\\u0000/;

/** The tables, under these names. */
export function ownTables(names: OwnNames): ResultTables {
  const chordNames: ChordNames = { chords: names.chords.join('.'), parts: names.chordParts.join('.') };
  const selectFrom = ({ sql, kind }: Connection, table: readonly string[], columns: string): RawBuilder<Row> =>
    // Text either way: the client package would parse PostgreSQL's json.
    sql<Row>`select id, ${sql.raw(kind === 'postgresql' ? 'record::text as record' : 'record')}, record_bytes, content_type, content_encoding${sql.raw(columns)} from ${sql.table(table.join('.'))}`;
  const live = ({ sql }: Connection): RawBuilder<unknown> => sql`(expires_at is null or expires_at > ${sqlTime(new Date())})`;

  /** Locks the rows of these ids, which it makes first if they are not there. */
  async function lock(connection: Connection, db: Db, ids: readonly string[]): Promise<ReadonlyMap<string, Row>> {
    const { sql, kind } = connection;
    const rows = sql.join(ids.map((id) => sql`(${id})`));
    const task = sql.table(names.task.join('.'));
    if (kind === 'mysql') await sql`insert ignore into ${task} (id) values ${rows}`.execute(db);
    else await sql`insert into ${task} (id) values ${rows} on conflict (id) do nothing`.execute(db);
    const found = await sql<Row>`${selectFrom(connection, names.task, ', state, attempt, fence')}
      where id in (${sql.join(ids)}) and ${live(connection)} order by id ${sql.raw(kind === 'sqlite' ? '' : 'for update')}`.execute(
      db,
    );
    return new Map(found.rows.map((row) => [row.id, row]));
  }

  async function write(connection: Connection, db: Db, result: StoredResult, fence: number | undefined): Promise<void> {
    const { sql } = connection;
    const { record, bytes } = recordOf(result);
    await sql`update ${sql.table(names.task.join('.'))} set state = ${result.state}, record = ${record}, record_bytes = ${bytes},
      content_type = ${result.contentType}, content_encoding = ${result.contentEncoding}, attempt = ${result.attempt}, fence = ${fence ?? null},
      expires_at = ${sqlUntil(result.expires)}, updated_at = ${sqlTime(new Date())} where id = ${result.id}`.execute(db);
  }

  return {
    create: async (connection) => {
      const { sql, kind, db } = connection;
      const columns = sql.raw(`record ${JSON_TEXT[kind]}, record_bytes ${BYTES[kind]}, content_type varchar(100),
        content_encoding varchar(50), expires_at ${MOMENT[kind]}, updated_at ${MOMENT[kind]}`);
      const id = sql.raw(`id ${ID[kind]} primary key`);
      await sql`create table if not exists ${sql.table(names.task.join('.'))}
        (${id}, state varchar(50), attempt bigint, fence bigint, ${columns})`.execute(db);
      await sql`create table if not exists ${sql.table(names.group.join('.'))} (${id}, ${columns})`.execute(db);
      await createRevokes(connection, names.revokes.join('.'));
      await createChords(connection, chordNames);
    },
    put: async (connection, db, results) => {
      const rows = await lock(
        connection,
        db,
        results.map(({ id }) => id),
      );
      const refused: string[] = [];
      for (const result of results) {
        const row = rows.get(result.id);
        const stored = row === undefined ? undefined : resultOf(row);
        const fence = row?.fence === null || row?.fence === undefined ? undefined : Number(row.fence);
        if (mayStore(result, stored, fence)) await write(connection, db, result, fence);
        else if (!isStored(result, new Map(stored === undefined ? [] : [[result.id, stored]]))) refused.push(result.id);
      }
      return refused;
    },
    get: async (connection, ids) => {
      const { sql, db } = connection;
      const found = await sql<Row>`${selectFrom(connection, names.task, ', state, attempt, fence')}
        where id in (${sql.join(ids)}) and state is not null and ${live(connection)}`.execute(db);
      return found.rows.flatMap((row) => resultOf(row) ?? []);
    },
    forget: async ({ sql, db }, ids) => {
      await sql`delete from ${sql.table(names.task.join('.'))} where id in (${sql.join(ids)})`.execute(db);
    },
    fence: async (connection, db, { id, attempt, expires }) => {
      const { sql } = connection;
      const row = (await lock(connection, db, [id])).get(id);
      const task = sql.table(names.task.join('.'));
      const fence = Math.max(attempt, Number(row?.fence ?? 0));
      // A row that has expired holds nothing any more; one with a result keeps its own life.
      if (row === undefined)
        await sql`update ${task} set state = null, record = null, record_bytes = null, fence = ${attempt}, expires_at = ${sqlUntil(expires)} where id = ${id}`.execute(
          db,
        );
      else if (row.state === null)
        await sql`update ${task} set fence = ${fence}, expires_at = ${sqlUntil(expires)} where id = ${id}`.execute(db);
      else await sql`update ${task} set fence = ${fence} where id = ${id}`.execute(db);
      return { stored: row === undefined ? undefined : resultOf(row), attempt: fence };
    },
    cleanup: async (connection) => {
      const { sql, db } = connection;
      const now = sqlTime(new Date());
      const results = await sql`delete from ${sql.table(names.task.join('.'))} where expires_at <= ${now}`.execute(db);
      await sql`delete from ${sql.table(names.group.join('.'))} where expires_at <= ${now}`.execute(db);
      await trimChords(connection, chordNames);
      return Number(results.numAffectedRows ?? 0);
    },
    chords: (runs) => ownChords({ ...runs, names: chordNames }),
    revokes: (connect) => ownRevokes(connect, names.revokes.join('.')),
    groups: (connect) => ownGroups(connect, names, (connection) => selectFrom(connection, names.group, '')),
  };
}

function ownGroups(
  connect: () => Promise<Connection>,
  names: OwnNames,
  select: (connection: Connection) => RawBuilder<Row>,
): GroupStore {
  const group = ({ sql }: Connection): RawBuilder<unknown> => sql.table(names.group.join('.'));
  const remove = async (connection: Connection, db: Db, ids: readonly string[]): Promise<void> => {
    await connection.sql`delete from ${group(connection)} where id in (${connection.sql.join(ids)})`.execute(db);
  };
  return {
    put: async (groups) => {
      if (groups.length === 0) return;
      const connection = await connect();
      const { sql, db } = connection;
      const rows = groups.map((stored) => {
        const { record, bytes } = recordOf(stored);
        return sql`(${stored.id}, ${record}, ${bytes}, ${stored.contentType}, ${stored.contentEncoding}, ${sqlUntil(stored.expires)}, ${sqlTime(new Date())})`;
      });
      await db.transaction().execute(async (transaction) => {
        await remove(
          connection,
          transaction,
          groups.map(({ id }) => id),
        );
        await sql`insert into ${group(connection)} (id, record, record_bytes, content_type, content_encoding, expires_at, updated_at)
          values ${sql.join(rows)}`.execute(transaction);
      });
    },
    get: async (ids) => {
      if (ids.length === 0) return new Map();
      const connection = await connect();
      const { sql, db } = connection;
      const found = await sql<Row>`${select(connection)}
        where id in (${sql.join(ids)}) and (expires_at is null or expires_at > ${sqlTime(new Date())})`.execute(db);
      return new Map(found.rows.map((row) => [row.id, { id: row.id, ...contentOf(row) }]));
    },
    delete: async (ids) => {
      if (ids.length === 0) return;
      const connection = await connect();
      await remove(connection, connection.db, ids);
    },
  };
}

/** JSON goes into the column that SQL can look into, anything else into the one for bytes. */
function recordOf({ body, contentType }: Pick<StoredResult | StoredGroup, 'body' | 'contentType'>): {
  readonly record: string | null;
  readonly bytes: Uint8Array | null;
} {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (contentType !== 'application/json') return { record: null, bytes };
  const record = bytes.toString('utf8');
  return NO_JSON.test(record) ? { record: null, bytes } : { record, bytes: null };
}

function contentOf({ record, record_bytes, content_type, content_encoding }: Row) {
  const body = record_bytes ?? Buffer.from(record ?? '');
  return { body, contentType: content_type ?? '', contentEncoding: content_encoding ?? '' };
}

function resultOf(row: Row): StoredResult | undefined {
  if (row.state === null || row.state === undefined) return undefined;
  // Who writes a result under a fence has its number; an earlier one says nothing of later attempts.
  return { id: row.id, state: row.state, ...contentOf(row), attempt: Math.max(Number(row.attempt ?? 1), Number(row.fence ?? 0)) };
}
