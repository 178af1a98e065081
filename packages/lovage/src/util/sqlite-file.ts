// One SQLite file that several processes share: one connection and one writer per path and process, wake-ups between processes.
// Used by the embedded broker and the embedded result store; both get the same connection, so their writes can commit jointly.
import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { sleep } from './deadline.ts';
import { BrokerConnectionError, BrokerFullError } from './errors.ts';
import { logger } from './logger.ts';
import {
  checkSoundness,
  type Durability,
  explain,
  isBusy,
  isDamaged,
  openDatabase,
  setDurability,
  statementCache,
} from './sqlite-engine.ts';
import { type Listener, type Mailbox, openMailbox } from './sqlite-mailbox.ts';
import { createReserve } from './sqlite-reserve.ts';
import { salvage } from './sqlite-salvage.ts';
import { createWriter, type WriteOptions, type Writer } from './sqlite-writer.ts';

/** A file that is damaged again right after it was saved lies on a broken disk. */
const MAX_SALVAGES = 2;
/** How often waiters look whether another process changed the file, when no wake-up came (ms). */
const POLL_MS = 1000;

const SCHEMA = `CREATE TABLE IF NOT EXISTS lovage_listeners (
  channel TEXT NOT NULL, address TEXT NOT NULL, PRIMARY KEY (channel, address)) WITHOUT ROWID;`;

export interface SqliteFileOptions {
  /** Statements that create what this user needs (`CREATE … IF NOT EXISTS`); run once before the first read or write. */
  readonly schema: string;
  /** @default 'process' */
  readonly durability?: Durability;
  /** Of the tables of `schema`: those that speak of processes, whose rows mean nothing in a new file. */
  readonly ofProcesses?: readonly string[];
  /** A question whose `sound` is 0 when the rows of `schema` do not fit together; asked at each start of a small file. */
  readonly sound?: string;
  /** Mends the rows of `schema` that were saved from a damaged file. May run more than once. */
  readonly mend?: (database: DatabaseSync) => void;
}

/** What a piece of work inside a transaction sees. */
export interface SqliteConnection {
  /**
   * A prepared statement, prepared once per text. Write `LIMIT ? + 0`: a bare parameter there makes SQLite plan the statement anew each
   * time it is bound, which takes ten times as long as a short statement runs.
   */
  statement(sql: string): StatementSync;
  exec(sql: string): void;
  /** After the commit: calls the listeners of `channel` in every process. */
  notify(channel: string, payload?: string): void;
  /** After the commit: calls the listeners of `channel` in the one process that has this address. */
  post(address: string, channel: string, payload?: string): void;
}

export interface SqliteFile extends AsyncDisposable {
  /** Absolute, symbolic links resolved. */
  readonly path: string;
  /** Names this database towards others that could commit jointly: `sqlite:` and the path. */
  readonly database: string;
  /** Runs `work` in a transaction, together with all other writes of this turn. It may run more than once, so it must only touch the file. */
  write<T>(work: (db: SqliteConnection) => T, options?: WriteOptions): Promise<T>;
  /** Runs `work` outside of a transaction. */
  read<T>(work: (db: SqliteConnection) => T): Promise<T>;
  /**
   * Calls `listener` after somebody, in any process, notified `channel`. With an undefined payload it means only "something
   * changed, look": so it is called also when the file changed and no wake-up came, within a second. Never keeps the process alive.
   */
  onChange(channel: string, listener: Listener): Disposable;
  notify(channel: string, payload?: string): Promise<void>;
  /** Where others post to this process (see `SqliteConnection.post`); listens from then on. */
  address(): Promise<string>;
  /** As `onChange`, but only for what is posted to this process. */
  onPost(channel: string, listener: Listener): Disposable;
}

/** The path with symbolic links resolved, also where the last parts do not exist yet. */
function canonicalPath(path: string): string {
  const full = resolve(path);
  if (existsSync(full)) return realpathSync(full);
  const folder = dirname(full);
  return folder === full ? full : join(canonicalPath(folder), basename(full));
}

