// Results in a SQL database: PostgreSQL, MariaDB or MySQL, SQLite. In tables of its own, or (transport option `tables: 'celery'`) in those
// that Python's Celery uses. Waits ask for all ids at once, every half second.
import { ConfigurationError, LovageError, readOptionNames, redactUrl } from '../util/index.ts';
import { type Connection, connectSql, type Db, sqlError, sqlPlace } from '../util/sql-connect.ts';
import { celeryTables } from './database/celery-tables.ts';
import { type OwnNames, ownTables } from './database/own-tables.ts';
import type { ResultTables } from './database/tables.ts';
import type { GroupStore } from './group-seam.ts';
import { POLL_INTERVAL } from './kv-backend.ts';
import { storableKey } from './kv-names.ts';
import { createKeyWatch } from './kv-watch.ts';
import { patient } from './patience.ts';
import { DEFAULT_RETRY } from './retry.ts';
import type { RevokeStore } from './revokes.ts';
import type { BackendOptions, ResultBackend, StoredResult } from './seam.ts';

/** Ids in one statement at most. */
const CHUNK = 500;
/** Names of PostgreSQL's and MySQL's clients in Python: settings of theirs mean nothing here. */
const IGNORED = ['engineOptions', 'shortLivedSessions', 'globalKeyprefix'];
const OPTIONS = ['tables', 'tableNames', 'tableSchemas', 'createTables', 'pollInterval'];

/** Opens the backend; connects, and makes its tables, at the first call. */
export function open(options: BackendOptions): ResultBackend {
  const given = readOptionNames('The result store in SQL', options.transportOptions, { names: OPTIONS, ignored: IGNORED });
  const place = sqlPlace(options.url);
  const { tables, maxId } = tablesOf(given);
  const closing = new AbortController();
  const name = `database (${place.kind})`;
  let opening: Promise<Connection> | undefined;
  let made: Promise<void> | undefined;

  const patiently = <T>(call: () => Promise<T>): Promise<T> => {
    const inOurWords = (): Promise<T> =>
      call().catch((error: unknown) => {
        throw sqlError(error);
      });
    return patient(inOurWords, { name, policy: options.retry ?? DEFAULT_RETRY, closing: closing.signal });
  };

  async function connection(): Promise<Connection> {
    opening ??= connectSql(place, options.connectTimeout);
    const connected = await opening.catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    made ??= createOnce(tables, connected, given.createTables !== false);
    await made.catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return connected;
  }

  const within = <T>(work: (connected: Connection, db: Db) => Promise<T>): Promise<T> =>
    patiently(async () => {
      const connected = await connection();
      return connected.db.transaction().execute((transaction) => work(connected, transaction));
    });

  const { keyOf, idsOf } = keysOf(maxId);

  async function get(ids: readonly string[]): Promise<ReadonlyMap<string, StoredResult>> {
    const named = idsOf(ids);
    const found = new Map<string, StoredResult>();
    for (const part of chunks([...named.keys()])) {
      const results = await patiently(async () => tables.get(await connection(), part));
      for (const result of results) for (const id of named.get(result.id) ?? []) found.set(id, { ...result, id });
    }
    return found;
  }

  /** What the database refuses for good (a value too long for its column, say) keeps nothing else from being stored. */
  async function putRows(rows: readonly StoredResult[]): Promise<readonly string[]> {
    try {
      return await within((connected, db) => tables.put(connected, db, rows));
    } catch (error) {
      if (rows.length < 2 || !(error instanceof LovageError) || error.transient) throw error;
    }
    const each = await Promise.allSettled(rows.map((row) => within((connected, db) => tables.put(connected, db, [row]))));
    const failed = each.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return each.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []));
  }

  async function put(results: readonly StoredResult[]): Promise<readonly string[]> {
    const refused: string[] = [];
    for (const wave of waves(results))
      for (const part of chunks(wave)) {
        const rows = part.map((result) => ({ ...result, id: keyOf(result.id) }));
        const keys = new Set(await putRows(rows));
        refused.push(...part.map(({ id }) => id).filter((id) => keys.has(keyOf(id))));
      }
    watch.written(results.map(({ id }) => id));
    return refused;
  }

  const watch = createKeyWatch({
    interval: given.pollInterval === undefined ? POLL_INTERVAL : Number(given.pollInterval),
    read: async (ids) => (await get(ids)).values(),
  });
  const { fence } = tables;
  const read = <T>(work: (connected: Connection) => Promise<T>): Promise<T> => patiently(async () => work(await connection()));
  return {
    name,
    url: redactUrl(options.url),
    features: { persistent: true, fence: fence !== undefined, autoExpire: false, states: true },
    put,
    get,
    watch: (ids, signal) => watch.watchers.watch(ids, signal),
    listen: (ids, receiver) => watch.watchers.listen(ids, receiver),
    forget: async (ids) => {
      for (const part of chunks(ids.map(keyOf))) await patiently(async () => tables.forget(await connection(), part));
    },
    ...(fence === undefined
      ? {}
      : {
          fence: async (id: string, attempt: number, expires: number | undefined) => {
            const fenced = await within((connected, db) => fence(connected, db, { id: keyOf(id), attempt, expires }));
            return { ...fenced, stored: fenced.stored && { ...fenced.stored, id } };
          },
        }),
    ...(tables.chords === undefined ? {} : { chords: tables.chords({ within, read, expires: options.expires }) }),
    ...(tables.revokes === undefined ? {} : { revokes: patientRevokes(tables.revokes(connection), patiently) }),
    ...(tables.groups === undefined ? {} : { groups: patientGroups(tables.groups(connection), patiently) }),
    cleanup: () => {
      const { expires } = options;
      const limit = expires === undefined ? undefined : new Date(Date.now() - expires * 1000);
      return patiently(async () => tables.cleanup(await connection(), limit));
    },
    check: async () => {
      const { sql, db } = await connection().catch((error: unknown) => {
        throw sqlError(error);
      });
      await sql`select 1`.execute(db);
    },
    [Symbol.asyncDispose]: async () => {
      if (closing.signal.aborted) return;
      closing.abort();
      watch.close();
      const connected = await opening?.catch(() => undefined);
      await connected?.db.destroy();
    },
  };
}

