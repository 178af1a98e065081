// The schedule in a SQL database (db+postgresql, db+mysql, db+sqlite): a table of texts and one of leases. What a leader writes is one
// statement that asks for its lease itself: a transaction in which a program is stopped would hold the lease fast, and nobody could take over.

import { createHash } from 'node:crypto';
import type { Kysely, Transaction } from 'kysely';
import { BackendError, deadline, orAborted, redactUrl, sleep } from '../../util/index.ts';
import { type Connection, connectSql, isCrossed, type SqlKind, sqlError, sqlPlace } from '../../util/sql-connect.ts';
import { type Change, type Lease, NO_LEASE, type ScheduleStore, type StoreLook, type StoreOptions } from '../store.ts';

type Db = Kysely<unknown> | Transaction<unknown>;

const TEXT: Readonly<Record<SqlKind, string>> = {
  postgresql: 'text',
  mysql: 'longtext character set utf8mb4 collate utf8mb4_bin',
  sqlite: 'text',
};
/** Seconds until a locked SQLite file is tried again. */
const BUSY = 0.01;
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

async function look({ sql, at, app }: Place): Promise<StoreLook> {
  const { rows } = await sql<Row>`select token, owner, beat, edits from lovage_beat_lease where app = ${app}`.execute(at);
  const [row] = rows;
  if (row === undefined) return { lease: NO_LEASE, edits: 0 };
  return { lease: { token: Number(row.token), owner: row.owner, beat: Number(row.beat) }, edits: Number(row.edits) };
}

async function swap(place: Place, expected: Lease, next: Lease): Promise<StoreLook & { readonly swapped: boolean }> {
  const { sql, at, app } = place;
  const { numAffectedRows } = await sql`update lovage_beat_lease
    set token = ${next.token}, owner = ${next.owner}, beat = ${next.beat}
    where app = ${app} and token = ${expected.token} and owner = ${expected.owner} and beat = ${expected.beat}`.execute(at);
  const { lease, edits } = await look(place);
  const swapped = numAffectedRows === 1n;
  return { lease: swapped ? next : lease, edits, swapped };
}

/** Writes states if the lease has this token; false when it has not. */
async function put(place: Place, token: number, changes: readonly Change[]): Promise<boolean> {
  for (let from = 0; from < changes.length; from += CHUNK) {
    const part = changes.slice(from, from + CHUNK);
    const gone = part.flatMap(([name, body]) => (body === undefined ? [keyOf(place.app, 'state', name)] : []));
    const kept = part.flatMap(([name, body]) => (body === undefined ? [] : [[name, body] as const]));
    const written = [
      ...(gone.length > 0 ? [await erase(place, token, gone)] : []),
      ...(kept.length > 0 ? [await upsert(place, token, kept)] : []),
    ];
    // None is also the answer where nothing had to change.
    if (written.includes(0n) && (await look(place)).lease.token !== token) return false;
  }
  return true;
}

async function upsert(
  { sql, kind, at, app }: Place,
  token: number,
  rows: readonly (readonly [string, string])[],
): Promise<bigint> {
  const text = (value: string) => (kind === 'postgresql' ? sql`cast(${value} as text)` : sql`${value}`);
  const selects = rows.map(
    ([name, body]) => sql`select ${text(keyOf(app, 'state', name))} as id, ${text(name)} as name, ${text(body)} as body`,
  );
  // Locked before anything is joined to it: of a join whose lease is renewed meanwhile PostgreSQL makes its rows more than once.
  const locks = sql.raw({ postgresql: 'for share', mysql: 'lock in share mode', sqlite: '' }[kind]);
  const lease = sql`select app from lovage_beat_lease where app = ${app} and token = ${token} ${locks}`;
  const over = sql.raw(
    kind === 'mysql' ? 'on duplicate key update body = values(body)' : 'on conflict (id) do update set body = excluded.body',
  );
  const { numAffectedRows = 0n } = await sql`insert into lovage_beat_entries (id, app, kind, name, body)
    select r.id, l.app, 'state', r.name, r.body from (${lease}) l cross join (${sql.join(selects, sql` union all `)}) r
    where true ${over}`.execute(at);
  return numAffectedRows;
}

