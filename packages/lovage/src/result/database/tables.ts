// What the SQL backend needs of a set of tables: its own (own-tables.ts), or those that it shares with Celery (celery-tables.ts).

import type { Connection, Db, SqlKind } from '../../util/sql-connect.ts';
import type { ChordStore } from '../chord-seam.ts';
import type { GroupStore } from '../group-seam.ts';
import type { RevokeStore } from '../revokes.ts';
import type { Fenced, StoredResult } from '../seam.ts';

/** How work reaches the database: again while it is away, or asks for it. */
export interface SqlRuns {
  /** In a transaction. */
  readonly within: <T>(work: (connection: Connection, db: Db) => Promise<T>) => Promise<T>;
  /** Without one. */
  readonly read: <T>(work: (connection: Connection) => Promise<T>) => Promise<T>;
}

/** Tables of results. Everything that writes runs inside a transaction that its caller opened. */
export interface ResultTables {
  /** Makes what is missing; what is there is left as it is. */
  create(connection: Connection): Promise<void>;
  /** Stores what may be stored, ids in order and none twice; gives the ids that were refused. */
  put(connection: Connection, db: Db, results: readonly StoredResult[]): Promise<readonly string[]>;
  get(connection: Connection, ids: readonly string[]): Promise<readonly StoredResult[]>;
  forget(connection: Connection, ids: readonly string[]): Promise<void>;
  fence?(
    connection: Connection,
    db: Db,
    fence: { readonly id: string; readonly attempt: number; readonly expires: number | undefined },
  ): Promise<Fenced>;
  /** Deletes what has expired, or was done before `limit`; gives how many results. */
  cleanup(connection: Connection, limit: Date | undefined): Promise<number>;
  chords?(runs: SqlRuns & { readonly expires: number | undefined }): ChordStore;
  groups?(connection: () => Promise<Connection>): GroupStore;
  revokes?(connection: () => Promise<Connection>): RevokeStore;
}

/** `2026-01-02 03:04:05.678000`, in UTC: what all three databases take for a moment. */
export function sqlTime(moment: Date): string {
  return `${moment.toISOString().replace('T', ' ').slice(0, 23)}000`;
}

/** The moment so many seconds from now; null: never. */
export function sqlUntil(expires: number | undefined): string | null {
  return expires === undefined ? null : sqlTime(new Date(Date.now() + expires * 1000));
}

/** Types of columns. */
export const BYTES: Readonly<Record<SqlKind, string>> = { postgresql: 'bytea', mysql: 'longblob', sqlite: 'blob' };
// Compared letter by letter, which MySQL's usual collations do not.
export const TEXT: Readonly<Record<SqlKind, string>> = {
  postgresql: 'text',
  mysql: 'longtext character set utf8mb4 collate utf8mb4_bin',
  sqlite: 'text',
};
export const ID: Readonly<Record<SqlKind, string>> = {
  postgresql: 'varchar(255)',
  mysql: 'varchar(255) character set utf8mb4 collate utf8mb4_bin',
  sqlite: 'text',
};
export const MOMENT: Readonly<Record<SqlKind, string>> = { postgresql: 'timestamp(3)', mysql: 'datetime(3)', sqlite: 'text' };
