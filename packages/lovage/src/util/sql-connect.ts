// A pool of connections to the SQL database that a URL names, with the client package loaded when it is first needed. Called by
// result/database.ts and beat/stores/sql.ts.
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { Dialect, Kysely, Sql, SqliteDatabase, Transaction } from 'kysely';
import { BackendError, ConfigurationError, LovageError } from './errors.ts';
import { redactUrl } from './redact.ts';
import { isBusy, sqliteModule } from './sqlite-engine.ts';
import { decodeUrlPart } from './url-part.ts';

/** Which SQL is spoken. */
export type SqlKind = 'postgresql' | 'mysql' | 'sqlite';

/** Where a `db+…` URL leads. */
export interface SqlPlace {
  readonly kind: SqlKind;
  /** As the client package takes it; a path for SQLite. */
  readonly address: string;
}

/** A query runs on either. */
export type Db = Kysely<unknown> | Transaction<unknown>;

/** An open database: its pool, and kysely's tag for SQL. */
export interface Connection {
  readonly kind: SqlKind;
  readonly db: Kysely<unknown>;
  readonly sql: Sql;
}

/** Connections at most: a batch of results uses one. */
const POOL_SIZE = 4;
const KINDS: Readonly<Record<string, SqlKind>> = {
  postgresql: 'postgresql',
  postgres: 'postgresql',
  mysql: 'mysql',
  mariadb: 'mysql',
  sqlite: 'sqlite',
};

/** Reads `db+postgresql://…`, `db+mysql://…`, `db+mariadb://…`, `db+sqlite:///file`; the name of a Python driver is passed over. */
export function sqlPlace(url: string): SqlPlace {
  const [, name = '', rest = ''] = /^(?:db|database)\+(\w+)(?:\+\w+)?:(\/\/.*)$/i.exec(url) ?? [];
  const kind = KINDS[name.toLowerCase()];
  if (kind === undefined)
    throw new ConfigurationError(
      `'${redactUrl(url)}' names no SQL database that is known. Write db+postgresql://user:password@host/database, db+mysql://… or db+sqlite:///file.db.`,
    );
  if (kind !== 'sqlite') return serverPlace(kind, rest, url);
  // As SQLAlchemy has it: sqlite:///relative.db and sqlite:////absolute.db.
  const address = decodeUrlPart(rest.replace(/^\/\/\//, '').replace(/\?.*$/, ''), 'path', url);
  if (address === '' || address === ':memory:' || address.startsWith('/') !== rest.startsWith('////'))
    throw new ConfigurationError(
      `'${redactUrl(url)}' names no file. Write db+sqlite:///relative.db or db+sqlite:////absolute.db, or memory:// for results that nobody else reads.`,
    );
  return { kind, address };
}

/** The client packages read such a URL late, and tell of what is wrong in it with the whole URL. */
function serverPlace(kind: SqlKind, rest: string, url: string): SqlPlace {
  // A host may be left out: then the query names a socket.
  const parsed = URL.parse(`${kind}:${rest.replace('@/', '@localhost/')}`);
  if (parsed === null)
    throw new ConfigurationError(
      `'${redactUrl(url)}' cannot be read as a URL. Write db+${kind}://user:password@host/database, with special characters percent-encoded.`,
    );
  const { username: user, password, hostname: host, pathname: database } = parsed;
  for (const [part, text] of Object.entries({ user, password, host, database })) decodeUrlPart(text, part, url);
  return { kind, address: `${kind}:${rest}` };
}

/** Loads what is needed and makes a pool; connects at the first query. Throws ConfigurationError when a package is missing. */
export async function connectSql({ kind, address }: SqlPlace, connectTimeout: number): Promise<Connection> {
  const kysely = await needed(kind, () => import('kysely'));
  const dialect = await dialectOf(kind, address, connectTimeout, kysely);
  return { kind, db: new kysely.Kysely<unknown>({ dialect }), sql: kysely.sql };
}

const PACKAGES: Readonly<Record<SqlKind, string>> = { postgresql: 'kysely pg', mysql: 'kysely mysql2', sqlite: 'kysely' };

async function needed<T>(kind: SqlKind, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    throw new ConfigurationError(`A ${kind} database needs packages: npm install ${PACKAGES[kind]}`, { cause });
  }
}

async function dialectOf(kind: SqlKind, address: string, timeout: number, kysely: typeof import('kysely')): Promise<Dialect> {
  if (kind === 'sqlite') return new kysely.SqliteDialect({ database: async () => sqliteDatabase(address) });
  if (kind === 'postgresql') {
    const { default: pg } = await needed(kind, () => import('pg'));
    const pool = new pg.Pool({
      connectionString: verifyingPostgres(address),
      max: POOL_SIZE,
      connectionTimeoutMillis: timeout * 1000,
      allowExitOnIdle: true,
    });
    // A connection that dies fails the query under way, and an idle one is replaced at the next; unheard, either would end the program.
    pool.on('error', () => undefined);
    pool.on('connect', (client) => client.on('error', () => undefined));
    return new kysely.PostgresDialect({ pool });
  }
  const { createPool } = await needed(kind, () => import('mysql2'));
  const { uri, ssl } = mysqlAddress(address);
  const pool = createPool({
    uri,
    ...(ssl === undefined ? {} : { ssl }),
    connectionLimit: POOL_SIZE,
    connectTimeout: timeout * 1000,
    timezone: 'Z',
    supportBigNumbers: true,
  });
  // An idle connection does not keep a program alive.
  pool.on('connection', (connection) => {
    const { stream } = connection as unknown as { readonly stream?: { unref?(): void } };
    stream?.unref?.();
  });
  return new kysely.MysqlDialect({ pool });
}

/** What PostgreSQL's modes between none and full mean differs from client to client: whoever asks for TLS gets a server that is checked. */
function verifyingPostgres(address: string): string {
  if (/[?&]uselibpqcompat=/.test(address)) return address;
  return address.replace(/([?&]sslmode=)(?:prefer|require|verify-ca)(?=&|$)/, '$1verify-full');
}

/** TLS of MySQL by Python's names in the URL, or as JSON in `ssl`. The client package checks who signed a certificate, and its name only when told to. */
function mysqlAddress(address: string): { readonly uri: string; readonly ssl: Readonly<Record<string, unknown>> | undefined } {
  const url = URL.parse(address);
  if (url === null) return { uri: address, ssl: undefined };
  const query = url.searchParams;
  const off = (name: string): boolean => /^(false|0|no)$/i.test(query.get(name) ?? '');
  const named = ['ssl', 'ssl_ca', 'ssl_cert', 'ssl_key', 'ssl_check_hostname', 'ssl_verify_cert'].filter((name) =>
    query.has(name),
  );
  if (named.length === 0 || (named.length === 1 && off('ssl'))) {
    query.delete('ssl');
    return { uri: url.href, ssl: undefined };
  }
  const text = query.get('ssl') ?? '';
  const given = text.startsWith('{') ? parsedOptions(text) : {};
  const file = (name: string): Readonly<Record<string, Buffer>> => {
    const path = query.get(`ssl_${name}`);
    return path === null ? {} : { [name]: readPem(path, `ssl_${name}`) };
  };
  const files = { ...file('ca'), ...file('cert'), ...file('key') };
  // It compares with names alone; an address in its place would never fit.
  const verifyIdentity = !off('ssl_check_hostname') && isIP(url.hostname) === 0;
  const rejectUnauthorized = !off('ssl_verify_cert');
  for (const name of named) query.delete(name);
  return { uri: url.href, ssl: { rejectUnauthorized, verifyIdentity, ...files, ...given } };
}

function parsedOptions(text: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch {
    throw new ConfigurationError('The parameter ssl in the URL of the result store starts like JSON and is none.');
  }
}

function readPem(path: string, name: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new ConfigurationError(`The parameter ${name} names the file '${path}', which cannot be read.`, { cause });
  }
}

