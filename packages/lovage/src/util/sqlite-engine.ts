// Opening one SQLite file safely: which SQLite, which rights, which pragmas, and what its errors mean. Called by sqlite-file.ts.
import { closeSync, existsSync, mkdirSync, openSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { BrokerConnectionError, BrokerError, BrokerFullError, ConfigurationError, LovageError } from './errors.ts';

/** A few milliseconds of reading. */
const MAX_CHECKED_BYTES = 16_000_000;

type SqliteModule = typeof import('node:sqlite');

/** `process`: survives the death of every process. `power`: also a power cut, at the price of a sync per commit. */
export type Durability = 'process' | 'power';

let loaded: SqliteModule | undefined;

/** Node's own SQLite, loaded on first use; refuses a version whose WAL can lose commits. */
export function sqliteModule(): SqliteModule {
  loaded ??= loadSqlite();
  return loaded;
}

function loadSqlite(): SqliteModule {
  const module = withoutExperimentalWarning(() => process.getBuiltinModule('node:sqlite') as SqliteModule | undefined);
  if (module === undefined)
    throw new ConfigurationError(`Node ${process.version} has no node:sqlite. Use Node 22.22.3, 24.15 or newer.`);
  const probe = new module.DatabaseSync(':memory:');
  const version = String(probe.prepare('SELECT sqlite_version() AS version').get()?.version);
  probe.close();
  const refusal = refuseVersion(version);
  if (refusal !== undefined) throw new ConfigurationError(refusal);
  return module;
}

/** Node 22 says "experimental" on the first load; that one line is dropped, every other warning stays. */
function withoutExperimentalWarning<T>(load: () => T): T {
  const emitWarning = process.emitWarning;
  const filtered = (warning: string | Error, ...rest: unknown[]): void => {
    if (String(warning).includes('SQLite is an experimental feature')) return;
    Reflect.apply(emitWarning, process, [warning, ...rest]);
  };
  process.emitWarning = filtered;
  try {
    return load();
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** Why this SQLite may not be used, or undefined. Before 3.51.3 two processes that write and checkpoint at once can lose commits. */
export function refuseVersion(version: string): string | undefined {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  const isMended =
    major > 3 ||
    (major === 3 && (minor > 51 || (minor === 51 && patch >= 3) || (minor === 50 && patch >= 7) || (minor === 44 && patch >= 6)));
  if (isMended) return undefined;
  return (
    `This Node (${process.version}) brings SQLite ${version}, which can lose commits when several processes write to one file ` +
    '(mended in 3.51.3, 3.50.7 and 3.44.6). Use an official Node 22.22.3, 24.15 or newer, or another broker URL.'
  );
}

/** Opens the file, creating it (0600) and its folder (0700) when they are missing. May throw a busy error: the caller tries again. */
export function openDatabase(path: string, durability: Durability): DatabaseSync {
  const { DatabaseSync } = sqliteModule();
  createPrivately(path);
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    // Another process may be switching the same new file to WAL: that shows as a busy error.
    const mode = database.prepare('PRAGMA journal_mode = WAL').get()?.journal_mode;
    if (mode !== 'wal') {
      throw new ConfigurationError(
        `${path}: the file system does not allow SQLite's WAL mode (network folder?). Put the file on a local disk.`,
      );
    }
    setDurability(database, durability);
    // A log of 16 MB: the pages of a busy queue are written to their place, and synced, a quarter as often as by default.
    database.exec('PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16000; PRAGMA wal_autocheckpoint = 4000;');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** What somebody expects of a file. */
export interface Expectation {
  /** Statements that create the tables. */
  readonly schema: string;
  /** A question whose `sound` is 0 when the rows do not fit together. */
  readonly sound?: string;
}

/** Throws what SQLite throws of a damaged page, for damage that it would read without a word: all of it in files small enough to be read at each start, of the others what their tables are called. */
export function checkSoundness(database: DatabaseSync, path: string, expected: readonly Expectation[]): void {
  if (!hasColumns(database, expected)) throw damaged('its tables are not called as they were made');
  if (statSync(path).size > MAX_CHECKED_BYTES) return;
  const said = database.prepare('PRAGMA quick_check(1)').get()?.quick_check;
  if (said !== 'ok') throw damaged(String(said));
  for (const { sound } of expected)
    if (sound !== undefined && !isSound(database, sound)) throw damaged('its tables do not fit together');
}

function damaged(text: string): Error {
  return Object.assign(new Error(text), { errcode: CORRUPT });
}

/** Names of tables and columns lie in the file, too. */
function hasColumns(database: DatabaseSync, expected: readonly Expectation[]): boolean {
  const model = new (sqliteModule().DatabaseSync)(':memory:');
  try {
    for (const { schema } of expected) model.exec(schema);
    const columns =
      "SELECT m.name || '.' || c.name AS name FROM sqlite_master AS m, pragma_table_info(m.name) AS c WHERE m.type = 'table'";
    const there = new Set(
      database
        .prepare(columns)
        .all()
        .map(({ name }) => name),
    );
    return model
      .prepare(columns)
      .all()
      .every(({ name }) => there.has(name));
  } finally {
    model.close();
  }
}

function isSound(database: DatabaseSync, question: string): boolean {
  try {
    return database.prepare(question).get()?.sound !== 0;
  } catch (error) {
    if (isBusy(error)) throw error;
    // Even the names of tables and columns lie in the file.
    return false;
  }
}

/** `PRAGMA synchronous` for what the user chose. */
export function setDurability(database: DatabaseSync, durability: Durability): void {
  database.exec(`PRAGMA synchronous = ${durability === 'power' ? 'FULL' : 'NORMAL'}`);
}

function createPrivately(path: string): void {
  try {
    const folder = dirname(path);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const ignore = join(folder, '.gitignore');
    // Our own folder lies in somebody's repository: keep the data out of their commits.
    if (basename(folder) === '.lovage' && !existsSync(ignore)) writeFileSync(ignore, '*\n');
    // Only ever a new file: closing a second descriptor of an open one would free this process's locks on it.
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EEXIST') {
      refuseFolder(path);
      return;
    }
    if (code === 'ENOSPC') throw new BrokerFullError(`${path}: the disk is full.`, { cause: error });
    throw new ConfigurationError(
      `${path}: cannot be created (${code ?? String(error)}). Check the folder and its rights, or name another file.`,
      {
        cause: error,
      },
    );
  }
}

function refuseFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return;
  throw new ConfigurationError(`${path}: is a folder, and the database is a file. Name a file in it.`);
}

const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IOERR = 10;
const IOERR_SHMSIZE = 4874;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

function errorNumber(error: unknown): number | undefined {
  const number = error instanceof Error ? (error as { errcode?: unknown }).errcode : undefined;
  return typeof number === 'number' ? number : undefined;
}

/** Somebody else is writing: the same thing works a moment later. */
export function isBusy(error: unknown): boolean {
  const primary = (errorNumber(error) ?? 0) & 0xff;
  return primary === BUSY || primary === LOCKED;
}

/** The disk has no room. */
export function isFull(error: unknown): boolean {
  const number = errorNumber(error) ?? 0;
  return (number & 0xff) === FULL || number === IOERR_SHMSIZE || error instanceof BrokerFullError;
}

/** A database, but a damaged one. */
export function isDamaged(error: unknown): boolean {
  return ((errorNumber(error) ?? 0) & 0xff) === CORRUPT;
}

/** An error of SQLite in our words, with the file's name and what to do; other errors come back as they are. */
export function explain(error: unknown, path: string): unknown {
  const number = errorNumber(error);
  if (number === undefined || error instanceof LovageError) return error;
  const options = { cause: error };
  const text = (error as Error).message;
  if (isFull(error))
    return new BrokerFullError(`${path}: the disk is full. Nothing was stored; free some space and try again.`, options);
  switch (number & 0xff) {
    case CORRUPT:
      return new BrokerConnectionError(
        `${path}: the file is damaged (${text}). It is moved aside, and what can be read of it is saved into a new one; the log tells how much.`,
        options,
      );
    case NOTADB:
      // It may be anybody's file: nothing is done to it.
      return new BrokerError(
        `${path}: the file is damaged at its beginning, or no SQLite file (${text}). Stop its processes and move it away with its -wal and -shm files; ` +
          'a new one is made at the next start, and `sqlite3 FILE .recover` can read what is left of the old one.',
        options,
      );
    case CANTOPEN:
    case READONLY:
      return new BrokerConnectionError(
        `${path}: cannot be opened for writing (${text}). Check the rights of the file and of its folder.`,
        options,
      );
    case IOERR:
      return new BrokerConnectionError(
        `${path}: the disk reports an error (${text}). What was being written is not confirmed.`,
        options,
      );
    default:
      return new BrokerError(`${path}: ${text}`, options);
  }
}

/** Prepared statements by their text, each prepared once. */
export function statementCache(database: DatabaseSync): (sql: string) => StatementSync {
  const prepared = new Map<string, StatementSync>();
  return (sql) => {
    let statement = prepared.get(sql);
    if (statement === undefined) {
      statement = database.prepare(sql);
      prepared.set(sql, statement);
    }
    return statement;
  };
}