/** Times that tables are made: as many as there are. */
const CREATIONS = 5;

/** Two processes that make one table at once: PostgreSQL refuses the second, who then finds it there, and may meet the first at the next. */
async function createOnce(tables: ResultTables, connected: Connection, wanted: boolean): Promise<void> {
  if (!wanted) return;
  for (let left = CREATIONS; left > 0; left--) {
    try {
      return await tables.create(connected);
    } catch {
      // Whoever was quicker has made it.
    }
  }
  await tables.create(connected);
}

/** The tables that the options ask for, and the longest id that their columns take. */
function tablesOf(given: Readonly<Record<string, unknown>>): { readonly tables: ResultTables; readonly maxId: number } {
  const kind = given.tables ?? 'own';
  if (kind !== 'own' && kind !== 'celery')
    throw new ConfigurationError(
      `The transport option tables is ${JSON.stringify(kind)}. Use 'own' for Lovage's tables, or 'celery' for those shared with Python.`,
    );
  const placed = (key: keyof OwnNames, fallback: string): readonly string[] => {
    const [name, schema] = [entry(given.tableNames, key), entry(given.tableSchemas, key)];
    return [...(schema === undefined ? [] : [schema]), name ?? fallback];
  };
  if (kind === 'celery') {
    const names = { task: placed('task', 'celery_taskmeta'), group: placed('group', 'celery_tasksetmeta') };
    return { tables: celeryTables(names), maxId: 155 };
  }
  const names = {
    task: placed('task', 'lovage_results'),
    group: placed('group', 'lovage_result_groups'),
    revokes: placed('revokes', 'lovage_revokes'),
    chords: placed('chords', 'lovage_result_chords'),
    chordParts: placed('chordParts', 'lovage_result_chord_parts'),
  };
  return { tables: ownTables(names), maxId: 255 };
}

function entry(map: unknown, key: string): string | undefined {
  const value =
    typeof map === 'object' && map !== null && Object.hasOwn(map, key) ? (map as Record<string, unknown>)[key] : undefined;
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string' || !/^\w+$/.test(value))
    throw new ConfigurationError(`${JSON.stringify(value)} is no name of a table or schema: use letters, digits and '_'.`);
  return value;
}

/** Ids as a column takes them: one that is too long, or has a zero in it, goes by a digest. */
function keysOf(maxId: number) {
  const keyOf = (id: string): string => storableKey(id, /\0/, maxId);
  const idsOf = (ids: readonly string[]): ReadonlyMap<string, readonly string[]> => Map.groupBy(new Set(ids), keyOf);
  return { keyOf, idsOf };
}

/** The same results in calls in which no id comes twice, each sorted: everybody locks rows in one order, so that nobody waits in a circle. */
function waves(results: readonly StoredResult[]): readonly (readonly StoredResult[])[] {
  const count = new Map<string, number>();
  const turns = Map.groupBy(results, ({ id }) => {
    const turn = count.get(id) ?? 0;
    count.set(id, turn + 1);
    return turn;
  });
  return [...turns.values()].map((wave) => wave.toSorted((a, b) => (a.id < b.id ? -1 : 1)));
}

function chunks<T>(items: readonly T[]): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / CHUNK) }, (_, at) => items.slice(at * CHUNK, (at + 1) * CHUNK));
}

function patientRevokes(revokes: RevokeStore, patiently: <T>(call: () => Promise<T>) => Promise<T>): RevokeStore {
  return {
    add: (scope, texts, limits) => patiently(() => revokes.add(scope, texts, limits)),
    load: (scope) => patiently(() => revokes.load(scope)),
  };
}

function patientGroups(groups: GroupStore, patiently: <T>(call: () => Promise<T>) => Promise<T>): GroupStore {
  return {
    put: (stored) => patiently(() => groups.put(stored)),
    get: (ids) => patiently(() => groups.get(ids)),
    delete: (ids) => patiently(() => groups.delete(ids)),
  };
}