/** Node's own SQLite as kysely wants it. A file that another process is writing to is tried again later, without blocking this one. */
function sqliteDatabase(path: string): SqliteDatabase {
  const file = new (sqliteModule().DatabaseSync)(path, { timeout: 0 });
  file.exec('PRAGMA journal_mode=WAL');
  return {
    prepare: (text) => {
      // A transaction that reads first and writes then would be refused at once, instead of waiting for its turn.
      const statement = file.prepare(text === 'begin' ? 'begin immediate' : text);
      const all = (values: readonly unknown[]): unknown[] => statement.all(...(values as never[]));
      return {
        reader: statement.columns().length > 0,
        all,
        run: (values) => statement.run(...(values as never[])),
        iterate: (values) => statement.iterate(...(values as never[])) as IterableIterator<unknown>,
      };
    },
    close: () => file.close(),
  };
}

/** Errors after which the same call can succeed: lost lines, deadlocks, a database that starts or stops, a locked file. */
const PASSING =
  /^(ECONN|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_AGAIN|PROTOCOL_|08|57P0|40001|40P01|53300|ER_LOCK_|ER_CON_COUNT|ER_SERVER_SHUTDOWN|ER_CHECKREAD)/;

/** Of two transactions that wait for each other one is taken back whole, and is told so. */
const TAKEN_BACK = new Set<unknown>(['ER_LOCK_DEADLOCK', '40P01', '40001']);

/** Was nothing done, because somebody else did something at the same time? Then the same call succeeds in a moment. `error` is the client package's. */
export function isCrossed(error: unknown): boolean {
  return isBusy(error) || (error instanceof Error && 'code' in error && TAKEN_BACK.has(error.code));
}

/** An error of a client package in our words. */
export function sqlError(error: unknown): Error {
  if (error instanceof LovageError) return error;
  const { code, message = String(error) } = error as { readonly code?: unknown; readonly message?: string };
  const isLost =
    /Connection terminated|connection is in closed state|timeout exceeded when trying to connect|Can't add new command/.test(
      message,
    );
  const transient = isLost || isBusy(error) || (typeof code === 'string' && PASSING.test(code));
  return new BackendError(`The database failed: ${message}`, { cause: error, transient });
}
