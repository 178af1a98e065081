// Revokes in a SQL database, in a table of Lovage's own: any program that can reach it finds them. Called by own-tables.ts.
import { createHash } from 'node:crypto';
import type { Connection } from '../../util/sql-connect.ts';
import type { RevokeStore } from '../revokes.ts';
import { TEXT } from './tables.ts';

/** Rows in one statement at most. */
const CHUNK = 300;

/** A stamp may be longer than any key of a table. */
function keyOf(scope: string, text: string): string {
  return createHash('sha256')
    .update(JSON.stringify([scope, text]))
    .digest('hex');
}

/** Makes the table. */
export async function createRevokes({ sql, kind, db }: Connection, table: string): Promise<void> {
  await sql`create table if not exists ${sql.table(table)} (id varchar(64) primary key, scope varchar(255) not null,
    subject ${sql.raw(TEXT[kind])} not null, until_ms bigint not null)`.execute(db);
}

/** The revokes in that table. */
export function ownRevokes(connect: () => Promise<Connection>, table: string): RevokeStore {
  return {
    add: async (scope, texts, { expires, max }) => {
      if (texts.length === 0) return;
      const { sql, kind, db } = await connect();
      const place = sql.table(table);
      const now = Date.now();
      const until = Math.ceil(now + expires * 1000);
      const again = sql.raw(
        kind === 'mysql'
          ? 'on duplicate key update until_ms = values(until_ms)'
          : 'on conflict (id) do update set until_ms = excluded.until_ms',
      );
      const unique = [...new Set(texts)].sort();
      for (let at = 0; at < unique.length; at += CHUNK) {
        const rows = unique.slice(at, at + CHUNK).map((text) => sql`(${keyOf(scope, text)}, ${scope}, ${text}, ${until})`);
        await sql`insert into ${place} (id, scope, subject, until_ms) values ${sql.join(rows)} ${again}`.execute(db);
      }
      await sql`delete from ${place} where until_ms <= ${now}`.execute(db);
      const oldest = await sql<{ readonly id: string; readonly until_ms: number | string }>`select id, until_ms from ${place}
        where scope = ${scope} order by until_ms desc, id desc limit 1 offset ${sql.lit(max)}`.execute(db);
      const [limit] = oldest.rows;
      if (limit === undefined) return;
      // Those of one command have one time.
      const last = Number(limit.until_ms);
      await sql`delete from ${place} where scope = ${scope}
        and (until_ms < ${last} or (until_ms = ${last} and id <= ${limit.id}))`.execute(db);
    },
    load: async (scope) => {
      const { sql, db } = await connect();
      const found = await sql<{ readonly subject: string; readonly until_ms: number | string }>`select subject, until_ms
        from ${sql.table(table)} where scope = ${scope} and until_ms > ${Date.now()} order by until_ms`.execute(db);
      return found.rows.map(({ subject, until_ms: until }) => ({ text: subject, until: Number(until) / 1000 }));
    },
  };
}
