// Chords in a SQL database, in two tables of Lovage's own: a row for each chord, one for each part. Whoever counts locks the chords' rows
// first, so that workers count one after the other on every database and at every level of isolation, and one of them sees the last part.
import type { Connection, Db } from '../../util/sql-connect.ts';
import type { ChordStore, CompleteChord, StoredOpening } from '../chord-seam.ts';
import {
  bufferOf,
  CHUNK,
  type ChordNames,
  CLOCK,
  chunked,
  count,
  isComplete,
  type Keyed,
  keep,
  keyOf,
  known,
  lock,
  read,
  upsert,
} from './chord-rows.ts';
import { type SqlRuns, sqlTime, sqlUntil } from './tables.ts';

export interface OwnChordsOptions extends SqlRuns {
  readonly names: ChordNames;
  /** Seconds that a closed chord is remembered; undefined and 0: a day. */
  readonly expires: number | undefined;
}

const CLOSED_SECONDS = 86_400;
/** Chords that a janitor takes at once. */
const STALE_COUNT = 20;

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

/** Rows are locked in order of their keys, and none twice, so that nobody waits in a circle. */
function inOrder(openings: readonly StoredOpening[]): readonly StoredOpening[] {
  const unique = new Map(openings.map((opening) => [keyOf(opening.groupId), opening]));
  return [...unique].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, opening]) => opening);
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
