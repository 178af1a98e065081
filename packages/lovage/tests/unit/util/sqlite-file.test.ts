import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, expect, test, vi } from 'vitest';
import { BrokerConnectionError, BrokerError, openSqliteFile, refuseVersion, type SqliteFile } from '../../../src/util/index.ts';

const SCHEMA = 'CREATE TABLE IF NOT EXISTS thing (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE)';
let cleanup: (() => Promise<void>)[] = [];

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'lovage-file-'));
  cleanup.unshift(async () => rmSync(path, { recursive: true, force: true }));
  return path;
}

function file(path: string): SqliteFile {
  const opened = openSqliteFile(path, { schema: SCHEMA });
  cleanup.unshift(async () => opened[Symbol.asyncDispose]());
  return opened;
}

afterEach(async () => {
  const steps = cleanup;
  cleanup = [];
  for (const step of steps) await step();
});

test('the file and its folder are readable by their owner only', async () => {
  const path = join(folder(), 'deep', 'a.db');
  await file(path).write((db) => db.statement("INSERT INTO thing (name) VALUES ('a')").run());
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700);
});

test('writes of one turn are one transaction', async () => {
  const one = file(join(folder(), 'a.db'));
  await one.write(() => undefined);
  const other = new DatabaseSync(one.path, { timeout: 0 });
  other.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  await Promise.all(
    Array.from({ length: 50 }, (_, at) => one.write((db) => db.statement('INSERT INTO thing (name) VALUES (?)').run(`n${at}`))),
  );
  expect(other.prepare('SELECT count(*) AS n FROM thing').get()).toEqual({ n: 50 });
  // Each transaction writes each page that it changed to the log once: 50 of them would be a hundred pages or more.
  expect(other.prepare('PRAGMA wal_checkpoint(PASSIVE)').get()?.log).toBeLessThan(20);
  other.close();
});

test('a write that throws fails alone', async () => {
  const one = file(join(folder(), 'a.db'));
  const insert = (name: string) => one.write((db) => db.statement('INSERT INTO thing (name) VALUES (?)').run(name));
  const outcomes = await Promise.allSettled([insert('a'), insert('b'), insert('a'), insert('c')]);
  expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
  expect(await one.read((db) => db.statement('SELECT group_concat(name) AS names FROM thing').get())).toEqual({ names: 'a,b,c' });
});

test('a write waits while another process holds the file, without blocking the loop', async () => {
  const one = file(join(folder(), 'a.db'));
  await one.write(() => undefined);
  const other = new DatabaseSync(one.path, { timeout: 0 });
  other.exec('BEGIN IMMEDIATE');
  let turns = 0;
  const count = setInterval(() => turns++, 1);
  const written = one.write((db) => db.statement("INSERT INTO thing (name) VALUES ('late')").run());
  await expect.poll(() => turns, { timeout: 8000 }).toBeGreaterThan(10);
  other.exec('COMMIT');
  await written;
  clearInterval(count);
  other.close();
});

test('a write that is aborted while it waits is not stored', async () => {
  const one = file(join(folder(), 'a.db'));
  await one.write(() => undefined);
  const other = new DatabaseSync(one.path, { timeout: 0 });
  other.exec('BEGIN IMMEDIATE');
  const stop = new AbortController();
  const written = one.write((db) => db.statement("INSERT INTO thing (name) VALUES ('never')").run(), { signal: stop.signal });
  stop.abort(new Error('enough'));
  await expect(written).rejects.toThrow('enough');
  other.exec('COMMIT');
  other.close();
  expect(await one.read((db) => db.statement('SELECT count(*) AS n FROM thing').get())).toEqual({ n: 0 });
});

test('a write that is given up behind a foreign lock says so within the turn', async () => {
  const one = file(join(folder(), 'a.db'));
  await one.write(() => undefined);
  const other = new DatabaseSync(one.path, { timeout: 0 });
  other.exec('BEGIN IMMEDIATE');
  const stop = new AbortController();
  const written = one.write((db) => db.statement("INSERT INTO thing (name) VALUES ('never')").run(), {
    signal: stop.signal,
    prompt: true,
  });
  const said = written.then(
    () => 'stored',
    (error: unknown) => String(error),
  );
  stop.abort(new Error('enough'));
  const turn = new Promise((resolve) => setImmediate(resolve, 'nothing'));
  expect(await Promise.race([said, turn])).toBe('Error: enough');
  other.close();
});