async function erase({ sql, kind, at, app }: Place, token: number, ids: readonly string[]): Promise<bigint> {
  const lease = sql`lovage_beat_lease l where l.app = ${app} and l.token = ${token}`;
  const chosen = sql.join(ids);
  const statement = {
    postgresql: sql`with mine as (select 1 from ${lease} for share)
      delete from lovage_beat_entries where id in (${chosen}) and exists (select 1 from mine)`,
    mysql: sql`delete e from lovage_beat_entries e join lovage_beat_lease l on l.app = ${app} and l.token = ${token}
      where e.id in (${chosen})`,
    sqlite: sql`delete from lovage_beat_entries where id in (${chosen}) and exists (select 1 from ${lease})`,
  }[kind];
  const { numAffectedRows = 0n } = await statement.execute(at);
  return numAffectedRows;
}

/** Writes an edit over what its author saw, and counts it; false when something else was there. */
async function edit(place: Place, name: string, expected: string | undefined, text: string | undefined): Promise<boolean> {
  const { sql, kind, at, app } = place;
  const id = keyOf(app, 'edit', name);
  const { rows } = await sql<{ readonly body: string }>`select body from lovage_beat_entries where id = ${id}
    ${sql.raw(kind === 'sqlite' ? '' : 'for update')}`.execute(at);
  if (rows[0]?.body !== expected) return false;
  if (expected !== undefined) await sql`delete from lovage_beat_entries where id = ${id}`.execute(at);
  if (text !== undefined)
    await sql`insert into lovage_beat_entries (id, app, kind, name, body) values (${id}, ${app}, 'edit', ${name}, ${text})`.execute(
      at,
    );
  // Last, so that whoever leads does not wait for the others.
  await sql`update lovage_beat_lease set edits = edits + 1 where app = ${app}`.execute(at);
  return true;
}

async function all({ sql, at, app }: Place, kind: string): Promise<ReadonlyMap<string, string>> {
  const { rows } = await sql<{ readonly name: string; readonly body: string }>`select name, body from lovage_beat_entries
    where app = ${app} and kind = ${kind}`.execute(at);
  return new Map(rows.map(({ name, body }) => [name, body]));
}

/** Leases are changed, never made: there must be one. */
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

  /** A server that is silent has its connections dropped, so that the next call gets a new one. */
  const late = (): BackendError => {
    void opening?.then(({ db }) => db.destroy()).catch(() => undefined);
    opening = undefined;
    return new BackendError(`No answer within ${options.patience} s`, { transient: true });
  };
  const named = async <T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    // The sockets alone do not keep a program alive.
    using limit = deadline(options.patience, late, undefined, { ref: true });
    try {
      return await orAborted(work(limit.signal), limit.signal);
    } catch (error) {
      throw sqlError(error);
    }
  };
  /** An SQLite file that somebody else writes to is free in a moment; an edit and a commit of the leader may meet each other's locks. */
  const again = async <T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> => {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!isCrossed(error)) throw error;
        await sleep(BUSY * (0.5 + Math.random()), signal);
      }
    }
  };
  const on = <T>(work: (where: Place) => Promise<T>): Promise<T> =>
    named((signal) =>
      again(async () => {
        const connected = await connection();
        return work({ ...connected, at: connected.db, app });
      }, signal),
    );

  return {
    name: `sql (${place.kind})`,
    url: redactUrl(options.url),
    look: () => on(look),
    swapLease: (expected, next) => on((where) => swap(where, expected, next)),
    load: () =>
      on(async (where) => {
        const { edits } = await look(where);
        return { edits, edited: await all(where, 'edit'), states: await all(where, 'state') };
      }),
    commit: (token, changes) => on((where) => put(where, token, changes)),
    edit: async (name, expected, text) => {
      try {
        return await on((where) => where.db.transaction().execute((at) => edit({ ...where, at }, name, expected, text)));
      } catch (error) {
        // Two authors of a new entry: the second one finds it there.
        if (expected === undefined && (await on((where) => all(where, 'edit'))).has(name)) return false;
        throw error;
      }
    },
    [Symbol.asyncDispose]: async () => {
      const connected = await opening?.catch(() => undefined);
      // Waits for what is under way, which a silent server never ends.
      await orAborted(connected?.db.destroy() ?? Promise.resolve(), AbortSignal.timeout(1000)).catch(() => undefined);
    },
  };
}
