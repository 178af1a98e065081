// Revokes in the SQLite file, in a table of their own. Called by sqlite.ts.
import type { RevokeStore } from './revokes.ts';
import type { SqliteAccess } from './sqlite-groups.ts';

export const REVOKE_SCHEMA: string = `
CREATE TABLE IF NOT EXISTS lovage_revokes (
  scope TEXT NOT NULL, text TEXT NOT NULL, until REAL NOT NULL, PRIMARY KEY (scope, text)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS lovage_revokes_until ON lovage_revokes (until, scope);`;

const ADD = 'INSERT OR REPLACE INTO lovage_revokes VALUES (?, ?, ?)';
const TRIM = 'DELETE FROM lovage_revokes WHERE until <= ?';
// The plus keeps the planner from the primary key: it would sort the whole scope at each revoke.
const OLDEST = `DELETE FROM lovage_revokes WHERE scope = :scope AND text IN (
  SELECT text FROM lovage_revokes WHERE +scope = :scope ORDER BY until DESC LIMIT -1 OFFSET :max)`;
const LOAD = 'SELECT text, until FROM lovage_revokes WHERE scope = ? AND until > ? ORDER BY until';

export function sqliteRevokes(file: SqliteAccess): RevokeStore {
  const now = (): number => Date.now() / 1000;
  return {
    add: async (scope, texts, { expires, max }) => {
      if (texts.length === 0) return;
      await file.write((db) => {
        const until = now() + expires;
        for (const text of texts) db.statement(ADD).run(scope, text, until);
        db.statement(TRIM).run(now());
        db.statement(OLDEST).run({ scope, max });
      });
    },
    load: async (scope) => {
      const rows = await file.read((db) => db.statement(LOAD).all(scope, now()));
      return rows.map((row) => ({ text: String(row.text), until: Number(row.until) }));
    },
  };
}
