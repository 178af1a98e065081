// Chords in a SQL database, in two tables of Lovage's own: a row for each chord, one for each part. Whoever counts locks the chords' rows
// first, so that workers count one after the other on every database and at every level of isolation, and one of them sees the last part.
import type { RawBuilder } from 'kysely';
import type { Connection, Db, SqlKind } from '../../util/sql-connect.ts';
import type { ChordPart, ChordStore, CompleteChord, PartRoot, StoredOpening } from '../chord-seam.ts';
import { storableKey } from '../kv-names.ts';
import { type SqlRuns, sqlTime, sqlUntil } from './tables.ts';

/** Names of the tables, with their schemas. */
export interface ChordNames {
  readonly chords: string;
  readonly parts: string;
}

export interface OwnChordsOptions extends SqlRuns {
  readonly names: ChordNames;
  /** Seconds that a closed chord is remembered; undefined and 0: a day. */
  readonly expires: number | undefined;
}

/** A part, and the keys of its chord and of itself. */
interface Keyed {
  readonly chord: string;
  readonly key: string;
  readonly part: ChordPart;
}

/** A chord's row, locked. */
interface Locked {
  readonly id: string;
  readonly size: number | undefined;
  readonly come: number;
  readonly added: number;
  readonly isClosed: boolean;
  /** Milliseconds of the database's clock, which all workers share. */
  readonly completeAt: number | undefined;
  readonly now: number;
}

const CLOSED_SECONDS = 86_400;
/** Parts in one transaction, and rows in one statement, at most. */
const CHUNK = 500;
/** Bytes of parts in one statement, from which on the next part goes into another. */
const CHUNK_BYTES = 1_000_000;
/** Chords that a janitor takes at once. */
const STALE_COUNT = 20;

const BYTES: Readonly<Record<SqlKind, string>> = { postgresql: 'bytea', mysql: 'longblob', sqlite: 'blob' };
const TEXT: Readonly<Record<SqlKind, string>> = { postgresql: 'text', mysql: 'longtext character set utf8mb4', sqlite: 'text' };
const MOMENT: Readonly<Record<SqlKind, string>> = { postgresql: 'timestamp(3)', mysql: 'datetime(3)', sqlite: 'text' };
const ID: Readonly<Record<SqlKind, string>> = {
  postgresql: 'varchar(255)',
  mysql: 'varchar(255) character set utf8mb4 collate utf8mb4_bin',
  sqlite: 'text',
};

/** As a column takes it. MySQL's finds an id with a space at its end equal to the one without. */
const keyOf = (id: string): string => storableKey(id, /\0| $/, 255);

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

/** The chords in those tables. */
export function ownChords({ names, within, read: look, expires }: OwnChordsOptions): ChordStore {
  return {
    open: async (openings) => {
      for (const part of chunked(inOrder(openings), CHUNK)) await within((connection, db) => open(connection, db, names, part));
    },
    join: async (parts) => {
      const complete = new Map<string, CompleteChord>();
      const keyed = parts.map((part): Keyed => ({ chord: keyOf(part.groupId), key: keyOf(part.id), part }));
      for (const some of chunked(keyed.toSorted(byChord), CHUNK)) {
        const found = await within((connection, db) => join(connection, db, names, some));
        for (const chord of found) complete.set(chord.groupId, chord);
      }
      return [...complete.values()];
    },
    close: async (groupIds) => {
      const until = expires === undefined || expires === 0 ? CLOSED_SECONDS : expires;
      for (const ids of chunked([...new Set(groupIds.map(keyOf))].sort(), CHUNK))
        await within((connection, db) => close(connection, db, names, { ids, until }));
    },
    extend: async (groupId, ids, seconds) => {
      if (ids.length > 0) await within((connection, db) => extend(connection, db, names, { groupId, ids, seconds }));
    },
    stale: async (seconds) => {
      const ms = Math.round(seconds * 1000);
      // Looked for without a lock: one over a range would hold up whoever completes a chord.
      const ids = await look(async ({ sql, kind, db }) => {
        const due = await sql<{ readonly id: string }>`select id from ${sql.table(names.chords)}
          where complete_at <= ${sql.raw(CLOCK[kind]())} - ${ms} order by complete_at limit ${sql.lit(STALE_COUNT)}`.execute(db);
        return due.rows.map(({ id }) => id).sort();
      });
      return ids.length === 0 ? [] : within((connection, db) => takeStale(connection, db, names, { ids, ms }));
    },
  };
}

const byChord = (a: Keyed, b: Keyed): number => (a.chord === b.chord ? 0 : a.chord < b.chord ? -1 : 1);

