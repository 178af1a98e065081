// How often a message of RabbitMQ was started: once for each start, whatever else happened to it on its way.
import { describe, expect, test, vi } from 'vitest';
import { startOf } from '../../../src/broker/amqp/marks.ts';
import { type Broker, type Delivery, migrateQueue, openBroker, type Settlement } from '../../../src/broker/index.ts';
import { BrokerError } from '../../../src/util/index.ts';
import { inRequest, startFaultProxy } from '../../faults/harness/proxy.ts';
import type { Passed } from '../../faults/harness/wire.ts';
import { startProxy } from '../../support/proxy.ts';
import { amqpUrl } from '../../support/servers.ts';
import { brokerOptions, freshQueue, message, publish, queueOf, type Reader, read, text } from './harness.ts';

type End = 'counted' | 'uncounted' | 'parked';

function markOf(delivery: Delivery): string {
  const { key, number } = startOf(delivery);
  return `lovage.start.${key}.${number}`;
}

/** Starts one message, and gives it back. */
async function givenBack(broker: Broker, queue: string, end: End): Promise<Delivery> {
  await using reader = await read(broker, queue);
  const delivery = await reader.one();
  if (delivery.attempts > 1) await reader.subscription.starting?.(delivery);
  const settlement: Settlement =
    end === 'parked' ? { verdict: 'park', delivery, until: 0 } : { verdict: 'requeue', delivery, counted: end === 'counted' };
  expect(await reader.subscription.settle([settlement])).toEqual([]);
  return delivery;
}

/** Takes one message, and loses the line before it is started. */
async function cutOnItsWay(broker: Broker, queue: string, cut: () => unknown): Promise<Delivery> {
  const reader = await read(broker, queue);
  const delivery = await reader.one();
  const ending = reader.ending().catch((error: unknown) => error);
  cut();
  expect(await ending).toBeInstanceOf(Error);
  await reader[Symbol.asyncDispose]();
  return delivery;
}

describe.concurrent.each(['classic', 'quorum'])('on %s queues', (type) => {
  test.each<{ ends: readonly End[]; attempts: readonly number[] }>([
    { ends: ['counted', 'counted', 'counted'], attempts: [2, 3, 4] },
    { ends: ['counted', 'uncounted', 'counted'], attempts: [2, 2, 3] },
    { ends: ['counted', 'parked', 'counted'], attempts: [2, 2, 3] },
  ])('starts that ended as $ends count once each, although the line is cut before the next one', async ({ ends, attempts }) => {
    await using proxy = await startProxy(amqpUrl());
    await using broker = await openBroker(brokerOptions(proxy.url(amqpUrl())));
    const queue = await freshQueue(broker, { 'x-queue-type': type });
    await publish(broker, message(queue, 'poison'));
    const seen: number[] = [];
    for (const end of ends) {
      await givenBack(broker, queue, end);
      seen.push((await cutOnItsWay(broker, queue, proxy.cut)).attempts);
    }
    expect(seen).toEqual(attempts);
    await using reader = await read(broker, queue);
    expect((await reader.one()).attempts).toBe(attempts.at(-1));
  });

  test('no mark is left of what is among the dead', async () => {
    await using broker = await openBroker(brokerOptions(amqpUrl()));
    const queue = await freshQueue(broker, { 'x-queue-type': type });
    await publish(broker, message(queue, 'poison'));
    await givenBack(broker, queue, 'counted');
    await using reader = await read(broker, queue);
    const delivery = await reader.one();
    await reader.subscription.starting?.(delivery);
    expect(await broker.count(markOf(delivery))).toEqual({ ready: 0 });
    await reader.subscription.settle([{ verdict: 'deadLetter', delivery, reason: 'delivery-limit' }]);
    await vi.waitFor(async () => expect(await broker.count(markOf(delivery))).toBeUndefined(), 20_000);
  });
});

test('a message that is moved to another broker takes its starts along', async () => {
  await using proxy = await startProxy(amqpUrl());
  await using broker = await openBroker(brokerOptions(proxy.url(amqpUrl())));
  await using other = await openBroker(brokerOptions('memory://'));
  const queue = await freshQueue(broker);
  await publish(broker, message(queue, 'started'));
  for (const attempts of [1, 2]) {
    const reader = await read(broker, queue);
    const delivery = await reader.one();
    expect(delivery.attempts).toBe(attempts);
    if (attempts > 1) await reader.subscription.starting?.(delivery);
    proxy.cut();
    await reader[Symbol.asyncDispose]();
  }
  await publish(broker, message(queue, 'new'));
  await other.declare({ exchanges: [], queues: [queueOf(queue)], bindings: [] });
  await migrateQueue({ from: broker, to: other, source: queue, target: queue, move: true });
  await using reader = await read(other, queue);
  const found = (await reader.take(2)).map((delivery) => [text(delivery), delivery.attempts, delivery.redelivered]);
  expect(found.toSorted()).toEqual([
    ['new', 1, false],
    ['started', 3, true],
  ]);
});

/** The declaration of a mark; that of a probe has another name. */
const isMark = ({ name, bytes }: Passed): boolean =>
  name === '50.10' && /lovage\.start\.[0-9a-f]{32}\./.test(bytes.toString('latin1'));