test('a garbled file is refused with its name and what to do', async () => {
  const path = join(folder(), 'a.db');
  writeFileSync(path, 'this was never a database, and it is long enough to be looked at as one'.repeat(100));
  const error = await file(path)
    .write(() => undefined)
    .catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(BrokerError);
  expect((error as Error).message).toContain(path);
  expect((error as Error).message).toContain('move it away');
});

test('a file deleted under us is noticed and made anew', async () => {
  const one = file(join(folder(), 'a.db'));
  await one.write(() => undefined);
  for (const suffix of ['', '-wal', '-shm']) rmSync(one.path + suffix, { force: true });
  await expect
    .poll(() => one.write(() => 'stored').catch((error: unknown) => error), { timeout: 5000 })
    .toBeInstanceOf(BrokerConnectionError);
  await one.write((db) => db.statement("INSERT INTO thing (name) VALUES ('new')").run());
  expect(statSync(one.path).isFile()).toBe(true);
});

test('whoever only reads notices too that the file is another one, and reads that', async () => {
  const one = file(join(folder(), 'a.db'));
  await one.write((db) => db.statement("INSERT INTO thing (name) VALUES ('old')").run());
  for (const suffix of ['', '-wal', '-shm']) rmSync(one.path + suffix, { force: true });
  await vi.waitFor(async () => expect(await one.read((db) => db.statement('SELECT name FROM thing').all())).toEqual([]), 5000);
});

test('a path of many bytes in few letters has its socket elsewhere', async () => {
  const place = join(folder(), '项目'.repeat(15));
  const one = file(join(place, 'a.db'));
  const address = await one.address();
  expect(statSync(address).isSocket()).toBe(true);
  expect(readdirSync(place).some((name) => name.endsWith('.sock'))).toBe(false);
});

test('a socket that somebody deleted is made anew for whoever asks', async () => {
  const one = file(join(folder(), 'a.db'));
  const heard: (string | undefined)[] = [];
  using _ = one.onPost('news', (payload) => heard.push(payload));
  const first = await one.address();
  expect(await one.address()).toBe(first);
  rmSync(first);
  const second = await one.address();
  expect(second).not.toBe(first);
  const line = connect(second);
  line.end(`${JSON.stringify(['news', 'heard'])}\n`);
  await vi.waitFor(() => expect(heard).toContain('heard'), 8000);
});

test('where no socket can be made, a listener hears within a second or so', async () => {
  const place = folder();
  vi.stubEnv('TMPDIR', join(place, 'x'.repeat(100)));
  const one = file(join(place, 'y'.repeat(100), 'a.db'));
  expect(await one.address()).toBe('');
  const heard: (string | undefined)[] = [];
  using _ = one.onChange('result', (payload) => heard.push(payload));
  await vi.waitFor(() => expect(heard).toEqual([undefined]), 8000);
  await one.write((db) => db.notify('result', 'own'));
  await vi.waitFor(() => expect(heard).toContain('own'), 8000);
  vi.unstubAllEnvs();
});

test('a listener hears of a notification and its payload', async () => {
  const one = file(join(folder(), 'a.db'));
  const heard: (string | undefined)[] = [];
  using _ = one.onChange('result', (payload) => heard.push(payload));
  await expect.poll(() => heard.length, { timeout: 8000 }).toBe(1);
  await one.write((db) => db.notify('result', 'id-1'));
  await expect.poll(() => heard, { timeout: 8000 }).toEqual([undefined, 'id-1']);
});

test('a listener hears within a second or so of a change that nobody told it of', async () => {
  const one = file(join(folder(), 'a.db'));
  await one.write(() => undefined);
  let heard = 0;
  using _ = one.onChange('result', () => heard++);
  await expect.poll(() => heard, { timeout: 4000 }).toBeGreaterThan(0);
  const before = heard;
  const other = new DatabaseSync(one.path, { timeout: 1000 });
  other.exec("INSERT INTO thing (name) VALUES ('silent')");
  other.close();
  await expect.poll(() => heard, { timeout: 4000 }).toBeGreaterThan(before);
});

test('SQLite versions whose WAL loses commits are refused', () => {
  for (const bad of ['3.51.2', '3.50.6', '3.44.5', '3.45.0', '3.49.9']) expect(refuseVersion(bad)).toContain(bad);
  for (const good of ['3.51.3', '3.50.7', '3.44.6', '3.53.4', '4.0.0']) expect(refuseVersion(good)).toBeUndefined();
});
