// The schedule in a SQL database (db+postgresql, db+mysql, db+sqlite): a table of texts and one of leases. Whoever writes locks the lease
// first, so that an old leader is refused and two edits come one after the other.

import { createHash } from 'node:crypto';
import type { Kysely, Transaction } from 'kysely';
import { redactUrl } from '../../util/index.ts';
import { type Connection, connectSql, type SqlKind, sqlError, sqlPlace } from '../../util/sql-connect.ts';
import {
  type Change,
  isSameLease,
  type Lease,
  NO_LEASE,
  type ScheduleStore,
  type StoreLook,
  type StoreOptions,
} from '../store.ts';

type Db = Kysely<unknown> | Transaction<unknown>;

const TEXT: Readonly<Record<SqlKind, string>> = {
  postgresql: 'text',
  mysql: 'longtext character set utf8mb4 collate utf8mb4_bin',
  sqlite: 'text',
};
/** Rows in one statement at most. */
const CHUNK = 300;

/** A name may be longer than any key of a table. */
function keyOf(app: string, kind: string, name: string): string {
  return createHash('sha256')
    .update(JSON.stringify([app, kind, name]))
    .digest('hex');
}

async function create({ sql, kind, db }: Connection): Promise<void> {
  const text = sql.raw(TEXT[kind]);
  await sql`create table if not exists lovage_beat_entries (id varchar(64) primary key, app varchar(191) not null,
    kind varchar(8) not null, name ${text} not null, body ${text} not null)`.execute(db);
  await sql`create table if not exists lovage_beat_lease (app varchar(191) primary key, token bigint not null,
    owner varchar(255) not null, beat bigint not null, edits bigint not null)`.execute(db);
}

interface Row {
  readonly token: number | string;
  readonly owner: string;
  readonly beat: number | string;
  readonly edits: number | string;
}

/** A connection and where it works: in a transaction, or not. */
interface Place extends Connection {
  readonly at: Db;
  readonly app: string;
}

async function look({ sql, kind, at, app }: Place, locks: boolean): Promise<StoreLook> {
  const lock = sql.raw(locks && kind !== 'sqlite' ? 'for update' : '');
  const { rows } = await sql<Row>`select token, owner, beat, edits from lovage_beat_lease where app = ${app} ${lock}`.execute(at);
  const [row] = rows;
  if (row === undefined) return { lease: NO_LEASE, edits: 0 };
  return { lease: { token: Number(row.token), owner: row.owner, beat: Number(row.beat) }, edits: Number(row.edits) };
}

async function writeLease({ sql, at, app }: Place, { token, owner, beat }: Lease, edits: number): Promise<void> {
  await sql`update lovage_beat_lease set token = ${token}, owner = ${owner}, beat = ${beat}, edits = ${edits}
    where app = ${app}`.execute(at);
}

async function put({ sql, at, app }: Place, kind: string, changes: readonly Change[]): Promise<void> {
  for (let from = 0; from < changes.length; from += CHUNK) {
    const part = changes.slice(from, from + CHUNK);
    const ids = part.map(([name]) => sql`${keyOf(app, kind, name)}`);
    // Deleted and written anew: one form for three databases, and the lease is locked meanwhile.
    await sql`delete from lovage_beat_entries where id in (${sql.join(ids)})`.execute(at);
    const rows = part.flatMap(([name, body]) =>
      body === undefined ? [] : [sql`(${keyOf(app, kind, name)}, ${app}, ${kind}, ${name}, ${body})`],
    );
    if (rows.length > 0)
      await sql`insert into lovage_beat_entries (id, app, kind, name, body) values ${sql.join(rows)}`.execute(at);
  }
}

async function all({ sql, at, app }: Place, kind: string): Promise<ReadonlyMap<string, string>> {
  const { rows } = await sql<{ readonly name: string; readonly body: string }>`select name, body from lovage_beat_entries
    where app = ${app} and kind = ${kind}`.execute(at);
  return new Map(rows.map(({ name, body }) => [name, body]));
}

/** Everybody locks the row of the lease, so there must be one. */
async function ensureRow({ sql, kind, db }: Connection, app: string): Promise<void> {
  const ignore = sql.raw(kind === 'mysql' ? 'on duplicate key update app = app' : 'on conflict (app) do nothing');
  await sql`insert into lovage_beat_lease (app, token, owner, beat, edits) values (${app}, 0, '', 0, 0) ${ignore}`.execute(db);
}

export function open(options: StoreOptions): ScheduleStore {
  const { appName: app } = options;
  const place = sqlPlace(options.url);
  let opening: Promise<Connection> | undefined;

  async function connect(): Promise<Connection> {
    const connected = await connectSql(place, options.connectTimeout);
    try {
      // Two programs that make a table at once: one of them is told that it is there, and there it is.
      await create(connected).catch(() => create(connected));
      await ensureRow(connected, app);
      return connected;
    } catch (error) {
      await connected.db.destroy();
      throw error;
    }
  }

  async function connection(): Promise<Connection> {
    opening ??= connect();
    return opening.catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
  }

  const named = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      throw sqlError(error);
    });
  const reading = <T>(work: (where: Place) => Promise<T>): Promise<T> =>
    named(connection().then((connected) => work({ ...connected, at: connected.db, app })));
  const writing = <T>(work: (where: Place, before: StoreLook) => Promise<T>): Promise<T> =>
    named(
      connection().then((connected) =>
        connected.db.transaction().execute(async (at) => {
          const where: Place = { ...connected, at, app };
          return work(where, await look(where, true));
        }),
      ),
    );

  return {
    name: `sql (${place.kind})`,
    url: redactUrl(options.url),
    look: () => reading((where) => look(where, false)),
    swapLease: (expected, next) =>
      writing(async (where, { lease, edits }) => {
        const swapped = isSameLease(lease, expected);
        if (swapped) await writeLease(where, next, edits);
        return { lease: swapped ? next : lease, edits, swapped };
      }),
    load: () =>
      reading(async (where) => {
        const { edits } = await look(where, false);
        return { edits, edited: await all(where, 'edit'), states: await all(where, 'state') };
      }),
    commit: (token, changes) =>
      writing(async (where, { lease }) => {
        if (lease.token !== token) return false;
        await put(where, 'state', changes);
        return true;
      }),
    edit: (name, expected, text) =>
      writing(async (where, { lease, edits }) => {
        if ((await all(where, 'edit')).get(name) !== expected) return false;
        await put(where, 'edit', [[name, text]]);
        await writeLease(where, lease, edits + 1);
        return true;
      }),
    [Symbol.asyncDispose]: async () => {
      const connected = await opening?.catch(() => undefined);
      await connected?.db.destroy();
    },
  };
}