/** Opens a file, or joins those in this process who have it open. Nothing is touched before the first read or write. */
export function openSqliteFile(path: string, options: SqliteFileOptions): SqliteFile {
  const canonical = canonicalPath(path);
  let shared = open.get(canonical);
  if (shared === undefined) {
    shared = createShared(canonical, options.durability ?? 'process');
    open.set(canonical, shared);
  }
  shared.users++;
  return createHandle(shared, options);
}

const log = logger('sqlite');

// Not application state: SQLite itself needs that a process opens a file once, or its locks undo each other.
const open = new Map<string, Shared>();

/** The one connection of this process to a path. */
interface Shared {
  readonly path: string;
  readonly writer: Writer;
  readonly mailbox: Mailbox;
  readonly connection: SqliteConnection;
  users: number;
  /** Which life of the file: a file that was deleted under us is made anew. */
  life: number;
  durability: Durability;
  /** What its users said when they joined. */
  readonly parts: Set<SqliteFileOptions>;
  /** Called with each error of SQLite. */
  noticed(error: unknown): void;
  /** Is the file at the path another than the one that is open? Then that one is closed. */
  isReplaced(): boolean;
  ready(): Promise<void>;
  strengthen(durability: Durability): void;
  startPolling(): void;
  close(): Promise<void>;
}

