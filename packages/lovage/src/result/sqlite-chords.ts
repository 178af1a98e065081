// Chords in the SQLite file of the results: parts are counted in the transaction that stores them and acks their messages.
import type { JointWrite } from '../broker/index.ts';
import type { SqliteConnection, SqliteFile } from '../util/index.ts';
import type { ChordPart, ChordStore, CompleteChord, JointJoin, PartRoot, StoredOpening } from './chord-seam.ts';

export const CHORD_SCHEMA: string = `
CREATE TABLE IF NOT EXISTS lovage_chords (
  group_id TEXT PRIMARY KEY, size INTEGER, come INTEGER NOT NULL DEFAULT 0, added INTEGER NOT NULL DEFAULT 0, callback TEXT,
  structure BLOB, complete_at REAL, closed INTEGER NOT NULL DEFAULT 0, expires_at REAL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS lovage_chords_complete ON lovage_chords (complete_at) WHERE complete_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS lovage_chords_expiry ON lovage_chords (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS lovage_chord_parts (
  group_id TEXT NOT NULL, id TEXT NOT NULL, place INTEGER, number INTEGER, body BLOB, PRIMARY KEY (group_id, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lovage_chord_roots (
  group_id TEXT PRIMARY KEY, place INTEGER, id TEXT NOT NULL, root_id TEXT NOT NULL) WITHOUT ROWID;`;

/** Seconds that a closed chord is remembered where results live for ever. */
const CLOSED_SECONDS = 86_400;

const TOUCH = `
INSERT INTO lovage_chords (group_id, callback, expires_at) VALUES (:group, :callback, :expires)
ON CONFLICT (group_id) DO UPDATE SET callback = coalesce(callback, excluded.callback), expires_at = excluded.expires_at
WHERE closed = 0`;
// An added id has a row without a body until it comes.
const ADD = `
INSERT INTO lovage_chord_parts SELECT :group, :id, :place, come, :body FROM lovage_chords WHERE group_id = :group AND closed = 0
ON CONFLICT (group_id, id) DO UPDATE SET place = excluded.place, number = excluded.number, body = excluded.body WHERE body IS NULL`;
const AWAIT = `
INSERT INTO lovage_chord_parts (group_id, id) SELECT group_id, :id FROM lovage_chords WHERE group_id = :group AND closed = 0
ON CONFLICT (group_id, id) DO NOTHING`;
// Of the part that is first in order. One without a place comes last.
const ROOT = `
INSERT INTO lovage_chord_roots VALUES (:group, :place, :id, :root)
ON CONFLICT (group_id) DO UPDATE SET place = excluded.place, id = excluded.id, root_id = excluded.root_id
WHERE excluded.place < coalesce(place, 9e18)`;
const COMPLETE = `SELECT callback, structure FROM lovage_chords WHERE group_id = ? AND closed = 0 AND come >= size + added`;
const PARTS = `SELECT body FROM lovage_chord_parts WHERE group_id = ? AND body IS NOT NULL ORDER BY place IS NULL, place, number`;

const now = (): number => Date.now() / 1000;
const until = (expires: number | undefined): number | null => (expires === undefined ? null : now() + expires);

export interface SqliteChordsOptions {
  readonly file: SqliteFile;
  /** Seconds. */
  readonly expires: number | undefined;
  /** Names errors as the backend does. */
  readonly named: <T>(work: Promise<T>) => Promise<T>;
  /** Makes the tables in a transaction of somebody else. */
  readonly prepare: (db: SqliteConnection) => void;
}

/** Opens the store. */
export function createSqliteChords({ file, expires, named, prepare }: SqliteChordsOptions): ChordStore {
  const joint = (work: (db: SqliteConnection) => void): JointWrite => ({
    database: file.database,
    payload: (db: SqliteConnection) => {
      prepare(db);
      work(db);
    },
  });
  return {
    open: (openings) => named(file.write((db) => openRows(db, openings))),
    jointOpen: (openings) => joint((db) => openRows(db, openings)),
    join: (parts) => named(file.write((db) => joinRows(db, parts))),
    jointJoin: (parts): JointJoin => {
      let complete: readonly CompleteChord[] | undefined;
      const write = joint((db) => {
        complete = joinRows(db, parts);
      });
      return { write, complete: () => complete };
    },
    close: (groupIds) =>
      named(
        file.write((db) => {
          for (const groupId of groupIds) closeRow(db, groupId, expires);
        }),
      ),
    jointClose: (groupId, writes) =>
      joint((db) => {
        if (!closeRow(db, groupId, expires)) return;
        for (const { payload } of writes) (payload as (db: SqliteConnection) => void)(db);
      }),
    extend: (groupId, ids, seconds) => named(file.write((db) => extendRow(db, groupId, ids, seconds))),
    stale: (seconds) => named(file.write((db) => staleRows(db, seconds))),
  };
}

