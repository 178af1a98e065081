// What only a store with a file of its own does: rights, limits, what grows old, and a file that goes away.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test, vi } from 'vitest';
import { deadLetterQueue, openBroker } from '../../../src/broker/index.ts';
import { DeliveryReader } from '../../../src/broker/sqlite/delivery.ts';
import { declareQueue } from '../../../src/broker/sqlite/queues.ts';
import { SCHEMA } from '../../../src/broker/sqlite/schema.ts';
import { take } from '../../../src/broker/sqlite/take.ts';
import { BrokerConnectionError, BrokerError, isLockFree, PublishError, type SqliteConnection } from '../../../src/util/index.ts';
import { statementCache } from '../../../src/util/sqlite-engine.ts';
import { brokerOptions, freshQueue, message, now, publish, queueOf, read, text, unique } from './harness.ts';

function fresh(): { readonly folder: string; readonly path: string; readonly url: string } & Disposable {
  const folder = mkdtempSync(join(tmpdir(), 'lovage-life-'));
  const path = join(folder, '.lovage', 'b.db');
  return { folder, path, url: `sqlite://${path}`, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

const outcome = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error);

test('nothing is touched before the first call; then file and folder are private and kept out of commits', async () => {
  using place = fresh();
  await using broker = await openBroker(brokerOptions(place.url));
  expect(broker.database).toBe(`sqlite:${place.path}`);
  expect(existsSync(place.path)).toBe(false);
  await freshQueue(broker);
  expect(statSync(place.path).mode & 0o777).toBe(0o600);
  expect(statSync(join(place.path, '..')).mode & 0o777).toBe(0o700);
  expect(readFileSync(join(place.path, '..', '.gitignore'), 'utf8')).toBe('*\n');
});

test('an unused queue goes after its x-expires, a consumed one stays', async () => {
  using place = fresh();
  await using broker = await openBroker(brokerOptions(place.url));
  const [used, unused] = [unique('used'), unique('unused')];
  const args = { 'x-expires': 1000 };
  await broker.declare({ exchanges: [], queues: [queueOf(used, args), queueOf(unused, args)], bindings: [] });
  await using reader = await read(broker, used);
  const next = reader.one();
  await expect.poll(() => broker.count(unused), { timeout: 5000 }).toBeUndefined();
  await publish(broker, message(used, 'still here'));
  expect(text(await next)).toBe('still here');
});

test('messages that expired are deleted though nobody takes them', async () => {
  using place = fresh();
  await using broker = await openBroker(brokerOptions(place.url));
  const queue = await freshQueue(broker, { 'x-message-ttl': 200 });
  const other = await freshQueue(broker);
  await publish(broker, message(queue, 'a'), message(queue, 'b', { dueAt: now() + 60 }));
  await using reader = await read(broker, other);
  await expect.poll(() => broker.count(queue), { timeout: 5000 }).toEqual({ ready: 0, held: 0, parked: 0 });
  expect(reader.batches).toEqual([]);
});

test('large bodies are taken a few at a time, whole and in their order', async () => {
  using place = fresh();
  await using broker = await openBroker(brokerOptions(place.url));
  const queue = await freshQueue(broker);
  const bodies = Array.from({ length: 12 }, (_, index) =>
    String.fromCodePoint(97 + index).repeat(index % 3 === 0 ? 10 : 4_000_000),
  );
  await publish(broker, ...bodies.map((body) => message(queue, body)));
  await using reader = await read(broker, queue, 100);
  const taken = await reader.take(12);
  expect(taken.map(text)).toEqual(bodies);
  const bytes = (batch: readonly { readonly body: Uint8Array }[]): number =>
    batch.reduce((sum, { body }) => sum + body.byteLength, 0);
  expect(Math.max(...reader.batches.map(bytes))).toBeLessThanOrEqual(20_000_000);
});

test('what has expired takes no place of those that wait behind it', () => {
  const database = new DatabaseSync(':memory:');
  database.exec(SCHEMA);
  const db = { statement: statementCache(database) } as SqliteConnection;
  declareQueue(db, queueOf('q'), 0);
  const insert = database.prepare("INSERT INTO lovage_messages VALUES (?, 1, 9, ?, '{}', x'00')");
  for (let id = 1; id <= 50; id++) {
    insert.run(id, id % 10 === 0 ? null : 5);
    database.prepare('INSERT INTO lovage_ready VALUES (1, 9, ?, 0, 0)').run(id);
  }
  const call = { holder: 1, generation: 1, queues: ['q'], now: 10, rotation: 0, reader: new DeliveryReader() };
  const tags = (max: number): unknown[] => take(db, { ...call, max }).map(({ tag }) => tag);
  expect([tags(2), tags(1), tags(100), tags(1)]).toEqual([[10, 20], [30], [40, 50], []]);
  const count = (table: string): unknown => database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n;
  expect(['lovage_messages', 'lovage_held', 'lovage_ready'].map(count)).toEqual([5, 5, 0]);
});

test('of too many dead letters the oldest go', async () => {
  using place = fresh();
  await using broker = await openBroker(brokerOptions(place.url, { deadLetters: { mode: 'lovage', ttl: 60, maxLength: 2 } }));
  const queue = await freshQueue(broker);
  await publish(broker, ...['a', 'b', 'c'].map((body) => message(queue, body)));
  await using reader = await read(broker, queue);
  for (const delivery of await reader.take(3))
    await reader.subscription.settle([{ verdict: 'deadLetter', delivery, reason: 'failed' }]);
  expect((await broker.peek(deadLetterQueue(queue), 10)).map(text)).toEqual(['b', 'c']);
});

test('what is settled after the end of its subscription is lost, and says so', async () => {
  using place = fresh();
  await using broker = await openBroker(brokerOptions(place.url));
  const queue = await freshQueue(broker);
  await publish(broker, message(queue, 'x'));
  const reader = await read(broker, queue);
  const delivery = await reader.one();
  await reader[Symbol.asyncDispose]();
  expect(await reader.ack(delivery)).toEqual([delivery]);
  expect(await broker.count(queue)).toMatchObject({ ready: 1 });
});

test('a file that is deleted under a running worker is made anew, with its queues', async () => {
  using place = fresh();
  await using broker = await openBroker(brokerOptions(place.url));
  const queue = await freshQueue(broker);
  const first = await read(broker, queue);
  const ended = outcome(first.ending());
  for (const suffix of ['', '-wal', '-shm']) rmSync(place.path + suffix, { force: true });
  expect(await ended).toBeInstanceOf(BrokerConnectionError);
  await first[Symbol.asyncDispose]();
  await using second = await read(broker, queue);
  await publish(broker, message(queue, 'after'));
  expect(text(await second.one())).toBe('after');
});

test('whoever comes back after its lock file was deleted has one again, or others would take it for dead', async () => {
  using place = fresh();
  await using broker = await openBroker(brokerOptions(place.url));
  const queue = await freshQueue(broker);
  const folder = join(place.path, '..');
  const locks = () => readdirSync(folder).filter((name) => name.endsWith('.lock'));
  const first = await read(broker, queue);
  for (const name of readdirSync(folder)) if (/\.(lock|lock-journal|sock)$/.test(name)) rmSync(join(folder, name));
  expect(locks()).toEqual([]);
  await first[Symbol.asyncDispose]();
  await using second = await read(broker, queue);
  expect(locks()).toHaveLength(1);
  expect(isLockFree(join(folder, locks()[0] ?? ''))).toBe(false);
  await publish(broker, message(queue, 'after'));
  expect(text(await second.one())).toBe('after');
});

test('a publish that finds the file replaced was surely not stored', async () => {
  using place = fresh();
  await using broker = await openBroker(brokerOptions(place.url));
  const queue = await freshQueue(broker);
  for (const suffix of ['', '-wal', '-shm']) rmSync(place.path + suffix, { force: true });
  const failure = await vi.waitFor(async () => {
    const error = await outcome(publish(broker, message(queue, 'lost')));
    expect(error).toBeInstanceOf(PublishError);
    return error as PublishError;
  }, 5000);
  expect(failure.failures).toMatchObject([{ index: 0, stored: 'no', cause: expect.any(BrokerConnectionError) }]);
});

test('after its folder was deleted nothing says that the disk is full, and the next publish makes all anew', async () => {
  using place = fresh();
  await using broker = await openBroker(brokerOptions(place.url));
  const queue = await freshQueue(broker);
  await vi.waitFor(() => expect(existsSync(`${place.path}-reserve`)).toBe(true), 20_000);
  rmSync(join(place.path, '..'), { recursive: true });
  const failures: unknown[] = [];
  await vi.waitFor(async () => {
    const error = await outcome(publish(broker, message(queue, 'again')));
    if (error instanceof PublishError) failures.push(...error.failures.map(({ cause }) => cause));
    expect(failures.length).toBeGreaterThan(0);
    expect(existsSync(place.path)).toBe(true);
    expect(error).toBeUndefined();
  }, 5000);
  for (const cause of failures) expect(String(cause)).toContain('deleted or replaced');
});

test('a damaged file is refused by name, and the next one works', async () => {
  using place = fresh();
  mkdirSync(join(place.path, '..'), { recursive: true });
  writeFileSync(place.path, Buffer.alloc(8192, 7));
  await using broker = await openBroker(brokerOptions(place.url));
  const error = await outcome(freshQueue(broker));
  expect(error).toBeInstanceOf(BrokerError);
  expect((error as Error).message).toContain(place.path);
  rmSync(place.path);
  expect(await freshQueue(broker)).toContain('q0');
});
