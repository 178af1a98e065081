// The disk of the embedded broker: full, and with a file that was garbled in many ways.
import {
  copyFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { type Broker, DEFAULT_DEAD_LETTERS, openBroker } from '../../src/broker/index.ts';
import { type AsyncResult, BrokerFullError, Lovage, PublishError } from '../../src/index.ts';
import { openSqliteFile } from '../../src/util/index.ts';
import { createReserve } from '../../src/util/sqlite-reserve.ts';
import { startWorker } from '../../src/worker/index.ts';
import { testFolder } from '../support/folder.ts';
import { type Random, seededRandom } from './harness/random.ts';

const seed = Number(process.env.FAULT_SEED ?? Date.now() % 1_000_000);
const VARIANTS = Number(process.env.FAULT_VARIANTS ?? 150);
const MESSAGES = 120;
const PAGE = 4096;
const QUEUE = 'work';

function open(path: string): Promise<Broker> {
  return openBroker({
    url: `sqlite://${path}`,
    appName: 'disk',
    connectTimeout: 4,
    heartbeat: 10,
    transportOptions: {},
    deadLetters: DEFAULT_DEAD_LETTERS,
  });
}

/** A file with so many messages in it, numbered in their bodies, closed in good order. */
async function written(path: string): Promise<void> {
  await using broker = await open(path);
  await broker.declare({ exchanges: [], queues: [{ name: QUEUE, durable: true, arguments: {} }], bindings: [] });
  const messages = Array.from({ length: MESSAGES }, (_, number) => ({
    exchange: '',
    routingKey: QUEUE,
    headers: { task: 'disk.task', id: `id-${number}` },
    properties: { contentType: 'text/plain', contentEncoding: 'utf-8' },
    body: Buffer.from(`${number} ${'x'.repeat(500)}`),
  }));
  await broker.publish(messages, { signal: AbortSignal.timeout(5000) });
}

/** What does not come within two seconds does not come: a place may have lost its message. */
async function soon<Value>(next: Promise<IteratorResult<Value, undefined>>): Promise<{ readonly value?: Value | undefined }> {
  const { promise, resolve } = Promise.withResolvers<Record<string, never>>();
  const timer = setTimeout(() => resolve({}), 2000);
  try {
    return await Promise.race([next, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Every message that can be had from the file, by task id. */
async function drained(path: string): Promise<readonly string[]> {
  await using broker = await open(path);
  const ids: string[] = [];
  // What was saved without its queue lies in one that says so.
  for (const queue of [QUEUE, 'lovage.saved.1']) {
    if ((await broker.count(queue)) === undefined) continue;
    await using subscription = await broker.subscribe([queue], { prefetch: 1000, node: 'disk@test' });
    const batches = subscription[Symbol.asyncIterator]();
    for (let left = (await broker.count(queue))?.ready ?? 0; left > 0; ) {
      const { value = [] } = await soon(batches.next());
      ids.push(...value.map(({ headers }) => String(headers.id)));
      left -= value.length;
      await subscription.settle(value.map((delivery) => ({ verdict: 'ack', delivery })));
      if (value.length === 0) break;
    }
  }
  return ids;
}

/** Opens and empties it as a worker would, which tries again after each error that trying again can help; few tries must do. */
async function survivors(path: string): Promise<readonly string[] | Error> {
  const ids = new Set<string>();
  let last: Error | undefined;
  for (let attempt = 0; attempt < 4; attempt++) {
    try {
      for (const id of await drained(path)) ids.add(id);
      return [...ids];
    } catch (error) {
      last = error as Error;
      if ((error as { transient?: boolean }).transient !== true) return last;
    }
  }
  throw new Error(`Opened four times, and still: ${last}`, { cause: last });
}

type Damage = (path: string, random: Random) => void;

function overwrite(path: string, at: number, bytes: Buffer): void {
  const content = readFileSync(path);
  bytes.copy(content, at);
  writeFileSync(path, content);
}

const damages: Readonly<Record<string, Damage>> = {
  truncated: (path, random) => truncateSync(path, random.int(1, statSync(path).size - 1)),
  'cut by whole pages': (path, random) => truncateSync(path, PAGE * random.int(1, statSync(path).size / PAGE - 1)),
  'with flipped bits': (path, random) => {
    const content = readFileSync(path);
    for (let count = random.int(1, 50); count > 0; count--) {
      const at = random.int(0, content.length - 1);
      content[at] = (content[at] ?? 0) ^ (1 << random.int(0, 7));
    }
    writeFileSync(path, content);
  },
  'with a page of zeros': (path, random) =>
    overwrite(path, PAGE * random.int(0, statSync(path).size / PAGE - 1), Buffer.alloc(PAGE)),
  'with a page of noise': (path, random) =>
    overwrite(
      path,
      PAGE * random.int(0, statSync(path).size / PAGE - 1),
      Buffer.from(Array.from({ length: PAGE }, () => random.int(0, 255))),
    ),
  'with a page twice': (path, random) => {
    const pages = statSync(path).size / PAGE;
    const from = PAGE * random.int(0, pages - 1);
    overwrite(path, PAGE * random.int(1, pages - 1), readFileSync(path).subarray(from, from + PAGE));
  },
};

test('a garbled file is named or saved: no loop, no crash, nothing lost that was not hit', async () => {
  const folder = testFolder('garbled');
  const original = join(folder, 'original.db');
  await written(original);
  const random = seededRandom(seed);
  const names = Object.keys(damages);
  let saved = 0;
  let refused = 0;
  for (let variant = 0; variant < VARIANTS; variant++) {
    const name = names[variant % names.length] ?? '';
    const path = join(folder, `v${variant}`, 'a.db');
    cpSync(original, path);
    damages[name]?.(path, random);
    const where = `FAULT_SEED=${seed}, variant ${variant}: ${name}`;
    const got = await survivors(path).catch((error: unknown) => {
      throw new Error(where, { cause: error });
    });
    if (got instanceof Error) {
      refused++;
      expect(got.message, where).toContain(path);
      expect(got.message, where).toMatch(/move it away|moved aside/);
    } else {
      const kept = readdirSync(dirname(path)).some((file) => file.startsWith(`${basename(path)}.damaged-`));
      if (kept) saved++;
      // Whoever lost something kept the damaged file, and the log told.
      else expect(got.filter((id) => /^id-\d+$/.test(id)).length, where).toBeGreaterThan(MESSAGES - 50);
    }
    rmSync(dirname(path), { recursive: true, force: true });
  }
  expect(saved).toBeGreaterThan(0);
  // A beginning is hit in about one of a hundred.
  expect(refused).toBeLessThan(VARIANTS / 5);
});

test("a file without its beginning is named and left alone: it may be anybody's", async () => {
  const path = join(testFolder('header'), 'a.db');
  await written(path);
  overwrite(path, 0, Buffer.alloc(16));
  const before = readFileSync(path);
  const error = await survivors(path);
  expect(error).toBeInstanceOf(Error);
  expect(String(error)).toContain(path);
  expect(String(error)).toContain('move it away');
  expect(readFileSync(path).equals(before)).toBe(true);
});

test('a full disk refuses what is new, finishes what is held, and serves again when there is room', async () => {
  const folder = testFolder('full');
  const path = join(folder, 'a.db');
  const url = `sqlite://${path}`;
  await using app = new Lovage('full', { brokerUrl: url, resultBackend: url, taskDefaultQueue: QUEUE, taskPublishTimeout: 5 });
  const gate = Promise.withResolvers<void>();
  app.task('full.wait', async (number: number) => {
    await gate.promise;
    return number;
  });
  app.task('full.length', (text: string) => text.length);
  const worker = await startWorker(app, { concurrency: 10, hostname: 'w@full' });
  const held = await Promise.all(Array.from({ length: 10 }, (_, number) => app.sendTask('full.wait', { args: [number] })));
  const broker = await app.openBroker('read');
  await expect.poll(() => broker.count(QUEUE)).toMatchObject({ ready: 0, held: 10 });
  await expect.poll(() => existsSync(`${path}-reserve`)).toBe(true);
  // The connection of this process may have so many pages and no more: SQLite says what it says of a full disk.
  const file = openSqliteFile(path, { schema: '' });
  const limit = (pages: number | string) => file.write((db) => db.statement(`PRAGMA max_page_count = ${pages}`).get());
  const pages = Number((await file.read((db) => db.statement('PRAGMA page_count').get()))?.page_count);
  await limit(pages + 20);
  const sent: AsyncResult<unknown>[] = [];
  const text = 'x'.repeat(20_000);
  let refusal: unknown;
  while (refusal === undefined) {
    const one = await app.sendTask('full.length', { args: [text] }).catch((error: unknown) => error as Error);
    if (one instanceof Error) refusal = one;
    else sent.push(one);
  }
  expect(sent.length).toBeGreaterThan(0);
  expect(refusal).toBeInstanceOf(PublishError);
  expect((refusal as PublishError).safeToRepeat).toBe(true);
  expect((refusal as Error).cause).toBeInstanceOf(BrokerFullError);
  expect(String(refusal)).toMatch(/full.*free some space/);
  gate.resolve();
  expect(await Promise.all(held.map((result) => result.get({ timeout: 20 })))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(await Promise.all(sent.map((result) => result.get({ timeout: 20 })))).toEqual(sent.map(() => text.length));
  await expect.poll(() => broker.count(QUEUE)).toMatchObject({ ready: 0, held: 0 });
  await limit(1_000_000);
  expect(await (await app.sendTask('full.length', { args: [text] })).get({ timeout: 20 })).toBe(text.length);
  await worker.stop();
  await file[Symbol.asyncDispose]();
});

test('the room that is kept is given back once, nothing new is taken meanwhile, and it is made again when there is plenty', async () => {
  const path = join(testFolder('reserve'), 'a.db');
  const reserve = createReserve(path);
  await reserve.prepare();
  expect(statSync(`${path}-reserve`).size).toBeGreaterThan(0);
  expect(reserve.isSpent).toBe(false);
  expect(reserve.release()).toBe(true);
  expect(reserve.release()).toBe(false);
  // Looked at once a second.
  expect(reserve.isSpent).toBe(true);
  await expect.poll(() => reserve.isSpent, { timeout: 3000 }).toBe(false);
  expect(existsSync(`${path}-reserve`)).toBe(true);
});

test('a page of messages that is destroyed costs its messages and no others', async () => {
  const folder = testFolder('page');
  const path = join(folder, 'a.db');
  await written(path);
  const content = readFileSync(path);
  const page = Math.floor(content.indexOf('60 xxxxx') / PAGE);
  expect(page).toBeGreaterThan(0);
  const hit = [
    ...content
      .subarray(page * PAGE, (page + 1) * PAGE)
      .toString('latin1')
      .matchAll(/id-\d+/g),
  ].length;
  overwrite(path, page * PAGE, Buffer.alloc(PAGE, 0x55));
  const got = await survivors(path);
  expect(got).toHaveLength(MESSAGES - hit);
  expect(hit).toBeLessThan(10);
  expect(readdirSync(folder).filter((file) => file.includes('.damaged-')).length).toBeGreaterThan(0);
});

test('an emptied file does not take its log with it', async () => {
  const folder = testFolder('emptied');
  const path = join(folder, 'a.db');
  const copy = join(folder, 'copy.db');
  await using broker = await open(path);
  await broker.declare({ exchanges: [], queues: [{ name: QUEUE, durable: true, arguments: {} }], bindings: [] });
  expect(existsSync(`${path}-wal`)).toBe(true);
  copyFileSync(`${path}-wal`, `${copy}-wal`);
  writeFileSync(copy, '');
  await using second = await open(copy);
  await second.declare({ exchanges: [], queues: [{ name: QUEUE, durable: true, arguments: {} }], bindings: [] });
  // SQLite would have deleted it.
  expect(readdirSync(folder).some((file) => /^copy\.db\.damaged-.*-wal$/.test(file))).toBe(true);
});