/** Milliseconds of the epoch by the database's clock. A file has that of whoever has it open. */
const CLOCK: Readonly<Record<SqlKind, () => string>> = {
  postgresql: () => 'cast(extract(epoch from clock_timestamp()) * 1000 as bigint)',
  mysql: () => 'cast(unix_timestamp(now(3)) * 1000 as signed)',
  sqlite: () => String(Date.now()),
};

/** Rows are locked in order of their keys, and none twice, so that nobody waits in a circle. */
function inOrder(openings: readonly StoredOpening[]): readonly StoredOpening[] {
  const unique = new Map(openings.map((opening) => [keyOf(opening.groupId), opening]));
  return [...unique].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, opening]) => opening);
}

function* chunked<T>(items: readonly T[], size: number, bytesOf: (item: T) => number = () => 0): Generator<readonly T[]> {
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

interface Upsert {
  readonly table: string;
  readonly key: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
  /** What a column of a row that is there becomes: `old.x` is what it says, `new.x` what was to be inserted. */
  readonly set: Readonly<Record<string, string>>;
}

async function upsert({ sql, kind }: Connection, db: Db, { table, key, columns, rows, set }: Upsert): Promise<void> {
  const isMysql = kind === 'mysql';
  const spoken = (text: string): string =>
    isMysql ? text.replaceAll('old.', '').replaceAll(/new\.(\w+)/g, 'values($1)') : text.replaceAll('new.', 'excluded.');
  const sets = Object.entries(set).map(([column, text]) => `${column} = ${spoken(text)}`);
  const otherwise = isMysql ? 'on duplicate key update' : `on conflict (${key}) do update set`;
  const values = sql.join(rows.map((row) => sql`(${sql.join(row)})`));
  await sql`insert into ${sql.table(table)} ${sql.raw(`${isMysql ? '' : 'as old '}(${columns.join(', ')})`)} values ${values}
    ${sql.raw(`${otherwise} ${sets.join(', ')}`)}`.execute(db);
}

/** What was closed stays as it is. */
const ifOpen = (column: string, text: string): string => `case when old.closed = 0 then ${text} else old.${column} end`;
const TOUCHED: Readonly<Record<string, string>> = {
  callback: ifOpen('callback', 'coalesce(old.callback, new.callback)'),
  expires_at: ifOpen('expires_at', 'new.expires_at'),
};

async function open(connection: Connection, db: Db, { chords }: ChordNames, openings: readonly StoredOpening[]): Promise<void> {
  await upsert(connection, db, {
    table: chords,
    key: 'id',
    columns: ['id', 'group_id', 'size', 'callback', 'structure', 'expires_at'],
    rows: openings.map(({ groupId, size, callback, structure, expires }) => [
      keyOf(groupId),
      JSON.stringify(groupId),
      size,
      callback,
      structure === undefined ? null : bufferOf(structure),
      sqlUntil(expires),
    ]),
    set: { ...TOUCHED, size: ifOpen('size', 'new.size'), structure: ifOpen('structure', 'new.structure') },
  });
}

/** Locks the rows of chords. Their keys are in order. */
async function lock(
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

const isComplete = ({ size, come, added }: Pick<Locked, 'size' | 'come' | 'added'>): boolean =>
  size !== undefined && come >= size + added;

async function join(
  connection: Connection,
  db: Db,
  names: ChordNames,
  parts: readonly Keyed[],
): Promise<readonly CompleteChord[]> {
  const members = Map.groupBy(parts, ({ chord }) => chord);
  await upsert(connection, db, {
    table: names.chords,
    key: 'id',
    columns: ['id', 'group_id', 'callback', 'expires_at'],
    rows: [...members].map(([chord, own]) => [
      chord,
      JSON.stringify(own[0]?.part.groupId),
      own.find(({ part }) => part.callback !== undefined)?.part.callback ?? null,
      sqlUntil(own[0]?.part.expires),
    ]),
    set: TOUCHED,
  });
  const rows = (await lock(connection, db, names, [...members.keys()])).filter(({ isClosed }) => !isClosed);
  const there = await known(connection, db, names, new Map(rows.map(({ id }) => [id, members.get(id) ?? []])));
  const counted = rows.map((row) => {
    const isNew = new Map<string, Keyed>();
    for (const one of members.get(row.id) ?? [])
      if (there.get(row.id)?.get(one.key) !== true && !isNew.has(one.key)) isNew.set(one.key, one);
    const after = { ...row, come: row.come + isNew.size };
    return {
      row,
      after: isComplete(after) ? { ...after, completeAt: row.completeAt ?? row.now } : after,
      fresh: [...isNew.values()],
    };
  });
  await keep(
    connection,
    db,
    names,
    counted.flatMap(({ row, fresh }) => fresh.map((one, index) => ({ ...one, number: row.come + index }))),
  );
  const changed = counted.filter(({ row, after }) => after.come !== row.come || after.completeAt !== row.completeAt);
  await count(
    connection,
    db,
    names,
    changed.map(({ after }) => after),
  );
  return read(
    connection,
    db,
    names,
    counted.filter(({ after }) => isComplete(after)).map(({ row }) => row.id),
  );
}

/** Which of these ids have a row: true of those that have come, false of those that are awaited. */
async function known(
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

async function keep(
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
async function count(connection: Connection, db: Db, { chords }: ChordNames, rows: readonly Locked[]): Promise<void> {
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

async function read(
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

async function close(
  { sql }: Connection,
  db: Db,
  { chords, parts }: ChordNames,
  { ids, until }: { readonly ids: readonly string[]; readonly until: number },
): Promise<void> {
  await sql`update ${sql.table(chords)} set closed = 1, callback = null, structure = null, complete_at = null,
    expires_at = ${sqlUntil(until)} where id in (${sql.join(ids)}) and closed = 0`.execute(db);
  await sql`delete from ${sql.table(parts)} where chord in (${sql.join(ids)})`.execute(db);
}

async function extend(
  connection: Connection,
  db: Db,
  names: ChordNames,
  { groupId, ids, seconds }: { readonly groupId: string; readonly ids: readonly string[]; readonly seconds: number | undefined },
): Promise<void> {
  const { sql } = connection;
  const chord = keyOf(groupId);
  await upsert(connection, db, {
    table: names.chords,
    key: 'id',
    columns: ['id', 'group_id', 'expires_at'],
    rows: [[chord, JSON.stringify(groupId), sqlUntil(seconds)]],
    set: { expires_at: ifOpen('expires_at', 'new.expires_at') },
  });
  const [row] = await lock(connection, db, names, [chord]);
  if (row === undefined || row.isClosed) return;
  const keys = [...new Set(ids.map(keyOf))];
  const there = (await known(connection, db, names, new Map([[chord, keys.map((key) => ({ key }))]]))).get(chord);
  const missing = keys.filter((key) => there?.has(key) !== true);
  for (const some of chunked(missing, CHUNK)) {
    const rows = sql.join(some.map((key) => sql`(${chord}, ${key})`));
    await sql`insert into ${sql.table(names.parts)} (chord, id) values ${rows}`.execute(db);
  }
  if (missing.length > 0) await count(connection, db, names, [{ ...row, added: row.added + missing.length }]);
}

/** Dates the chords among these anew that are complete since so long, so that no other janitor takes them. */
async function takeStale(
  connection: Connection,
  db: Db,
  names: ChordNames,
  { ids, ms }: { readonly ids: readonly string[]; readonly ms: number },
): Promise<readonly CompleteChord[]> {
  const rows = await lock(connection, db, names, ids);
  const due = rows.filter(({ isClosed, completeAt, now }) => !isClosed && completeAt !== undefined && completeAt <= now - ms);
  // One that was extended since then is dated when it is complete again.
  const dated = due.map((row) => ({ ...row, completeAt: isComplete(row) ? row.now : undefined }));
  await count(connection, db, names, dated);
  return read(
    connection,
    db,
    names,
    dated.filter(isComplete).map(({ id }) => id),
  );
}

/** Deletes expired chords, so many at once; somebody may be counting in one of them. */
export async function trimChords({ sql, kind, db }: Connection, { chords, parts }: ChordNames): Promise<void> {
  const now = sqlTime(new Date());
  const place = sql.table(chords);
  for (let last = ''; ; ) {
    const expired = await sql<{ readonly id: string }>`select id from ${place} where expires_at <= ${now} and id > ${last}
      order by id limit ${sql.lit(CHUNK)}`.execute(db);
    const ids = expired.rows.map(({ id }) => id);
    last = ids.at(-1) ?? '';
    if (ids.length === 0) return;
    await db.transaction().execute(async (transaction) => {
      const locked = await sql<{
        readonly id: string;
      }>`select id from ${place} where id in (${sql.join(ids)}) and expires_at <= ${now}
        order by id ${sql.raw(kind === 'sqlite' ? '' : 'for update')}`.execute(transaction);
      if (locked.rows.length === 0) return;
      const gone = sql.join(locked.rows.map(({ id }) => id));
      await sql`delete from ${sql.table(parts)} where chord in (${gone})`.execute(transaction);
      await sql`delete from ${place} where id in (${gone})`.execute(transaction);
    });
    if (ids.length < CHUNK) return;
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
