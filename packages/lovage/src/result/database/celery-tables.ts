// Celery's own tables, shared with Python. Python keeps values as pickles there: plain ones are written and read, all others are refused.
// What Celery does not store is not stored here either: children, group and parent. Existing tables are never altered.
import { parseMeta, type ResultMeta, writeMeta } from '../../protocol/index.ts';
import { createSerialization } from '../../serialization/index.ts';
import { DecodeError, LovageError } from '../../util/index.ts';
import type { Connection, Db } from '../../util/sql-connect.ts';
import { isStored, mayStore } from '../rules.ts';
import type { StoredResult } from '../seam.ts';
import { unpickle } from './pickle-read.ts';
import { pickle } from './pickle-write.ts';
import { type ResultTables, sqlTime } from './tables.ts';

/** Names of the two tables, with their schemas. */
export interface CeleryNames {
  readonly task: readonly string[];
  readonly group: readonly string[];
}

interface Row {
  readonly task_id: string;
  readonly status: string;
  readonly result: Uint8Array | null;
  readonly date_done: string | null;
  readonly traceback: string | null;
  readonly name: string | null;
  readonly args: Uint8Array | string | null;
  readonly kwargs: Uint8Array | string | null;
  readonly worker: string | null;
  readonly retries: number | null;
  readonly queue: string | null;
}

// What the record says is all that counts, so tags stay as they are: `{"__type__": …}` is a dictionary for Python, too.
const serialization = createSerialization({ jsonTypes: 'plain' });
const ACCEPT = serialization.accept(['json', 'msgpack', 'yaml']);
const tagged = createSerialization();
const COLUMNS = 'task_id, status, result, traceback, name, args, kwargs, worker, retries, queue';

/** The tables, under these names. */
export function celeryTables(names: CeleryNames): ResultTables {
  const task = names.task.join('.');
  const select = async (connection: Connection, db: Db, ids: readonly string[], lock: boolean): Promise<readonly Row[]> => {
    const { sql, kind } = connection;
    // As text: a client package would read a moment without a zone in its own.
    const done = kind === 'postgresql' ? 'date_done::text' : 'cast(date_done as char)';
    const columns = sql.raw(`${COLUMNS}, ${kind === 'sqlite' ? 'date_done' : `${done} as date_done`}`);
    const found = await sql<Row>`select ${columns} from ${sql.table(task)} where task_id in (${sql.join(ids)})
      order by task_id ${sql.raw(lock && kind !== 'sqlite' ? 'for update' : '')}`.execute(db);
    return found.rows;
  };

  return {
    create: (connection) => create(connection, names),
    put: async (connection, db, results) => {
      const { sql, kind } = connection;
      // Rows that are not there cannot be locked, so they are made first; nobody sees them before the commit.
      const rows = sql.join(results.map(({ id }) => sql`(${id}, 'PENDING')`));
      const ignore = sql.raw(kind === 'mysql' ? 'ignore ' : '');
      const otherwise = sql.raw(kind === 'mysql' ? '' : 'on conflict (task_id) do nothing');
      await sql`insert ${ignore}into ${sql.table(task)} (task_id, status) values ${rows} ${otherwise}`.execute(db);
      const ids = results.map(({ id }) => id);
      const there = new Map((await select(connection, db, ids, true)).map((row) => [row.task_id, row]));
      const refused: string[] = [];
      for (const result of results) {
        const row = there.get(result.id);
        const stored = row === undefined ? undefined : resultOf(row);
        if (mayStore(result, stored, undefined)) await write(connection, db, task, result);
        else if (stored === undefined || !isRepeat(result, stored)) refused.push(result.id);
      }
      return refused;
    },
    get: async (connection, ids) => (await select(connection, connection.db, ids, false)).flatMap((row) => resultOf(row) ?? []),
    forget: async ({ sql, db }, ids) => {
      await sql`delete from ${sql.table(task)} where task_id in (${sql.join(ids)})`.execute(db);
    },
    cleanup: async ({ sql, db }, limit) => {
      if (limit === undefined) return 0;
      const before = sqlTime(limit);
      const results = await sql`delete from ${sql.table(task)} where date_done < ${before}`.execute(db);
      await sql`delete from ${sql.table(names.group.join('.'))} where date_done < ${before}`.execute(db);
      return Number(results.numAffectedRows ?? 0);
    },
  };
}

