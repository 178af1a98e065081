import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { type Broker, type Delivery, type Outgoing, openBroker, type Settlement } from '../../../src/broker/index.ts';
import { brokerOptions, freshQueue, message, publish, read, text, unique } from '../../conformance/broker/harness.ts';
import { processorTime } from '../../support/work.ts';

const open = (): Promise<Broker> => openBroker(brokerOptions(`memory://${unique('unit')}`));
const ack = (delivery: Delivery): Settlement => ({ verdict: 'ack', delivery });

test('a bad joint write fails its own settle alone, and its deliveries stay held', async () => {
  await using broker = await open();
  const queue = await freshQueue(broker);
  await publish(broker, message(queue, 'a'), message(queue, 'b'));
  await using reader = await read(broker, queue);
  const [a, b] = await reader.take(2);
  const bad = {
    database: broker.database ?? '',
    payload: () => {
      throw new TypeError('bad write');
    },
  };
  const outcomes = await Promise.allSettled([reader.subscription.settle([ack(b!)]), reader.subscription.settle([], [bad])]);
  expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected']);
  // The subscription lives on.
  expect(await reader.ack(a!)).toEqual([]);
  await publish(broker, message(queue, 'c'));
  expect(text(await reader.one())).toBe('c');
});

test('a bad joint write leaves the deliveries that are settled with it held', async () => {
  await using broker = await open();
  const queue = await freshQueue(broker);
  await publish(broker, message(queue, 'a'));
  await using reader = await read(broker, queue);
  const delivery = await reader.one();
  const bad = {
    database: broker.database ?? '',
    payload: () => {
      throw new TypeError('bad write');
    },
  };
  await expect(reader.subscription.settle([ack(delivery)], [bad])).rejects.toThrow('bad write');
  expect(await broker.count(queue)).toMatchObject({ ready: 0, held: 1 });
  await reader.subscription.settle([{ verdict: 'requeue', delivery, counted: false }]);
  expect(text(await reader.one())).toBe('a');
});

test('a joint publish to a queue that is gone by then makes it anew, and nothing is half done', async () => {
  await using broker = await open();
  const [queue, gone] = [await freshQueue(broker), await freshQueue(broker)];
  await publish(broker, message(queue, 'a'));
  await using reader = await read(broker, queue);
  const delivery = await reader.one();
  const next = await broker.jointPublish!([message(gone, 'next')]);
  await broker.remove(gone);
  expect(await reader.subscription.settle([ack(delivery)], [next])).toEqual([]);
  expect(await broker.count(gone)).toMatchObject({ ready: 1 });
});

test('verdicts of one turn of the loop are one turn of the holder, and take the next batch', async () => {
  await using broker = await open();
  const queue = await freshQueue(broker);
  await publish(broker, ...Array.from({ length: 8 }, (_, at) => message(queue, String(at))));
  await using reader = await read(broker, queue, 4);
  const first = await reader.take(4);
  const next = reader.take(4);
  await Promise.all(first.map((delivery) => reader.ack(delivery)));
  expect((await next).map(text)).toEqual(['4', '5', '6', '7']);
  expect(reader.batches.map((batch) => batch.length)).toEqual([4, 4]);
});

test('a second loop over one subscription is an error', async () => {
  await using broker = await open();
  const queue = await freshQueue(broker);
  await using reader = await read(broker, queue);
  const first = reader.ending();
  await expect(reader.subscription[Symbol.asyncIterator]().next()).rejects.toThrow('Two loops');
  await reader.subscription.cancel();
  await first;
});

test('a prefetch of nothing takes nothing until it grows', async () => {
  await using broker = await open();
  const queue = await freshQueue(broker);
  await publish(broker, message(queue, 'x'));
  await using reader = await read(broker, queue, 0);
  const next = reader.one();
  expect(await broker.count(queue)).toMatchObject({ ready: 1, held: 0 });
  await reader.subscription.prefetch(1);
  expect(text(await next)).toBe('x');
});

test('an auto-delete queue goes with its consumer', async () => {
  await using broker = await open();
  const queue = unique('own');
  await broker.declare({
    exchanges: [],
    queues: [{ name: queue, durable: false, autoDelete: true, arguments: {} }],
    bindings: [],
  });
  const reader = await read(broker, queue);
  expect(await broker.count(queue)).toBeDefined();
  await reader[Symbol.asyncDispose]();
  expect(await broker.count(queue)).toBeUndefined();
});

test('an auto-delete queue stays while another consumer of it is there', async () => {
  await using broker = await open();
  const queue = unique('shared');
  await broker.declare({
    exchanges: [],
    queues: [{ name: queue, durable: false, autoDelete: true, arguments: {} }],
    bindings: [],
  });
  const [first, second] = [await read(broker, queue), await read(broker, queue)];
  await first[Symbol.asyncDispose]();
  await publish(broker, message(queue, 'still here'));
  expect(text(await second.one())).toBe('still here');
  await second[Symbol.asyncDispose]();
  expect(await broker.count(queue)).toBeUndefined();
});

test('100,000 parked messages are parked, purged and promoted in a moment each', async () => {
  await using broker = await open();
  const [queue, other] = [await freshQueue(broker), await freshQueue(broker)];
  const due = Date.now() / 1000 + 3600;
  const many = (name: string): Outgoing[] =>
    Array.from({ length: 50_000 }, (_, at) => message(name, '', { dueAt: due + (at % 997) }));
  const began = processorTime();
  await publish(broker, ...many(queue), ...many(other));
  const soonest = message(queue, 'soonest', { dueAt: Date.now() / 1000 + 0.01 });
  await publish(broker, soonest);
  await using reader = await read(broker, queue);
  const delivery = await reader.one();
  expect(text(delivery)).toBe('soonest');
  await reader.ack(delivery);
  expect(await broker.purge(other)).toBe(50_000);
  expect(await broker.count(queue)).toMatchObject({ ready: 0, parked: 50_000 });
  expect(processorTime() - began).toBeLessThan(5000);
});

test('an unknown scheme is refused with the known ones', async () => {
  await expect(openBroker(brokerOptions('sqllite:///x'))).rejects.toThrow(/Did you mean 'sqlite'\?.*memory/);
  await expect(openBroker(brokerOptions('http://user:secret@host'))).rejects.not.toThrow(/secret/);
});

test('a signal that lives longer than its subscriptions keeps none of them', async () => {
  await using broker = await open();
  const queue = await freshQueue(broker);
  const { signal } = new AbortController();
  for (let at = 0; at < 20; at++) {
    const subscription = await broker.subscribe([queue], { prefetch: 1, node: 'n', signal });
    await subscription[Symbol.asyncDispose]();
  }
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test('a signal that aborts ends the subscription', async () => {
  await using broker = await open();
  const queue = await freshQueue(broker);
  const stop = new AbortController();
  const subscription = await broker.subscribe([queue], { prefetch: 1, node: 'n', signal: stop.signal });
  const ended = subscription[Symbol.asyncIterator]().next();
  stop.abort();
  expect((await ended).done).toBe(true);
  await subscription[Symbol.asyncDispose]();
});
