// Results in the SQLite file that the embedded broker uses too, so that a result and its ack commit together.
// Other processes hear of a ready result through the file's wake-ups; a lost one costs a second at most (util/sqlite-file.ts).
import {
  BackendError,
  BrokerConnectionError,
  BrokerError,
  BrokerFullError,
  openSqliteFile,
  type SqliteConnection,
  type SqliteFile,
  sqliteLocation,
} from '../util/index.ts';
import { type BackendOptions, READY_STATES, type ResultBackend, type StoredResult } from './seam.ts';
import { CHORD_SCHEMA, createSqliteChords, trimChords } from './sqlite-chords.ts';
import { GROUP_SCHEMA, type SqliteAccess, sqliteGroups } from './sqlite-groups.ts';
import { createRetention } from './sqlite-retention.ts';
import { REVOKE_SCHEMA, sqliteRevokes } from './sqlite-revokes.ts';
import { fenceRow, forgetRows, putRows, SCHEMA as RESULT_SCHEMA, readRows, trimRows } from './sqlite-rows.ts';
import { closedBackend, createWatchers, type Watchers } from './watchers.ts';

/** Where ready results are announced, with their ids. */
const CHANNEL = 'results';
/** More ids than these are announced as "look": a line to another process must stay small. */
const MAX_ANNOUNCED = 200;
/** Results of so many bytes go along with their announcement, so that who waits need not read them. */
const MAX_TOLD_BYTES = 16_000;
/** Expired results are deleted along with a put, once in this time (ms), this many. */
const TRIM_EVERY = 1000;
const TRIM_ROWS = 5000;
/** Results deleted in one transaction by a clean-up. */
const CLEANUP_ROWS = 1000;

const SCHEMA = RESULT_SCHEMA + GROUP_SCHEMA + REVOKE_SCHEMA;

/** Opens the backend; the file is touched at the first call. */
export function open(options: BackendOptions): ResultBackend {
  const { path, durability } = sqliteLocation(options.url, options.appName, options.transportOptions);
  const file = openSqliteFile(path, { schema: `${SCHEMA}${CHORD_SCHEMA}`, durability });
  const watch = watchFile(file);
  const retention = createRetention(options.retention);
  let trimmed = 0;
  let hasTables = false;

  function isTimeToTrim(): boolean {
    if (performance.now() - trimmed < TRIM_EVERY) return false;
    trimmed = performance.now();
    return true;
  }

  /** The put as a piece of somebody's transaction. It may run twice, so what it decides by the clock is decided before. */
  function put(results: readonly StoredResult[]): (db: SqliteConnection) => readonly string[] {
    const trim = isTimeToTrim();
    retention.writes(results);
    return (db) => {
      const refused = putRows(db, results);
      retention.enforce(db);
      if (trim) {
        trimRows(db, TRIM_ROWS);
        trimChords(db, TRIM_ROWS);
      }
      announce(db, refused.length === 0 ? results : results.filter(({ id }) => !refused.includes(id)));
      return refused;
    };
  }

  /** The transaction is the broker's, who does not make our tables. */
  function jointPut(results: readonly StoredResult[]): (db: SqliteConnection) => void {
    const write = put(results);
    return (db) => {
      prepare(db);
      write(db);
    };
  }

  function prepare(db: SqliteConnection): void {
    if (!hasTables) db.exec(`${SCHEMA}${CHORD_SCHEMA}`);
    hasTables = true;
  }

  const access: SqliteAccess = { read: (work) => ours(file.read(work)), write: (work) => ours(file.write(work)) };
  return {
    name: 'sqlite',
    url: `sqlite://${file.path}`,
    database: file.database,
    features: { persistent: true, fence: true, autoExpire: true, states: true, messages: true, retention: true },
    put: (results) => (results.length === 0 ? Promise.resolve([]) : ours(file.write(put(results)))),
    jointPut: (results) => ({ database: file.database, payload: jointPut(results) }),
    get: async (ids) => new Map((await ours(file.read((db) => readRows(db, ids)))).map((result) => [result.id, result])),
    watch: (ids, signal) => watch.watchers.watch(ids, signal),
    listen: (ids, receiver) => watch.watchers.listen(ids, receiver),
    forget: (ids) => ours(file.write((db) => forgetRows(db, ids))),
    fence: (id, attempt, expires) =>
      ours(
        file.write((db) => {
          const highest = fenceRow(db, id, attempt, expires);
          return { stored: readRows(db, [id])[0], attempt: highest };
        }),
      ),
    groups: sqliteGroups(access),
    revokes: sqliteRevokes(access),
    cleanup: async () => {
      for (let all = 0; ; ) {
        const some = await ours(
          file.write((db) => {
            trimChords(db, CLEANUP_ROWS);
            return trimRows(db, CLEANUP_ROWS) + retention.enforce(db);
          }),
        );
        all += some;
        if (some < CLEANUP_ROWS) return all;
      }
    },
    chords: createSqliteChords({ file, expires: options.expires, named: ours, prepare }),
    check: async () => {
      await ours(file.read((db) => readRows(db, [])));
    },
    [Symbol.asyncDispose]: async () => {
      watch.close();
      await file[Symbol.asyncDispose]();
    },
  };
}

