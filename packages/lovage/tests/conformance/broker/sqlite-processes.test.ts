// The embedded broker between processes: a dead or frozen one is taken over, a waiting one is woken, a sending one ends by itself.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { openBroker } from '../../../src/broker/index.ts';
import { BrokerFullError, openSqliteFile, PublishError } from '../../../src/util/index.ts';
import { brokerOptions, freshQueue, message, publish, read, soon, text, unique } from './harness.ts';

const SCRIPT = join(import.meta.dirname, '../../support/broker-child.ts');

interface Child extends AsyncDisposable {
  readonly process: ChildProcess;
  /** The next line that it prints. */
  line(): Promise<string>;
}

function child(...args: readonly string[]): Child {
  const started = spawn(process.execPath, [SCRIPT, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: started.stdout })[Symbol.asyncIterator]();
  return {
    process: started,
    line: async () => String((await lines.next()).value),
    [Symbol.asyncDispose]: async () => {
      started.kill('SIGKILL');
    },
  };
}

function fresh(): { readonly folder: string; readonly url: string } & Disposable {
  const folder = mkdtempSync(join(tmpdir(), 'lovage-processes-'));
  return {
    folder,
    url: `sqlite://${join(folder, 'b.db')}`,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

const exit = (started: ChildProcess): Promise<number | null> => new Promise((resolve) => started.once('exit', resolve));

test('what a killed process held is taken over before its lease is over, counted, and nothing of it stays behind', async () => {
  using place = fresh();
  await using broker = await openBroker(brokerOptions(place.url));
  const queue = await freshQueue(broker);
  await publish(broker, ...['a', 'b', 'c'].map((body) => message(queue, body)));
  await using other = child('hold', place.url, queue, '3');
  expect(await other.line()).toBe('held 3');
  await using reader = await read(broker, queue);
  const taken = reader.take(3);
  const killed = performance.now();
  other.process.kill('SIGKILL');
  const deliveries = await taken;
  expect(performance.now() - killed).toBeLessThan(8000);
  expect(deliveries.map((delivery) => [text(delivery), delivery.attempts, delivery.redelivered])).toEqual([
    ['a', 2, true],
    ['b', 2, true],
    ['c', 2, true],
  ]);
  await reader.ack(...deliveries);
  const left = (suffix: string): number => readdirSync(place.folder).filter((name) => name.endsWith(suffix)).length;
  await expect.poll(() => [left('.lock'), left('.sock')]).toEqual([1, 1]);
});

test('a frozen process loses its lease after 10 s, and its late verdicts are lost', async () => {
  using place = fresh();
  await using broker = await openBroker(brokerOptions(place.url));
  const queue = await freshQueue(broker);
  await publish(broker, message(queue, 'held'));
  await using other = child('hold', place.url, queue, '1');
  expect(await other.line()).toBe('held 1');
  await using reader = await read(broker, queue);
  const taken = reader.one();
  other.process.kill('SIGSTOP');
  const delivery = await taken;
  expect(delivery.attempts).toBe(2);
  other.process.stdin?.write('settle\n');
  other.process.kill('SIGCONT');
  expect(await other.line()).toBe('lost 1');
  expect(await reader.ack(delivery)).toEqual([]);
  expect(await broker.count(queue)).toEqual({ ready: 0, held: 0, parked: 0 });
});

test('a process whose event loop is blocked for longer than its lease keeps what it holds', async () => {
  using place = fresh();
  await using broker = await openBroker(brokerOptions(place.url));
  const queue = await freshQueue(broker);
  await publish(broker, message(queue, 'held'));
  await using other = child('block', place.url, queue, '1');
  expect(await other.line()).toBe('held 1');
  await using reader = await read(broker, queue);
  const next = reader.one();
  expect(await other.line()).toBe('lost 0');
  // Nobody else got it in all that time: the first that comes here is this one.
  await publish(broker, message(queue, 'next'));
  const delivery = await next;
  expect([text(delivery), delivery.attempts]).toEqual(['next', 1]);
  await reader.ack(delivery);
});

test('an auto-delete queue stays while another process consumes it', async () => {
  using place = fresh();
  await using broker = await openBroker(brokerOptions(place.url));
  const queue = unique('own');
  await broker.declare({
    exchanges: [],
    queues: [{ name: queue, durable: true, autoDelete: true, arguments: {} }],
    bindings: [],
  });
  await publish(broker, message(queue, 'one'));
  await using other = child('own', place.url, queue, '1');
  expect(await other.line()).toBe('held 1');
  await (await read(broker, queue))[Symbol.asyncDispose]();
  expect(await broker.count(queue)).toMatchObject({ held: 1 });
  other.process.kill('SIGKILL');
  await using reader = await read(broker, queue);
  expect(text(await reader.one())).toBe('one');
});

test('a waiting worker is woken by another process, and a program that only sends ends by itself', async () => {
  using place = fresh();
  await using broker = await openBroker(brokerOptions(place.url));
  const queue = await freshQueue(broker);
  await using reader = await read(broker, queue);
  const next = reader.one();
  await using other = child('send', place.url, queue, 'wake up');
  const ended = exit(other.process);
  expect(await other.line()).toBe('sent');
  expect(text(await next)).toBe('wake up');
  expect(await ended).toBe(0);
});

test('a publish gives up at its deadline while somebody else keeps the file, and nothing is stored', async () => {
  using place = fresh();
  await using broker = await openBroker(brokerOptions(place.url));
  const queue = await freshQueue(broker);
  const other = new DatabaseSync(join(place.folder, 'b.db'), { timeout: 0 });
  other.exec('BEGIN IMMEDIATE');
  const error = await broker
    .publish([message(queue, 'x')], { signal: AbortSignal.timeout(100) })
    .catch((reason: unknown) => reason);
  other.exec('ROLLBACK');
  other.close();
  expect(error).toBeInstanceOf(PublishError);
  expect(error).toMatchObject({ failures: [{ index: 0, stored: 'no' }], safeToRepeat: true });
  expect(await broker.count(queue)).toMatchObject({ ready: 0 });
});

test('with the disk full a publish says so and stores nothing; what is there can be read, acked, and then there is room again', async () => {
  using place = fresh();
  await using broker = await openBroker(brokerOptions(place.url));
  const queue = await freshQueue(broker);
  // The same file in the same process is the same connection: its limit stands in for the disk's.
  await using file = openSqliteFile(join(place.folder, 'b.db'), { schema: '' });
  await publish(broker, message(queue, Buffer.alloc(100_000)));
  const pages = await file.read((db) => Number(db.statement('PRAGMA page_count').get()?.page_count));
  await file.read((db) => db.exec(`PRAGMA max_page_count = ${pages + 5}`));
  const error = await broker
    .publish([message(queue, Buffer.alloc(500_000))], { signal: soon() })
    .catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(PublishError);
  expect(error).toMatchObject({ safeToRepeat: true, transient: true });
  expect((error as PublishError).failures[0]?.cause).toBeInstanceOf(BrokerFullError);
  await using reader = await read(broker, queue);
  const delivery = await reader.one();
  expect(delivery.body.byteLength).toBe(100_000);
  expect(await reader.ack(delivery)).toEqual([]);
  await publish(broker, message(queue, Buffer.alloc(50_000)));
  expect((await reader.one()).body.byteLength).toBe(50_000);
});