function openRows(db: SqliteConnection, openings: readonly StoredOpening[]): void {
  for (const { groupId, size, callback, structure, expires } of openings) {
    db.statement(TOUCH).run({ group: groupId, callback, expires: until(expires) });
    db.statement('UPDATE lovage_chords SET size = ?, structure = ? WHERE group_id = ? AND closed = 0').run(
      size,
      structure ?? null,
      groupId,
    );
  }
}

function joinRows(db: SqliteConnection, parts: readonly ChordPart[]): readonly CompleteChord[] {
  const touched = new Set<string>();
  for (const { groupId, id, index, body, callback, rootId, expires } of parts) {
    if (!touched.has(groupId)) db.statement(TOUCH).run({ group: groupId, callback: callback ?? null, expires: until(expires) });
    touched.add(groupId);
    const { changes } = db.statement(ADD).run({ group: groupId, id, place: index ?? null, body });
    if (Number(changes) === 0) continue;
    db.statement('UPDATE lovage_chords SET come = come + 1 WHERE group_id = ?').run(groupId);
    if (rootId !== undefined) db.statement(ROOT).run({ group: groupId, place: index ?? null, id, root: rootId });
  }
  return [...touched].flatMap((groupId) => completeRow(db, groupId, false) ?? []);
}

/** The chord, if all have come; `again` dates it anew. */
function completeRow(db: SqliteConnection, groupId: string, again: boolean): CompleteChord | undefined {
  const row = db.statement(COMPLETE).get(groupId);
  if (row === undefined) return undefined;
  const when = again ? ':now' : 'coalesce(complete_at, :now)';
  db.statement(`UPDATE lovage_chords SET complete_at = ${when} WHERE group_id = :group`).run({ now: now(), group: groupId });
  const parts = db
    .statement(PARTS)
    .all(groupId)
    .flatMap(({ body }) => (body instanceof Uint8Array ? [body] : []));
  const { callback, structure } = row;
  return {
    groupId,
    parts,
    callback: typeof callback === 'string' ? callback : undefined,
    structure: structure instanceof Uint8Array ? structure : undefined,
    root: rootRow(db, groupId),
  };
}

function rootRow(db: SqliteConnection, groupId: string): PartRoot | undefined {
  const row = db.statement('SELECT id, root_id FROM lovage_chord_roots WHERE group_id = ?').get(groupId);
  return row === undefined ? undefined : { id: String(row.id), rootId: String(row.root_id) };
}

/** False when somebody closed it before. */
function closeRow(db: SqliteConnection, groupId: string, expires: number | undefined): boolean {
  const { changes } = db
    .statement(
      `UPDATE lovage_chords SET closed = 1, callback = NULL, structure = NULL, complete_at = NULL, expires_at = ?
       WHERE group_id = ? AND closed = 0`,
    )
    .run(until(expires === 0 ? CLOSED_SECONDS : (expires ?? CLOSED_SECONDS)), groupId);
  if (Number(changes) === 0) return false;
  db.statement('DELETE FROM lovage_chord_parts WHERE group_id = ?').run(groupId);
  db.statement('DELETE FROM lovage_chord_roots WHERE group_id = ?').run(groupId);
  return true;
}

function extendRow(db: SqliteConnection, groupId: string, ids: readonly string[], expires: number | undefined): void {
  db.statement(TOUCH).run({ group: groupId, callback: null, expires: until(expires) });
  for (const id of ids) {
    const { changes } = db.statement(AWAIT).run({ group: groupId, id });
    if (Number(changes) > 0) db.statement('UPDATE lovage_chords SET added = added + 1 WHERE group_id = ?').run(groupId);
  }
}

function staleRows(db: SqliteConnection, seconds: number): readonly CompleteChord[] {
  const rows = db
    .statement('SELECT group_id FROM lovage_chords WHERE complete_at <= ? AND closed = 0 ORDER BY complete_at LIMIT 20')
    .all(now() - seconds);
  return rows.flatMap(({ group_id: groupId }) => completeRow(db, String(groupId), true) ?? []);
}

/** Deletes expired chords. */
export function trimChords(db: SqliteConnection, limit: number): void {
  const expired = 'SELECT group_id FROM lovage_chords WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit + 0';
  const values = { now: now(), limit };
  db.statement(`DELETE FROM lovage_chord_parts WHERE group_id IN (${expired})`).run(values);
  db.statement(`DELETE FROM lovage_chord_roots WHERE group_id IN (${expired})`).run(values);
  db.statement(`DELETE FROM lovage_chords WHERE group_id IN (${expired})`).run(values);
}