/** Tells who waits: the results themselves when they are small, else their ids, else that there is something. */
function announce(db: SqliteConnection, results: readonly StoredResult[]): void {
  if (results.length === 0) return;
  const bytes = results.reduce((sum, { body }) => sum + body.byteLength, 0);
  if (bytes <= MAX_TOLD_BYTES) db.notify(CHANNEL, JSON.stringify(results.map(told)));
  else db.notify(CHANNEL, results.length > MAX_ANNOUNCED ? undefined : JSON.stringify(results.map(({ id }) => [id])));
}

/** A result in a wake-up; its id alone where its reader shall look. */
type Told = readonly [
  id: string,
  rest?: readonly [state: string, body: string, contentType: string, contentEncoding: string, attempt: number],
];

function told({ id, state, body, contentType, contentEncoding, attempt }: StoredResult): Told {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1');
  return [id, [state, text, contentType, contentEncoding, attempt]];
}

function resultOf(id: string, [state, text, contentType, contentEncoding, attempt]: NonNullable<Told[1]>): StoredResult {
  return { id, state, body: Buffer.from(text, 'latin1'), contentType, contentEncoding, attempt };
}

/** Hears of results as long as anybody waits for one. */
function watchFile(file: SqliteFile): { readonly watchers: Watchers; close(): void } {
  let listening: Disposable | undefined;
  const watchers = createWatchers({
    begin: async (ids) => {
      // Listening comes first, so nothing is stored unheard between the read and the first wake-up.
      listening ??= file.onChange(CHANNEL, hear);
      await look(ids);
    },
    end: () => {
      if (watchers.ids().length > 0) return;
      listening?.[Symbol.dispose]();
      listening = undefined;
    },
  });

  /** What is there already is told of once it is an end: other states are heard when they are stored. */
  async function look(ids: readonly string[], all = false): Promise<void> {
    if (ids.length === 0) return;
    for (const result of await ours(file.read((db) => readRows(db, ids))))
      if (all || READY_STATES.has(result.state)) watchers.deliver(result);
  }

  function hear(payload: string | undefined): void {
    const unread: string[] = [];
    for (const [id, rest] of payload === undefined ? watchers.ids().map((id): Told => [id]) : (JSON.parse(payload) as Told[])) {
      if (!watchers.has(id)) continue;
      if (rest === undefined) unread.push(id);
      else watchers.deliver(resultOf(id, rest));
    }
    look(unread, payload !== undefined).catch((error: unknown) => watchers.fail(error));
  }

  return {
    watchers,
    close: () => {
      watchers.fail(closedBackend());
      listening?.[Symbol.dispose]();
      listening = undefined;
    },
  };
}

/** The file speaks of the broker, which it was written for; whoever waits for a result has a backend. */
async function ours<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    const transient = error instanceof BrokerConnectionError || error instanceof BrokerFullError;
    throw new BackendError(`Result backend: ${error.message}`, { cause: error, transient });
  }
}
