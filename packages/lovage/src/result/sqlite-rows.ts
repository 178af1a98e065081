// The tables of the SQLite backend, and the write rule of rules.ts as statements. Called by sqlite.ts.
import type { SqliteConnection } from '../util/index.ts';
import { READY_STATES, type StoredResult } from './seam.ts';

// Rows in the order of their coming, found by an index: ids are random, and rows laid out by them would touch a page of their own
// each, which made a batch of 250 three times as slow.
export const SCHEMA: string = `
CREATE TABLE IF NOT EXISTS lovage_results (
  id TEXT PRIMARY KEY, state TEXT NOT NULL, body BLOB NOT NULL, content_type TEXT NOT NULL, content_encoding TEXT NOT NULL,
  attempt INTEGER NOT NULL, expires_at REAL);
CREATE INDEX IF NOT EXISTS lovage_results_expiry ON lovage_results (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS lovage_fences (id TEXT PRIMARY KEY, attempt INTEGER NOT NULL, expires_at REAL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS lovage_fences_expiry ON lovage_fences (expires_at) WHERE expires_at IS NOT NULL;`;

const READY = [...READY_STATES].map((state) => `'${state}'`).join(', ');
const LIVE = '(expires_at IS NULL OR expires_at > :now)';

// One statement decides and writes; nothing changed means refused.
const PUT = `
INSERT INTO lovage_results SELECT :id, :state, :body, :type, :encoding, :attempt, :expires
WHERE NOT EXISTS (SELECT 1 FROM lovage_fences WHERE id = :id AND attempt > :attempt AND ${LIVE})
ON CONFLICT (id) DO UPDATE SET state = excluded.state, body = excluded.body, content_type = excluded.content_type,
  content_encoding = excluded.content_encoding, attempt = excluded.attempt, expires_at = excluded.expires_at
WHERE lovage_results.expires_at <= :now OR lovage_results.state NOT IN (${READY})
  OR (lovage_results.state <> 'SUCCESS' AND :ready
    AND NOT EXISTS (SELECT 1 FROM lovage_fences WHERE id = :id AND attempt = :attempt AND ${LIVE}))`;

const SAME = `SELECT 1 FROM lovage_results WHERE id = :id AND body = :body`;

const FENCE = `
INSERT INTO lovage_fences VALUES (:id, :attempt, :expires)
ON CONFLICT (id) DO UPDATE SET attempt = max(attempt, excluded.attempt), expires_at = excluded.expires_at
RETURNING attempt`;

const READ = `
SELECT id, state, body, content_type, content_encoding, attempt FROM lovage_results
WHERE id IN (SELECT value FROM json_each(:ids)) AND ${LIVE}`;

const now = (): number => Date.now() / 1000;
const until = (expires: number | undefined): number | null => (expires === undefined ? null : now() + expires);

/** Stores what may be stored; gives the ids that were refused. */
export function putRows(db: SqliteConnection, results: readonly StoredResult[]): readonly string[] {
  const put = db.statement(PUT);
  return results
    .filter((result) => {
      const { id, state, body, contentType: type, contentEncoding: encoding, attempt } = result;
      const ready = READY_STATES.has(state) ? 1 : 0;
      const row = { id, state, body, type, encoding, attempt, expires: until(result.expires), ready, now: now() };
      // A repeat of what is stored is no refusal: its first answer may have been lost.
      return Number(put.run(row).changes) === 0 && db.statement(SAME).get({ id, body }) === undefined;
    })
    .map((result) => result.id);
}

/** Writes the number of a redelivered attempt, never a lower one; gives the one that is there then. */
export function fenceRow(db: SqliteConnection, id: string, attempt: number, expires: number | undefined): number {
  return Number(db.statement(FENCE).get({ id, attempt, expires: until(expires) })?.attempt ?? attempt);
}

export function readRows(db: SqliteConnection, ids: readonly string[]): StoredResult[] {
  return db
    .statement(READ)
    .all({ ids: JSON.stringify(ids), now: now() })
    .map(resultOf);
}

function resultOf(row: Readonly<Record<string, unknown>>): StoredResult {
  return {
    id: String(row.id),
    state: String(row.state),
    body: row.body instanceof Uint8Array ? row.body : new Uint8Array(),
    contentType: String(row.content_type),
    contentEncoding: String(row.content_encoding),
    attempt: Number(row.attempt),
  };
}

export function forgetRows(db: SqliteConnection, ids: readonly string[]): void {
  for (const table of ['lovage_results', 'lovage_fences'])
    db.statement(`DELETE FROM ${table} WHERE id IN (SELECT value FROM json_each(?))`).run(JSON.stringify(ids));
}

/** Deletes at most `limit` expired results, and as many fences and groups; gives how many results. */
export function trimRows(db: SqliteConnection, limit: number): number {
  const trim = (table: string): number => {
    const expired = `SELECT id FROM ${table} WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit + 0`;
    return Number(db.statement(`DELETE FROM ${table} WHERE id IN (${expired})`).run({ now: now(), limit }).changes);
  };
  trim('lovage_fences');
  trim('lovage_groups');
  return trim('lovage_results');
}
