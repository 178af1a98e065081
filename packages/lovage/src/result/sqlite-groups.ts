// Saved groups in the SQLite file, in a table of their own. Called by sqlite.ts.
import type { SqliteConnection } from '../util/index.ts';
import type { GroupStore, StoredGroup } from './group-seam.ts';

export const GROUP_SCHEMA: string = `
CREATE TABLE IF NOT EXISTS lovage_groups (
  id TEXT PRIMARY KEY, body BLOB NOT NULL, content_type TEXT NOT NULL, content_encoding TEXT NOT NULL, expires_at REAL);
CREATE INDEX IF NOT EXISTS lovage_groups_expiry ON lovage_groups (expires_at) WHERE expires_at IS NOT NULL;`;

const PUT = `INSERT OR REPLACE INTO lovage_groups VALUES (:id, :body, :type, :encoding, :expires)`;
const READ = `
SELECT id, body, content_type, content_encoding FROM lovage_groups
WHERE id IN (SELECT value FROM json_each(:ids)) AND (expires_at IS NULL OR expires_at > :now)`;
const DELETE = `DELETE FROM lovage_groups WHERE id IN (SELECT value FROM json_each(?))`;

export interface SqliteAccess {
  read<T>(work: (db: SqliteConnection) => T): Promise<T>;
  write<T>(work: (db: SqliteConnection) => T): Promise<T>;
}

export function sqliteGroups(file: SqliteAccess): GroupStore {
  const put = (db: SqliteConnection, group: StoredGroup): void => {
    const { id, body, contentType: type, contentEncoding: encoding, expires } = group;
    db.statement(PUT).run({ id, body, type, encoding, expires: expires === undefined ? null : Date.now() / 1000 + expires });
  };
  return {
    put: async (groups) => {
      const putAll = (db: SqliteConnection): void => {
        for (const group of groups) put(db, group);
      };
      if (groups.length > 0) await file.write(putAll);
    },
    get: async (ids) => {
      const rows = await file.read((db) => db.statement(READ).all({ ids: JSON.stringify(ids), now: Date.now() / 1000 }));
      return new Map(rows.map((row) => [String(row.id), groupOf(row)]));
    },
    delete: async (ids) => {
      if (ids.length > 0) await file.write((db) => void db.statement(DELETE).run(JSON.stringify(ids)));
    },
  };
}

function groupOf(row: Readonly<Record<string, unknown>>): StoredGroup {
  return {
    id: String(row.id),
    body: row.body instanceof Uint8Array ? row.body : new Uint8Array(),
    contentType: String(row.content_type),
    contentEncoding: String(row.content_encoding),
  };
}
