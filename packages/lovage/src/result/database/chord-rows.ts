// The tables in which chords are counted in a SQL database, and what is read and written there in few statements. Called by own-chords.ts.
import type { RawBuilder } from 'kysely';
import type { Connection, Db, SqlKind } from '../../util/sql-connect.ts';
import type { ChordPart, CompleteChord, PartRoot } from '../chord-seam.ts';
import { storableKey } from '../kv-names.ts';
import { BYTES, ID, MOMENT, TEXT } from './tables.ts';

/** Names of the tables, with their schemas. */
export interface ChordNames {
  readonly chords: string;
  readonly parts: string;
}

/** A part, and the keys of its chord and of itself. */
export interface Keyed {
  readonly chord: string;
  readonly key: string;
  readonly part: ChordPart;
}

/** A chord's row, locked. */
export interface Locked {
  readonly id: string;
  readonly size: number | undefined;
  readonly come: number;
  readonly added: number;
  readonly isClosed: boolean;
  /** Milliseconds of the database's clock, which all workers share. */
  readonly completeAt: number | undefined;
  readonly now: number;
}

/** Parts in one transaction, and rows in one statement, at most. */
export const CHUNK = 500;
/** Bytes of parts in one statement, from which on the next part goes into another. */
const CHUNK_BYTES = 1_000_000;

/** As a column takes it. MySQL's finds an id with a space at its end equal to the one without. */
export const keyOf = (id: string): string => storableKey(id, /\0| $/, 255);

/** Makes the tables. An id as it was stands in `group_id`, as JSON. */
export async function createChords({ sql, kind, db }: Connection, { chords, parts }: ChordNames): Promise<void> {
  const byTime = { postgresql: 'unique (complete_at, id)', mysql: 'key (complete_at)', sqlite: 'unique (complete_at, id)' }[kind];
  await sql`create table if not exists ${sql.table(chords)} (${sql.raw(`id ${ID[kind]} primary key, group_id ${TEXT[kind]} not null,
    size bigint, come bigint not null default 0, added bigint not null default 0, closed smallint not null default 0,
    callback ${TEXT[kind]}, structure ${BYTES[kind]}, complete_at bigint, expires_at ${MOMENT[kind]}, ${byTime}`)})`.execute(db);
  // An added id has a row without a body until it comes.
  await sql`create table if not exists ${sql.table(parts)} (${sql.raw(`chord ${ID[kind]} not null, id ${ID[kind]} not null,
    place double precision, number bigint, body ${BYTES[kind]}, root ${TEXT[kind]}, primary key (chord, id)`)})`.execute(db);
}

/** Milliseconds of the epoch by the database's clock. A file has that of whoever has it open. */
export const CLOCK: Readonly<Record<SqlKind, () => string>> = {
  postgresql: () => 'cast(extract(epoch from clock_timestamp()) * 1000 as bigint)',
  mysql: () => 'cast(unix_timestamp(now(3)) * 1000 as signed)',
  sqlite: () => String(Date.now()),
};

export function* chunked<T>(items: readonly T[], size: number, bytesOf: (item: T) => number = () => 0): Generator<readonly T[]> {
  let chunk: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const more = bytesOf(item);
    if (chunk.length === size || (chunk.length > 0 && bytes + more > CHUNK_BYTES)) {
      yield chunk;
      [chunk, bytes] = [[], 0];
    }
    chunk.push(item);
    bytes += more;
  }
  if (chunk.length > 0) yield chunk;
}

export interface Upsert {
  readonly table: string;
  readonly key: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
  /** What a column of a row that is there becomes: `old.x` is what it says, `new.x` what was to be inserted. */
  readonly set: Readonly<Record<string, string>>;
}

export async function upsert({ sql, kind }: Connection, db: Db, { table, key, columns, rows, set }: Upsert): Promise<void> {
  const isMysql = kind === 'mysql';
  const spoken = (text: string): string =>
    isMysql ? text.replaceAll('old.', '').replaceAll(/new\.(\w+)/g, 'values($1)') : text.replaceAll('new.', 'excluded.');
  const sets = Object.entries(set).map(([column, text]) => `${column} = ${spoken(text)}`);
  const otherwise = isMysql ? 'on duplicate key update' : `on conflict (${key}) do update set`;
  const values = sql.join(rows.map((row) => sql`(${sql.join(row)})`));
  await sql`insert into ${sql.table(table)} ${sql.raw(`${isMysql ? '' : 'as old '}(${columns.join(', ')})`)} values ${values}
    ${sql.raw(`${otherwise} ${sets.join(', ')}`)}`.execute(db);
}