function createShared(path: string, durability: Durability): Shared {
  let database: DatabaseSync | undefined;
  let opening: Promise<void> | undefined;
  let prepared: ((sql: string) => StatementSync) | undefined;
  let inode = 0;
  let checkedAt = 0;
  let outbox: { readonly address: string; readonly channel: string; readonly payload: string | undefined }[] = [];
  let poll: NodeJS.Timeout | undefined;
  let seenVersion: unknown;

  const statement = (sql: string): StatementSync => {
    if (prepared === undefined) throw new BrokerConnectionError(`${path}: the file is closed.`);
    return prepared(sql);
  };

  const connection: SqliteConnection = {
    statement,
    exec: (sql) => database?.exec(sql),
    notify: (channel, payload) => {
      for (const row of statement('SELECT address FROM lovage_listeners WHERE channel = ?').all(channel)) {
        outbox.push({ address: String(row.address), channel, payload });
      }
    },
    post: (address, channel, payload) => outbox.push({ address, channel, payload }),
  };

  const mailbox = openMailbox(path, (address) => {
    // Whoever listened there is dead.
    if (database === undefined) return;
    shared.writer.write(() => statement('DELETE FROM lovage_listeners WHERE address = ?').run(address)).catch(() => undefined);
  });

  const reserve = createReserve(path);
  let reserving: Promise<void> | undefined;

  const writer = createWriter({
    makeRoom,
    refusal: () =>
      reserve.isSpent
        ? new BrokerFullError(
            `${path}: the disk is full. What is left of it is kept for acknowledgements and results; free some space and send again.`,
          )
        : undefined,
    begin: () => {
      if (isReplaced())
        throw new BrokerConnectionError(
          `${path}: the file was deleted or replaced while it was in use. It is opened anew; what was in it is gone.`,
        );
      statement('BEGIN IMMEDIATE').run();
    },
    commit: () => statement('COMMIT').run(),
    rollback: () => {
      outbox = [];
      if (database?.isTransaction) database.exec('ROLLBACK');
    },
    committed: () => {
      if (outbox.length === 0) return;
      const letters = outbox;
      outbox = [];
      for (const letter of letters) mailbox.post(letter.address, letter.channel, letter.payload);
    },
    explain: (error) => {
      shared.noticed(error);
      return explain(error, path);
    },
  });

  async function start(): Promise<void> {
    for (let damages = 0; ; ) {
      try {
        refuseEmpty();
        database = openDatabase(path, shared.durability);
        for (const { schema } of shared.parts) database.exec(schema);
        // What was saved just now fits together as well as it can.
        checkSoundness(database, path, damages > 0 ? [] : [...shared.parts]);
        prepared = statementCache(database);
        inode = statSync(path).ino;
        checkedAt = performance.now();
        database.exec(SCHEMA);
        reserving = reserve.prepare();
        return;
      } catch (error) {
        shut();
        if (isDamaged(error) && damages++ < MAX_SALVAGES) save();
        else if (!isBusy(error)) throw explain(error, path);
        await sleep(0.002 + Math.random() * 0.008);
      }
    }
  }

  function makeRoom(): boolean {
    if (!reserve.release()) return false;
    log.error(
      '{path}: the disk is full. Its reserve is used for what is being finished; new messages are refused until there is room.',
      {
        path,
      },
    );
    try {
      // What lies in the log goes to its place, and the log begins anew.
      database?.exec('PRAGMA wal_checkpoint(PASSIVE)');
    } catch {
      // The write that needs the room tells.
    }
    return true;
  }

  /** SQLite takes an empty file for a new one, and deletes the log that belongs to it. */
  function refuseEmpty(): void {
    if (statSync(path, { throwIfNoEntry: false })?.size !== 0) return;
    if ((statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0) save();
  }

  /** Moves a damaged file aside, with all that can be read of it in a new one. */
  function save(): void {
    const parts = [...shared.parts];
    const found = salvage(path, statSync(path, { throwIfNoEntry: false })?.ino, {
      schemas: [SCHEMA, ...parts.map(({ schema }) => schema)],
      forget: ['lovage_listeners', ...parts.flatMap(({ ofProcesses = [] }) => ofProcesses)],
      mend: parts.flatMap(({ mend }) => mend ?? []),
    });
    if (found === undefined) return;
    const { kept, rows, holes } = found;
    log.error('{path} was damaged. It lies at {kept} now; saved were {rows}. Not all could be read of: {holes}.', {
      path,
      kept,
      rows: Object.entries(rows)
        .map(([table, count]) => `${count} of ${table}`)
        .join(', '),
      holes: holes.join(', ') || 'none',
    });
  }

  /** After an error that says so the file is opened anew, which saves what there is. */
  function noticed(error: unknown): void {
    if (!isDamaged(error) || database === undefined) return;
    shut();
    // Opening may find nothing wrong with the first page, so the saving is done here.
    try {
      if (statSync(path, { throwIfNoEntry: false })?.ino === inode) save();
    } catch (error) {
      // Nobody stands above a write to catch it: the next one tells.
      log.error('{path} is damaged, and could not be saved: {error}', { path, error });
    }
    shared.life++;
  }

  function shut(): void {
    prepared = undefined;
    if (database?.isOpen) database.close();
    database = undefined;
    opening = undefined;
  }

  /** Once a second: is the file that we hold still the one at that path? Writing to a deleted one would lose everything. */
  function isReplaced(): boolean {
    const now = performance.now();
    if (now - checkedAt < POLL_MS || database === undefined) return false;
    checkedAt = now;
    if (statSync(path, { throwIfNoEntry: false })?.ino === inode) return false;
    log.error('{path}: the file was deleted or replaced while it was in use. It is opened anew.', { path });
    shut();
    shared.life++;
    return true;
  }

  function look(): void {
    if (database === undefined || !mailbox.hasListeners) return;
    try {
      isReplaced();
      const version = statement('PRAGMA data_version').get()?.data_version;
      if (version === seenVersion) return;
      seenVersion = version;
    } catch (error) {
      if (isBusy(error)) return;
    }
    mailbox.deliver(undefined, undefined);
  }

  const shared: Shared = {
    path,
    writer,
    mailbox,
    connection,
    users: 0,
    life: 1,
    durability,
    parts: new Set(),
    noticed,
    isReplaced,
    ready: () => {
      opening ??= start().catch((error: unknown) => {
        opening = undefined;
        throw error;
      });
      return opening;
    },
    strengthen: (wanted) => {
      if (wanted !== 'power' || shared.durability === 'power') return;
      shared.durability = wanted;
      if (database !== undefined) setDurability(database, wanted);
    },
    startPolling: () => {
      poll ??= setInterval(look, POLL_MS).unref();
    },
    close: async () => {
      clearInterval(poll);
      const { own } = mailbox;
      if (own !== undefined && database !== undefined) {
        await writer.write(() => statement('DELETE FROM lovage_listeners WHERE address = ?').run(own)).catch(() => undefined);
      }
      await writer.idle();
      await mailbox[Symbol.asyncDispose]();
      await opening?.catch(() => undefined);
      await reserving;
      shut();
    },
  };
  return shared;
}

function createHandle(shared: Shared, options: SqliteFileOptions): SqliteFile {
  let readyLife = 0;
  let preparing: Promise<void> | undefined;
  let closed = false;
  const registrations = new Map<string, number>();
  shared.parts.add(options);
  shared.strengthen(options.durability ?? 'process');

  /** Opens the file and creates this user's tables, once per life of the file. */
  async function prepare(): Promise<void> {
    if (closed) throw new BrokerConnectionError(`${shared.path}: was closed by this program.`);
    await shared.ready();
    const life = shared.life;
    // All tables that anybody here will want, while there is room for them.
    await shared.writer.write(() => {
      for (const { schema } of shared.parts) shared.connection.exec(schema);
    });
    readyLife = life;
    for (const [channel, registeredLife] of registrations) if (registeredLife !== life) register(channel);
  }

  function ready(): Promise<void> | undefined {
    if (readyLife === shared.life && !closed) return undefined;
    preparing ??= prepare().finally(() => {
      preparing = undefined;
    });
    return preparing;
  }

  function write<T>(work: (db: SqliteConnection) => T, writeOptions?: WriteOptions): Promise<T> {
    const run = (): Promise<T> => shared.writer.write(() => work(shared.connection), writeOptions);
    return ready()?.then(run) ?? run();
  }

  async function read<T>(work: (db: SqliteConnection) => T): Promise<T> {
    for (;;) {
      const wait = ready();
      if (wait !== undefined) await wait;
      try {
        // A reader has lost nothing: it reads the new one.
        if (shared.isReplaced()) continue;
        return work(shared.connection);
      } catch (error) {
        if (!isBusy(error)) {
          shared.noticed(error);
          throw explain(error, shared.path);
        }
        await sleep(0.001 + Math.random() * 0.004);
      }
    }
  }

  async function address(): Promise<string> {
    // The socket lies beside the file, so its folder must exist.
    await ready();
    return shared.mailbox.open();
  }

  /** Puts this process among those that are told. Failing that, the once-a-second look still finds everything. */
  function register(channel: string, done?: () => void): void {
    registrations.set(channel, shared.life);
    address()
      .then((address) =>
        write((db) => db.statement('INSERT OR IGNORE INTO lovage_listeners VALUES (?, ?)').run(channel, address)),
      )
      .then(done, () => registrations.delete(channel));
  }

  return {
    path: shared.path,
    database: `sqlite:${shared.path}`,
    write,
    read,
    onChange: (channel, listener) => {
      const listening = shared.mailbox.on(channel, listener);
      shared.startPolling();
      // What came before the place in the table was taken is found by looking once.
      if (!registrations.has(channel)) register(channel, () => listener(undefined));
      return listening;
    },
    notify: (channel, payload) => write((db) => db.notify(channel, payload)),
    address,
    onPost: (channel, listener) => {
      shared.startPolling();
      return shared.mailbox.on(channel, listener);
    },
    [Symbol.asyncDispose]: async () => {
      if (closed) return;
      closed = true;
      shared.users--;
      if (shared.users > 0) return;
      open.delete(shared.path);
      await shared.close();
    },
  };
}