test('a mark that RabbitMQ refuses leaves that start uncounted, and all others counted', async () => {
  await using proxy = await startProxy(amqpUrl());
  await using broker = await openBroker(brokerOptions(proxy.url(amqpUrl())));
  const queue = await freshQueue(broker);
  await publish(broker, message(queue, 'one'), message(queue, 'two'));
  const first = await read(broker, queue);
  await first.take(2);
  proxy.cut();
  await first[Symbol.asyncDispose]();
  await using reader = await read(broker, queue);
  const [one, two] = await reader.take(2);
  // Of another kind than a mark.
  await broker.declare({ exchanges: [], queues: [{ name: markOf(one!), durable: true, arguments: {} }], bindings: [] });
  for (const delivery of [one!, two!]) await reader.subscription.starting?.(delivery);
  expect(await broker.count(markOf(two!))).toEqual({ ready: 0 });
  await reader.ack(one!, two!);
});

test('a mark that the end of its line breaks off says nothing of other lines', async () => {
  await using wire = await startFaultProxy(amqpUrl());
  await using broker = await openBroker(brokerOptions(wire.url(amqpUrl())));
  const queue = await freshQueue(broker);
  await publish(broker, message(queue, 'the one'));
  const first = await read(broker, queue);
  await first.one();
  wire.cut();
  await first[Symbol.asyncDispose]();
  const second = await read(broker, queue);
  const frozen = wire.trap(inRequest(1, isMark, { act: 'freeze' }));
  const started = Promise.resolve(second.subscription.starting?.(await second.one())).catch((error: unknown) => error);
  await frozen;
  await second[Symbol.asyncDispose]();
  expect(await started).toBeInstanceOf(BrokerError);
  await using reader = await read(broker, queue);
  const delivery = await reader.one();
  await reader.subscription.starting?.(delivery);
  expect([delivery.attempts, await broker.count(markOf(delivery))]).toEqual([2, { ready: 0 }]);
  await reader.ack(delivery);
});

/** One message that came again, as its next reader has it. */
async function cameAgain(broker: Broker, cut: () => unknown): Promise<{ readonly reader: Reader; readonly delivery: Delivery }> {
  const queue = await freshQueue(broker);
  await publish(broker, message(queue, 'the one'));
  await cutOnItsWay(broker, queue, cut);
  const reader = await read(broker, queue);
  return { reader, delivery: await reader.one() };
}

test('a start is noted by a server that takes four seconds for each answer, on the same line', async () => {
  await using wire = await startFaultProxy(amqpUrl());
  await using broker = await openBroker(brokerOptions(wire.url(amqpUrl())));
  await using watcher = await openBroker(brokerOptions(amqpUrl()));
  const { reader, delivery } = await cameAgain(broker, wire.cut);
  wire.slow({ delay: 2000 });
  await reader.subscription.starting?.(delivery);
  wire.slow({ delay: 0 });
  expect(await watcher.count(markOf(delivery))).toEqual({ ready: 0 });
  expect(await reader.ack(delivery)).toEqual([]);
  await reader[Symbol.asyncDispose]();
});

test('a server that needs more than two seconds for its confirms is asked for no mark by its name', async () => {
  await using first = await startProxy(amqpUrl());
  await using wire = await startFaultProxy(amqpUrl());
  await using dying = await openBroker(brokerOptions(first.url(amqpUrl())));
  await using broker = await openBroker(brokerOptions(wire.url(amqpUrl())));
  const queue = await freshQueue(dying);
  await publish(dying, message(queue, 'the one'));
  const holder = await read(dying, queue);
  await holder.one();
  // Its line that publishes is open by then.
  await freshQueue(broker);
  await using reader = await read(broker, queue);
  const names: string[] = [];
  void wire.trap({
    direction: 'up',
    act: 'rst',
    here: (passed) => {
      if (isMark(passed)) names.push(passed.name);
      return false;
    },
  });
  wire.slow({ delay: 1200 });
  first.cut();
  await holder[Symbol.asyncDispose]();
  const delivery = await reader.one();
  wire.slow({ delay: 0 });
  expect([delivery.attempts, names]).toEqual([2, []]);
  await reader.ack(delivery);
});

test('no start is noted of what has ended meanwhile', async () => {
  await using wire = await startFaultProxy(amqpUrl());
  await using broker = await openBroker(brokerOptions(wire.url(amqpUrl())));
  const { reader, delivery } = await cameAgain(broker, wire.cut);
  await reader.ack(delivery);
  await reader.subscription.starting?.(delivery);
  expect(await broker.count(markOf(delivery))).toBeUndefined();
  await reader[Symbol.asyncDispose]();
});

test('where a line has no channel for marks, what comes again counts as started and keeps its line', async () => {
  await using wire = await startFaultProxy(amqpUrl());
  await using sender = await openBroker(brokerOptions(wire.url(amqpUrl())));
  await using narrow = await openBroker(brokerOptions(`${wire.url(amqpUrl())}?channel_max=1`));
  const queue = await freshQueue(sender);
  await publish(sender, message(queue, 'the one'));
  await cutOnItsWay(sender, queue, wire.cut);
  await using reader = await read(narrow, queue);
  const delivery = await reader.one();
  await reader.subscription.starting?.(delivery);
  expect(delivery.attempts).toBe(2);
  expect(await reader.ack(delivery)).toEqual([]);
});