async function write({ sql }: Connection, db: Db, task: string, result: StoredResult): Promise<void> {
  const meta = metaOf(result);
  const text = (value: unknown): Buffer | null => (value === undefined ? null : Buffer.from(JSON.stringify(value)));
  const done = meta.dateDone === undefined ? null : sqlTime(new Date(meta.dateDone));
  await sql`update ${sql.table(task)} set status = ${meta.status}, result = ${pickle(meta.result)}, date_done = ${done},
    traceback = ${meta.traceback ?? null}, name = ${meta.name ?? null}, args = ${text(meta.args)}, kwargs = ${text(meta.kwargs)},
    worker = ${meta.worker ?? null}, retries = ${meta.retries ?? null}, queue = ${meta.queue ?? null}
    where task_id = ${result.id}`.execute(db);
}

/** The record in a result at rest, whichever serializer wrote it; undefined content is the app's JSON. */
function metaOf({ id, body, contentType, contentEncoding }: StoredResult): ResultMeta {
  const type = contentType === '' ? 'application/json' : contentType;
  const encoding = contentEncoding === '' ? 'utf-8' : contentEncoding;
  return parseMeta(serialization.decode({ body, contentType: type, contentEncoding: encoding }, ACCEPT), id);
}

/** Rows lose bytes as they were, so a repeat is known by what it says. */
function isRepeat(result: StoredResult, stored: StoredResult): boolean {
  if (isStored(result, new Map([[result.id, stored]]))) return true;
  if (stored.unreadable !== undefined || stored.state !== result.state) return false;
  return pickle(metaOf(result).result).equals(pickle(metaOf(stored).result));
}

function resultOf(row: Row): StoredResult | undefined {
  // A row that only says PENDING says nothing.
  if (row.status === 'PENDING') return undefined;
  const base = { id: row.task_id, state: row.status, attempt: 1 };
  try {
    const { body, contentType, contentEncoding } = tagged.encode(writeMeta(readRow(row)), 'json');
    return { ...base, body, contentType, contentEncoding };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const unreadable =
      error instanceof LovageError ? new DecodeError(`Task ${row.task_id}: ${why}`, { cause: error }) : new DecodeError(why);
    return { ...base, body: new Uint8Array(), contentType: '', contentEncoding: '', unreadable };
  }
}

function readRow(row: Row): ResultMeta {
  const json = (value: Uint8Array | string | null): unknown =>
    value === null ? undefined : JSON.parse(typeof value === 'string' ? value : Buffer.from(value).toString('utf8'));
  const args = json(row.args);
  const kwargs = json(row.kwargs);
  return {
    taskId: row.task_id,
    status: row.status,
    result: row.result === null ? null : unpickle(row.result),
    traceback: row.traceback ?? undefined,
    dateDone: row.date_done === null ? undefined : `${row.date_done.replace(' ', 'T')}+00:00`,
    name: row.name ?? undefined,
    args: Array.isArray(args) ? args : undefined,
    kwargs: typeof kwargs === 'object' && kwargs !== null ? (kwargs as Record<string, unknown>) : undefined,
    worker: row.worker ?? undefined,
    retries: row.retries ?? undefined,
    queue: row.queue ?? undefined,
  };
}

async function create({ sql, kind, db }: Connection, names: CeleryNames): Promise<void> {
  // SQLAlchemy would make MySQL's of 64 kB; a longer one is the same to Python.
  const bytes = { postgresql: 'bytea', mysql: 'longblob', sqlite: 'blob' }[kind];
  const moment = { postgresql: 'timestamp', mysql: 'datetime(6)', sqlite: 'datetime' }[kind];
  const idOf = (sequence: string): string =>
    ({
      // SQLAlchemy asks the sequence by name before it inserts.
      postgresql: `integer not null default nextval('${sequence}') primary key`,
      mysql: 'integer not null auto_increment primary key',
      sqlite: 'integer not null primary key autoincrement',
    })[kind];
  const extended = `name varchar(155), args ${bytes}, kwargs ${bytes}, worker varchar(155), retries integer, queue varchar(155)`;
  const tables = [
    [
      names.task,
      'task_id_sequence',
      `task_id varchar(155) unique, status varchar(50), result ${bytes}, date_done ${moment}, traceback text, ${extended}`,
    ],
    [names.group, 'taskset_id_sequence', `taskset_id varchar(155) unique, result ${bytes}, date_done ${moment}`],
  ] as const;
  for (const [name, sequence, columns] of tables) {
    const schema = name.length > 1 ? `${name[0]}.` : '';
    if (kind === 'postgresql') await sql`create sequence if not exists ${sql.raw(`${schema}${sequence}`)}`.execute(db);
    await sql`create table if not exists ${sql.table(name.join('.'))} (id ${sql.raw(`${idOf(`${schema}${sequence}`)}, ${columns}`)})`.execute(
      db,
    );
  }
}
