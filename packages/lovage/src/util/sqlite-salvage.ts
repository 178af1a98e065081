// What is left of a damaged SQLite file: it is moved aside and kept, and every row that can still be read goes into a new file in its
// place. Called by sqlite-file.ts when SQLite says that a file is damaged.
import { existsSync, renameSync, statSync } from 'node:fs';
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { openDatabase, sqliteModule } from './sqlite-engine.ts';
import { holdLock } from './sqlite-lock.ts';

/** Most keys that are asked for one by one behind a hole. */
const MAX_PROBES = 1_000_000;
/** Every process looks once a second whether its file is still the one at its path (ms). */
const NOTICED_MS = 2500;

/** What a salvage did. */
export interface Salvaged {
  /** Where the damaged file lies now. */
  readonly kept: string;
  /** Rows saved, by table. */
  readonly rows: Readonly<Record<string, number>>;
  /** Tables of which some rows could not be read. */
  readonly holes: readonly string[];
}

export interface SalvageOptions {
  /** Statements that create the tables. */
  readonly schemas: readonly string[];
  /** Tables whose rows say something of processes that are gone. */
  readonly forget: readonly string[];
  /** Mends what the saved rows say together; runs in the new file. */
  readonly mend: readonly ((database: DatabaseSync) => void)[];
}

type Row = Record<string, SQLInputValue>;

/** Undefined when another process has done it already, or is doing it now. */
export function salvage(path: string, inode: number | undefined, options: SalvageOptions): Salvaged | undefined {
  const lock = lockOf(path);
  if (lock === undefined) return undefined;
  try {
    if (inode !== undefined && statSync(path, { throwIfNoEntry: false })?.ino !== inode) return undefined;
    // Opening an empty file would delete its log.
    const source = statSync(path, { throwIfNoEntry: false })?.size === 0 ? undefined : openOld(path);
    const kept = `${path}.damaged-${new Date().toISOString().replaceAll(/[:.]/g, '-')}`;
    // The -shm file only indexes the log; SQLite makes it again, and a damaged one shall not be trusted.
    for (const suffix of ['', '-wal']) if (existsSync(path + suffix)) renameSync(path + suffix, kept + suffix);
    if (existsSync(`${path}-shm`)) renameSync(`${path}-shm`, `${kept}-shm.old`);
    try {
      return { kept, ...copy(source, path, options) };
    } finally {
      // Other processes cannot write to the old file until they have noticed that there is a new one.
      setTimeout(() => closeOld(source), NOTICED_MS).unref();
    }
  } finally {
    lock[Symbol.dispose]();
  }
}

function lockOf(path: string): Disposable | undefined {
  try {
    return holdLock(`${path}-salvage.lock`);
  } catch {
    return undefined;
  }
}

function closeOld(source: DatabaseSync | undefined): void {
  try {
    source?.close();
  } catch {
    // It is damaged.
  }
}

function copy(
  source: DatabaseSync | undefined,
  to: string,
  { schemas, forget, mend }: SalvageOptions,
): Pick<Salvaged, 'rows' | 'holes'> {
  const target = openDatabase(to, 'power');
  const rows: Record<string, number> = {};
  const holes: string[] = [];
  try {
    for (const schema of schemas) target.exec(schema);
    const tables = target
      .prepare("SELECT name FROM sqlite_master WHERE type = 'table'")
      .all()
      .map(({ name }) => String(name));
    target.exec('BEGIN');
    for (const table of tables) {
      if (forget.includes(table) || table.startsWith('sqlite_')) continue;
      const saved = source === undefined ? { count: 0, whole: false } : copyTable(source, target, table);
      rows[table] = saved.count;
      if (!saved.whole) holes.push(table);
    }
    for (const step of mend) step(target);
    target.exec('COMMIT');
  } finally {
    target.close();
  }
  return { rows, holes };
}

function openOld(path: string): DatabaseSync | undefined {
  let database: DatabaseSync;
  try {
    database = new (sqliteModule().DatabaseSync)(path, { timeout: 0 });
    database.exec('PRAGMA cell_size_check = ON');
    database.prepare('SELECT count(*) FROM sqlite_master').get();
  } catch {
    return undefined;
  }
  try {
    database.exec('BEGIN IMMEDIATE');
  } catch {
    // Then others cannot write either, or will notice by themselves.
  }
  return database;
}

/** Reads a table from its beginning, from its end, and key by key in between, as far as each way leads. */
function copyTable(
  source: DatabaseSync,
  target: DatabaseSync,
  table: string,
): { readonly count: number; readonly whole: boolean } {
  const columns = target.prepare(`PRAGMA table_info(${table})`).all() as unknown as readonly {
    name: string;
    type: string;
    pk: number;
  }[];
  // By place, not by name: the names of the old file may be damaged.
  const key = columns.flatMap(({ pk }, at) => (pk > 0 ? [{ pk, place: at + 1 }] : [])).toSorted((a, b) => a.pk - b.pk);
  const insert = target.prepare(`INSERT OR IGNORE INTO ${table} VALUES (${columns.map(() => '?').join(', ')})`);
  let count = 0;
  const save = (row: Row): void => {
    try {
      count += Number(insert.run(...columns.map((_, at) => Object.values(row)[at] ?? null)).changes);
    } catch {
      // A row whose values do not fit its own table is damaged, too.
      whole = false;
    }
  };
  let whole = read(source, `SELECT * FROM ${table}`, save);
  if (whole) return { count, whole };
  for (const order of ['ASC', 'DESC'] as const) {
    const by = key.length > 0 ? key.map(({ place }) => `${place} ${order}`).join(', ') : `rowid ${order}`;
    read(source, `SELECT * FROM ${table} ORDER BY ${by}`, save);
  }
  if (columns[0]?.name === 'id' && columns[0].type === 'INTEGER') probe(source, target, table, save);
  return { count, whole };
}

/** Reads as many rows as come; false when an error ended it. */
function read(source: DatabaseSync, sql: string, save: (row: Row) => void): boolean {
  try {
    for (const row of source.prepare(sql).iterate()) save(row as Row);
    return true;
  } catch {
    return false;
  }
}

function probe(source: DatabaseSync, target: DatabaseSync, table: string, save: (row: Row) => void): void {
  try {
    const ends = target.prepare(`SELECT min(id) AS low, max(id) AS high FROM ${table}`).get();
    if (typeof ends?.low !== 'number' || typeof ends.high !== 'number') return;
    const known = target.prepare(`SELECT 1 FROM ${table} WHERE id = ?`);
    const one = source.prepare(`SELECT * FROM ${table} WHERE rowid = ?`);
    for (let id = ends.low, left = MAX_PROBES; id < ends.high && left > 0; id++, left--) {
      if (known.get(id) !== undefined) continue;
      try {
        const row = one.get(id);
        if (row !== undefined) save(row as Row);
      } catch {
        // Its page is damaged.
      }
    }
  } catch {
    // Not even a key can be looked up.
  }
}
