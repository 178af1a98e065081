// Whoever asks for TLS to a SQL database gets a server that is checked, before it hears the login. The servers here begin as PostgreSQL and
// MariaDB do, and listen.
import { expect, test } from 'vitest';
import { connectSql, sqlError, sqlPlace } from '../../../src/util/sql-connect.ts';
import { authority, type Line, upgradingServer } from '../../support/tls-line.ts';

/** The packet with which MariaDB begins: TLS is among what it can do. */
function greetingOfMariadb(): Buffer {
  const capabilities = 0x0200 | 0x0800 | 0x8000 | 0x0001 | 0x0008; // protocol 4.1, TLS, secure connection, long password, with a database
  const upper = 0x0008; // names of authentication plugins
  const body = Buffer.concat([
    Buffer.from('\u000a10.11.0-MariaDB\0'),
    Buffer.of(1, 0, 0, 0),
    Buffer.from('12345678\0'),
    Buffer.of(capabilities & 0xff, capabilities >> 8, 33, 2, 0, upper, 0, 21),
    Buffer.alloc(10),
    Buffer.from('123456789012\0mysql_native_password\0'),
  ]);
  return Buffer.concat([Buffer.of(body.length & 0xff, body.length >> 8, 0, 0), body]);
}

const SERVERS = {
  postgresql: { request: 8, agreed: Buffer.from('S') },
  mysql: { greeting: greetingOfMariadb(), request: 36 },
};

async function said(url: string): Promise<string> {
  const { db, sql } = await connectSql(sqlPlace(url), 3);
  try {
    await sql`select 1`.execute(db);
    return 'it was taken';
  } catch (error) {
    return sqlError(error).message;
  } finally {
    await db.destroy();
  }
}

const ca = (kind: keyof typeof SERVERS, file: string): string =>
  kind === 'postgresql' ? `sslmode=require&sslrootcert=${file}` : `ssl_ca=${file}`;
const noCa = { postgresql: 'sslmode=require', mysql: 'ssl=true' };
const urlOf = (kind: keyof typeof SERVERS, line: Line, query: string): string =>
  `db+${kind}://me:pass@localhost:${line.port}/shop?${query}`;

test.each(['postgresql', 'mysql'] as const)('%s: who is not the one hears no login', async (kind) => {
  using from = authority();
  await using good = await upgradingServer(from.certificate('good'), SERVERS[kind]);
  await said(urlOf(kind, good, ca(kind, from.caFile)));
  expect(good.heard().toString('latin1')).toContain('me');

  await using unknown = await upgradingServer(from.certificate('good'), SERVERS[kind]);
  expect(await said(urlOf(kind, unknown, noCa[kind]))).toMatch(/certificate/i);
  await using other = await upgradingServer(from.certificate('otherHost'), SERVERS[kind]);
  expect(await said(urlOf(kind, other, ca(kind, from.caFile)))).toMatch(/altnames/i);
  await using expired = await upgradingServer(from.certificate('expired'), SERVERS[kind]);
  expect(await said(urlOf(kind, expired, ca(kind, from.caFile)))).toMatch(/expired/i);
  for (const line of [unknown, other, expired]) expect(line.heard().length).toBe(0);
});

test('mysql: only whoever says so takes another host', async () => {
  using from = authority();
  await using other = await upgradingServer(from.certificate('otherHost'), SERVERS.mysql);
  await said(urlOf('mysql', other, `${ca('mysql', from.caFile)}&ssl_check_hostname=false`));
  expect(other.heard().length).toBeGreaterThan(0);
});
