// The limits resultMaxCount and resultMaxBytes in the SQLite file: when there are more results, the oldest go. Called by sqlite.ts.
// Counting all rows for each write would cost more than the writes, so what a process writes is added to what it counted last, and the
// rows are counted anew when that sum passes a limit. What goes, goes down to nine tenths, so that this happens once in a tenth.
import type { SqliteConnection } from '../util/index.ts';
import type { Retention, StoredResult } from './seam.ts';

const KEEP = 0.9;
/** Milliseconds after which a process that writes counts anew, because others write too. */
const RECOUNT = 10_000;

const COUNT = 'SELECT count(*) AS count FROM lovage_results';
const MEASURE = 'SELECT count(*) AS count, coalesce(sum(length(body)), 0) AS bytes FROM lovage_results';
// Rows lie in the order of their first writing. The newest always stays, however large it is.
const DELETE_ROWS = `
DELETE FROM lovage_results WHERE rowid IN (SELECT rowid FROM lovage_results ORDER BY rowid LIMIT :rows + 0)
  AND rowid < (SELECT max(rowid) FROM lovage_results)`;
const DELETE_BYTES = `
DELETE FROM lovage_results WHERE rowid < (SELECT max(rowid) FROM lovage_results) AND rowid <= (
  SELECT max(rowid) FROM (
    SELECT rowid, sum(length(body)) OVER (ORDER BY rowid ROWS UNBOUNDED PRECEDING) - length(body) AS before FROM lovage_results
  ) WHERE before < :bytes)`;

export interface SqliteRetention {
  /** These are about to be stored. */
  writes(results: readonly StoredResult[]): void;
  /** Deletes what is too much, if there may be any; gives how many. */
  enforce(db: SqliteConnection): number;
}

/** Without limits it does nothing. */
export function createRetention({ maxCount, maxBytes }: Retention = {}): SqliteRetention {
  let count = Number.POSITIVE_INFINITY;
  let bytes = 0;
  let countedAt = 0;

  const isDue = (): boolean =>
    (maxCount !== undefined && count > maxCount) ||
    (maxBytes !== undefined && (bytes > maxBytes || count === Number.POSITIVE_INFINITY)) ||
    performance.now() - countedAt > RECOUNT;

  function measure(db: SqliteConnection): void {
    const row = db.statement(maxBytes === undefined ? COUNT : MEASURE).get({});
    count = Number(row?.count ?? 0);
    bytes = Number(row?.bytes ?? 0);
    countedAt = performance.now();
  }

  function enforce(db: SqliteConnection): number {
    if ((maxCount === undefined && maxBytes === undefined) || !isDue()) return 0;
    measure(db);
    const before = count;
    if (maxCount !== undefined && count > maxCount) {
      db.statement(DELETE_ROWS).run({ rows: count - Math.floor(maxCount * KEEP) });
      measure(db);
    }
    if (maxBytes !== undefined && bytes > maxBytes) {
      db.statement(DELETE_BYTES).run({ bytes: bytes - Math.floor(maxBytes * KEEP) });
      measure(db);
    }
    return before - count;
  }

  return {
    writes: (results) => {
      count += results.length;
      for (const { body } of results) bytes += body.byteLength;
    },
    enforce,
  };
}
