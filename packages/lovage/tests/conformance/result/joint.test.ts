// Where broker and results are one database, a result and the ack of its message are one write.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import {
  type BrokerOptions,
  DEFAULT_DEAD_LETTERS,
  type Delivery,
  openBroker,
  type Subscription,
} from '../../../src/broker/index.ts';
import { openBackend } from '../../../src/result/index.ts';
import { redisUrl } from '../../support/servers.ts';
import { bodyOf, collect, maker, never, optionsFor, untilEnd } from './harness.ts';

const folder = mkdtempSync(join(tmpdir(), 'lovage-results-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const urls: Record<string, () => string> = {
  sqlite: () => `sqlite://${join(folder, 'joint.db')}`,
  redis: () => redisUrl(),
};

async function firstOf(subscription: Subscription): Promise<Delivery> {
  for await (const [delivery] of subscription) if (delivery !== undefined) return delivery;
  throw new Error('the subscription ended');
}

/** A broker and a backend on one database, and a message that a worker holds. */
async function holding(url: string) {
  const options: BrokerOptions = {
    url,
    appName: 'conformance',
    connectTimeout: 5,
    heartbeat: 10,
    transportOptions: {},
    deadLetters: DEFAULT_DEAD_LETTERS,
  };
  const queue = `joint-${randomUUID()}`;
  const broker = await openBroker(options);
  onTestFinished(() => broker[Symbol.asyncDispose]());
  await broker.declare({ exchanges: [], queues: [{ name: queue, durable: true, arguments: {} }], bindings: [] });
  const properties = { contentType: 'application/json', contentEncoding: 'utf-8' };
  const message = { exchange: '', routingKey: queue, headers: { id: '1', task: 't' }, properties, body: Buffer.from('[]') };
  await broker.publish([message], { signal: AbortSignal.timeout(10_000) });
  const subscription = await broker.subscribe([queue], { prefetch: 1, node: 'celery@joint' });
  onTestFinished(() => subscription[Symbol.asyncDispose]());
  const backend = untilEnd(await openBackend(optionsFor(url)));
  return { broker, backend, subscription, queue, delivery: await firstOf(subscription) };
}

describe.each(Object.entries(urls))('a joint put on %s', (_, url) => {
  it('is stored with the ack, and wakes who waits', async () => {
    const { broker, backend, subscription, delivery, queue } = await holding(url());
    expect(backend.database).toBe(broker.database);
    const reader = untilEnd(await openBackend(optionsFor(url())));
    const make = await maker(reader);
    const id = randomUUID();
    await backend.put([make(`${id}-first`, 'SUCCESS')]);
    const watch = reader.watch([`${id}-first`, id], never)[Symbol.asyncIterator]();
    await watch.next();
    const write = backend.jointPut?.([make(id, 'SUCCESS')]);
    expect(await subscription.settle([{ verdict: 'ack', delivery }], write === undefined ? [] : [write])).toEqual([]);
    expect((await watch.next()).value).toMatchObject({ id, state: 'SUCCESS' });
    expect(await broker.count(queue)).toMatchObject({ ready: 0 });
  });

  it('keeps the write rule: SUCCESS stays, an older attempt writes nothing', async () => {
    const { backend, subscription, delivery } = await holding(url());
    const make = await maker(backend);
    const [done, fenced] = [randomUUID(), randomUUID()];
    await backend.put([make(done, 'SUCCESS')]);
    await backend.fence?.(fenced, 2, 60);
    const write = backend.jointPut?.([make(done, 'FAILURE'), make(fenced, 'SUCCESS', { attempt: 1 })]);
    await subscription.settle([{ verdict: 'ack', delivery }], write === undefined ? [] : [write]);
    const stored = await backend.get([done, fenced]);
    expect(Array.from(stored.values(), (result) => Buffer.from(result.body))).toEqual([Buffer.from(bodyOf(done, 'SUCCESS'))]);
    expect(await collect(backend.watch([done], never))).toHaveLength(1);
  });
});
