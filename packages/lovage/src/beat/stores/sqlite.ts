// The schedule in an SQLite file: that of the embedded broker, so that a run's message and what beat remembers of it are one transaction;
// or a file of its own (the store 'file').

import type { JointWrite } from '../../broker/index.ts';
import { ConfigurationError, openSqliteFile, type SqliteConnection, sqliteLocation } from '../../util/index.ts';
import {
  type Change,
  isSameLease,
  type Lease,
  NO_LEASE,
  type ScheduleStore,
  type StoreLook,
  type StoreOptions,
} from '../store.ts';

const SCHEMA = `CREATE TABLE IF NOT EXISTS lovage_beat_entries (
  app TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (app, kind, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lovage_beat_lease (
  app TEXT NOT NULL PRIMARY KEY, token INTEGER NOT NULL, owner TEXT NOT NULL, beat INTEGER NOT NULL, edits INTEGER NOT NULL) WITHOUT ROWID;`;

type Kind = 'edit' | 'state';

function put(db: SqliteConnection, app: string, kind: Kind, [name, text]: Change): void {
  if (text === undefined)
    db.statement('DELETE FROM lovage_beat_entries WHERE app = ? AND kind = ? AND name = ?').run(app, kind, name);
  else
    db.statement('INSERT OR REPLACE INTO lovage_beat_entries (app, kind, name, text) VALUES (?, ?, ?, ?)').run(
      app,
      kind,
      name,
      text,
    );
}

function all(db: SqliteConnection, app: string, kind: Kind): ReadonlyMap<string, string> {
  const rows = db.statement('SELECT name, text FROM lovage_beat_entries WHERE app = ? AND kind = ?').all(app, kind);
  return new Map(rows.map(({ name, text }) => [String(name), String(text)]));
}

function look(db: SqliteConnection, app: string): StoreLook {
  const row = db.statement('SELECT token, owner, beat, edits FROM lovage_beat_lease WHERE app = ?').get(app);
  if (row === undefined) return { lease: NO_LEASE, edits: 0 };
  const { token, owner, beat, edits } = row;
  return { lease: { token: Number(token), owner: String(owner), beat: Number(beat) }, edits: Number(edits) };
}

function write(db: SqliteConnection, app: string, { token, owner, beat }: Lease, edits: number): void {
  db.statement('INSERT OR REPLACE INTO lovage_beat_lease (app, token, owner, beat, edits) VALUES (?, ?, ?, ?, ?)').run(
    app,
    token,
    owner,
    beat,
    edits,
  );
}

/** A joint write of an SQLite file is a piece of work for its connection. */
function work({ payload }: JointWrite): (db: SqliteConnection) => void {
  if (typeof payload === 'function') return payload as (db: SqliteConnection) => void;
  throw new ConfigurationError('A joint write for SQLite must be a function of the connection.');
}

export function open(options: StoreOptions): ScheduleStore {
  const { appName: app } = options;
  const { path, durability } = sqliteLocation(options.url, app, options.transportOptions);
  const file = openSqliteFile(path, { schema: SCHEMA, durability });
  const channel = `beat ${app}`;
  return {
    name: 'sqlite',
    url: `sqlite://${file.path}`,
    database: file.database,
    look: () => file.read((db) => look(db, app)),
    swapLease: (expected, next) =>
      file.write((db) => {
        const { lease, edits } = look(db, app);
        const swapped = isSameLease(lease, expected);
        if (swapped) write(db, app, next, edits);
        return { lease: swapped ? next : lease, edits, swapped };
      }),
    load: () => file.read((db) => ({ edits: look(db, app).edits, edited: all(db, app, 'edit'), states: all(db, app, 'state') })),
    commit: (token, changes, writes = []) =>
      file.write(
        (db) => {
          if (look(db, app).lease.token !== token) return false;
          for (const change of changes) put(db, app, 'state', change);
          for (const each of writes) work(each)(db);
          return true;
        },
        { grows: true },
      ),
    edit: (name, expected, text) =>
      file.write((db) => {
        const row = db
          .statement("SELECT text FROM lovage_beat_entries WHERE app = ? AND kind = 'edit' AND name = ?")
          .get(app, name);
        if ((row === undefined ? undefined : String(row.text)) !== expected) return false;
        put(db, app, 'edit', [name, text]);
        const { lease, edits } = look(db, app);
        write(db, app, lease, edits + 1);
        db.notify(channel);
        return true;
      }),
    onEdit: (listener) => file.onChange(channel, listener),
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  };
}
