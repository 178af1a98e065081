import { expect, test } from 'vitest';
import { type Broker, type Delivery, openBroker, type Settlement } from '../../../src/broker/index.ts';
import { brokerOptions, freshQueue, message, publish, read, text, unique } from '../../conformance/broker/harness.ts';

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
  reader.subscription.prefetch(1);
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

test('an unknown scheme is refused with the known ones', async () => {
  await expect(openBroker(brokerOptions('sqllite:///x'))).rejects.toThrow(/Did you mean 'sqlite'\?.*memory/);
  await expect(openBroker(brokerOptions('http://user:secret@host'))).rejects.not.toThrow(/secret/);
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
