// A thousand results are awaited on one connection while that is cut, goes dumb, or its Redis dies and comes back: none is missed.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type RedisServer, startRedis } from '../../../../scripts/servers/index.ts';
import { createErrorRegistry } from '../../src/protocol/index.ts';
import { type AnyResult, createResultCodec, openBackend, ResultStore } from '../../src/result/index.ts';
import { createSerialization } from '../../src/serialization/index.ts';
import { optionsFor } from '../conformance/result/harness.ts';
import { type FaultProxy, inReply, startFaultProxy } from './harness/proxy.ts';

const COUNT = 1000;
/** Results stored in one call. */
const BATCH = 50;

let server: RedisServer;
let proxy: FaultProxy;
beforeAll(async () => {
  // Everything that was confirmed is on disk: what is missed below was missed by who waited.
  server = await startRedis({ appendonly: 'always' });
  proxy = await startFaultProxy(server.url);
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

function storeAt(url: string): ResultStore {
  const serialization = createSerialization();
  const codec = createResultCodec({
    serialization,
    serializer: 'json',
    accept: serialization.accept(['json']),
    expires: 600,
    errors: createErrorRegistry(),
  });
  const store = new ResultStore(() => openBackend(optionsFor(url)), codec);
  onTestFinished(() => store.close());
  return store;
}

interface Scene {
  /** Values by id, of those that arrived so far. */
  readonly arrived: Map<string, unknown>;
  /** Resolves when all have been waited out. */
  readonly all: Promise<void>;
  /** The ids in pieces to be stored one after the other. */
  readonly batches: readonly (readonly string[])[];
  /** Stores results whose value is their id. */
  store(ids: readonly string[]): Promise<void>;
}

/** Half of them are awaited one by one, half as one set whose members are taken as they end. The waits have begun when this resolves. */
async function scene(): Promise<Scene> {
  const reads = storeAt(proxy.url(server.url));
  const writes = storeAt(server.url);
  const run = randomUUID();
  const ids = Array.from({ length: COUNT }, (_, index) => `${run}-${index}`);
  const arrived = new Map<string, unknown>();
  const take = async (result: AnyResult): Promise<void> => void arrived.set(result.id, await result.get({ timeout: 90 }));
  const iterate = async (): Promise<void> => {
    for await (const result of reads.set(ids.slice(COUNT / 2)).asCompleted({ timeout: 90 })) await take(result);
  };
  const all = Promise.all([iterate(), ...ids.slice(0, COUNT / 2).map((id) => take(reads.result(id)))]).then(() => undefined);
  all.catch(() => undefined);
  const store = async (some: readonly string[]): Promise<void> => {
    const records = some.map((id) => writes.encode({ taskId: id, status: 'SUCCESS', result: id }, { attempt: 1 }));
    expect(await writes.put(records)).toEqual([]);
  };
  // One of either half has come through: the waits have begun.
  await store([ids[0]!, ids[COUNT / 2]!]);
  await expect.poll(() => arrived.size, { timeout: 20_000, interval: 5 }).toBe(2);
  const left = ids.filter((id) => !arrived.has(id));
  // From either half in every batch.
  const mixed = left.toSorted(
    (a, b) => (Number(a.split('-').at(-1)) % (COUNT / 2)) - (Number(b.split('-').at(-1)) % (COUNT / 2)),
  );
  const batches = Array.from({ length: Math.ceil(mixed.length / BATCH) }, (_, at) => mixed.slice(at * BATCH, (at + 1) * BATCH));
  return { arrived, all, batches, store };
}

async function expectAll({ all, arrived }: Scene): Promise<void> {
  await all;
  expect(arrived.size).toBe(COUNT);
  expect(Array.from(arrived).filter(([id, value]) => id !== value)).toEqual([]);
}

describe('1,000 results awaited on one connection', () => {
  it.each(['rst', 'fin'] as const)('all arrive although the line is cut (%s) after every second batch', async (how) => {
    const here = await scene();
    for (const [index, batch] of here.batches.entries()) {
      await here.store(batch);
      if (index % 2 > 0) continue;
      await expect.poll(() => proxy.open, { timeout: 20_000, interval: 1 }).toBeGreaterThan(0);
      expect(proxy.cut(how)).toBeGreaterThan(0);
    }
    await expectAll(here);
  });

  it('all arrive although what was sent is lost with the line', async () => {
    const here = await scene();
    for (const [index, batch] of here.batches.entries()) {
      if (index % 5 !== 0) {
        await here.store(batch);
        continue;
      }
      // Redis has told of this batch, but nothing gets through before the line dies.
      proxy.freeze('down');
      await here.store(batch);
      proxy.cut('rst');
      proxy.thaw();
    }
    await expectAll(here);
  });

  it('all arrive although the line is cut once more in the middle of what is read after a cut', async () => {
    const here = await scene();
    for (const [index, batch] of here.batches.entries()) {
      if (index % 5 !== 0) {
        await here.store(batch);
        continue;
      }
      const sprung = proxy.trap(inReply(1, ({ name }) => name === 'MGET', { bytes: 7 }));
      proxy.freeze('down');
      await here.store(batch);
      proxy.cut('rst');
      proxy.thaw();
      await sprung;
    }
    await expectAll(here);
  });

  it('all arrive although Redis is killed and comes back', async () => {
    const here = await scene();
    const third = Math.ceil(here.batches.length / 3);
    for (const batch of here.batches.slice(0, third)) await here.store(batch);
    // These are stored, but nobody has heard of them when the server dies.
    proxy.freeze('down');
    for (const batch of here.batches.slice(third, 2 * third)) await here.store(batch);
    await server.kill();
    proxy.thaw();
    // And these while it is away: the store is as patient as who waits.
    const late = Promise.all(here.batches.slice(2 * third).map(here.store));
    await server.restart();
    await late;
    await expectAll(here);
  });

  it('need one subscriber and one connection for commands', async () => {
    const before = proxy.open;
    const here = await scene();
    expect(proxy.open - before).toBeLessThanOrEqual(2);
    for (const batch of here.batches) await here.store(batch);
    await expectAll(here);
    expect(proxy.open - before).toBeLessThanOrEqual(2);
  });
});