/** Locks the rows of chords. Their keys are in order. */
export async function lock(
  { sql, kind }: Connection,
  db: Db,
  { chords }: ChordNames,
  ids: readonly string[],
): Promise<readonly Locked[]> {
  const columns = sql.raw(`id, size, come, added, closed, complete_at, ${CLOCK[kind]()} as now`);
  const found = await sql<Readonly<Record<string, string | number | null>>>`select ${columns} from ${sql.table(chords)}
    where id in (${sql.join(ids)}) order by id ${sql.raw(kind === 'sqlite' ? '' : 'for update')}`.execute(db);
  return found.rows.map(({ id, size, come, added, closed, complete_at: at, now }) => ({
    id: String(id),
    size: size === null ? undefined : Number(size),
    come: Number(come),
    added: Number(added),
    isClosed: Number(closed) !== 0,
    completeAt: at === null ? undefined : Number(at),
    now: Number(now),
  }));
}

export const isComplete = ({ size, come, added }: Pick<Locked, 'size' | 'come' | 'added'>): boolean =>
  size !== undefined && come >= size + added;

/** Which of these ids have a row: true of those that have come, false of those that are awaited. */
export async function known(
  { sql }: Connection,
  db: Db,
  { parts }: ChordNames,
  members: ReadonlyMap<string, readonly { readonly key: string }[]>,
): Promise<ReadonlyMap<string, ReadonlyMap<string, boolean>>> {
  const found = new Map<string, Map<string, boolean>>();
  if (members.size === 0) return found;
  const each = [...members].map(([chord, own]): RawBuilder<unknown> => {
    const ids = sql.join(own.map(({ key }) => key));
    return sql`(chord = ${chord} and id in (${ids}))`;
  });
  const rows = await sql<{ readonly chord: string; readonly id: string; readonly come: number }>`select chord, id,
    case when body is null then 0 else 1 end as come from ${sql.table(parts)} where ${sql.join(each, sql` or `)}`.execute(db);
  for (const { chord, id, come } of rows.rows) {
    const own = found.get(chord) ?? new Map<string, boolean>();
    found.set(chord, own.set(id, Number(come) === 1));
  }
  return found;
}

export async function keep(
  connection: Connection,
  db: Db,
  { parts }: ChordNames,
  fresh: readonly (Keyed & { readonly number: number })[],
): Promise<void> {
  for (const some of chunked(fresh, CHUNK, ({ part }) => part.body.byteLength))
    await upsert(connection, db, {
      table: parts,
      key: 'chord, id',
      columns: ['chord', 'id', 'place', 'number', 'body', 'root'],
      rows: some.map(({ chord, key, number, part: { id, index, body, rootId } }) => [
        chord,
        key,
        index ?? null,
        number,
        bufferOf(body),
        rootId === undefined ? null : JSON.stringify({ id, rootId } satisfies PartRoot),
      ]),
      set: { place: 'new.place', number: 'new.number', body: 'new.body', root: 'new.root' },
    });
}

/** Writes what has been counted into rows that are locked. */
export async function count(connection: Connection, db: Db, { chords }: ChordNames, rows: readonly Locked[]): Promise<void> {
  if (rows.length === 0) return;
  await upsert(connection, db, {
    table: chords,
    key: 'id',
    columns: ['id', 'group_id', 'come', 'added', 'complete_at'],
    // The rows are there: nobody ever sees this group_id.
    rows: rows.map(({ id, come, added, completeAt }) => [id, '', come, added, completeAt ?? null]),
    set: { come: 'new.come', added: 'new.added', complete_at: 'new.complete_at' },
  });
}

export async function read(
  { sql }: Connection,
  db: Db,
  { chords, parts }: ChordNames,
  ids: readonly string[],
): Promise<readonly CompleteChord[]> {
  if (ids.length === 0) return [];
  const found = await sql<{
    readonly id: string;
    readonly group_id: string;
    readonly callback: string | null;
    readonly structure: Uint8Array | null;
  }>`select id, group_id, callback, structure from ${sql.table(chords)} where id in (${sql.join(ids)}) order by id`.execute(db);
  const stored = await sql<{
    readonly chord: string;
    readonly body: Uint8Array;
    readonly root: string | null;
  }>`select chord, body, root from ${sql.table(parts)} where chord in (${sql.join(ids)}) and body is not null
    order by chord, case when place is null then 1 else 0 end, place, number`.execute(db);
  const members = Map.groupBy(stored.rows, ({ chord }) => chord);
  return found.rows.map(({ id, group_id: groupId, callback, structure }) => {
    const own = members.get(id) ?? [];
    const root = own.find((part) => part.root !== null)?.root ?? undefined;
    return {
      groupId: JSON.parse(groupId) as string,
      parts: own.map(({ body }) => body),
      callback: callback ?? undefined,
      structure: structure ?? undefined,
      root: root === undefined ? undefined : (JSON.parse(root) as PartRoot),
    };
  });
}

export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
