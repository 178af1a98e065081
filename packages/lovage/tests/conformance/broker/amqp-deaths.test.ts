// What RabbitMQ's `redelivered` does not tell: whether a message whose line was lost had been started. Marks beside it count the deaths.
import { expect, onTestFinished, test, vi } from 'vitest';
import { startOf } from '../../../src/broker/amqp/marks.ts';
import { type Broker, type Delivery, openBroker } from '../../../src/broker/index.ts';
import { BrokerConnectionError } from '../../../src/util/index.ts';
import { beforeConfirm, startFaultProxy } from '../../faults/harness/proxy.ts';
import { startProxy } from '../../support/proxy.ts';
import { amqpUrl } from '../../support/servers.ts';
import { brokerOptions, freshQueue, message, publish, read, text } from './harness.ts';

interface Held {
  readonly isStarted: boolean;
  /** That it starts was told to the broker. @default isStarted */
  readonly isSaid?: boolean;
}

interface Arena {
  readonly broker: Broker;
  readonly queue: string;
  /** Takes the one message, and loses the line as a death does: without a word. */
  lose(how: Held): Promise<Delivery>;
}

/** A queue with one message, read through a line that can be cut. */
async function openArena(type: string): Promise<Arena> {
  const wire = await startProxy(amqpUrl());
  const broker = await openBroker(brokerOptions(wire.url(amqpUrl())));
  onTestFinished(async () => {
    await broker[Symbol.asyncDispose]();
    await wire[Symbol.asyncDispose]();
  });
  const queue = await freshQueue(broker, type === 'quorum' ? { 'x-queue-type': 'quorum' } : {});
  await publish(broker, message(queue, 'the one'));
  return {
    broker,
    queue,
    lose: async ({ isStarted, isSaid = isStarted }) => {
      const reader = await read(broker, queue);
      const delivery = await reader.one();
      if (isSaid && delivery.attempts > 1) await reader.subscription.starting?.(delivery);
      const ending = reader.one().catch((error: unknown) => error);
      wire.cut();
      expect(await ending).toBeInstanceOf(BrokerConnectionError);
      if (isSaid && !isStarted) reader.subscription.unstarted?.(delivery);
      await reader[Symbol.asyncDispose]();
      return delivery;
    },
  };
}

for (const type of ['classic', 'quorum']) {
  test(`a death is counted on ${type} queues, for a message that had been started`, async () => {
    const { broker, queue, lose } = await openArena(type);
    for (const attempts of [1, 2, 3]) {
      const delivery = await lose({ isStarted: true });
      expect([delivery.attempts, delivery.redelivered]).toEqual([attempts, attempts > 1]);
    }
    await using reader = await read(broker, queue);
    const delivery = await reader.one();
    const { key, number } = startOf(delivery);
    expect([delivery.attempts, number]).toEqual([4, 3]);
    const marks = (): Promise<unknown> => Promise.all([1, 2, 3].map((start) => broker.count(`lovage.start.${key}.${start}`)));
    expect(await marks()).toEqual([{ ready: 0 }, { ready: 0 }, undefined]);
    await reader.ack(delivery);
    await vi.waitFor(async () => expect(await marks()).toEqual([undefined, undefined, undefined]), 20_000);
  });

  test(`a line that is cut is not counted on ${type} queues, for a message that had not been started again`, async () => {
    const { lose } = await openArena(type);
    const seen: number[] = [];
    for (let cut = 0; cut < 5; cut++) seen.push((await lose({ isStarted: false })).attempts);
    // Nobody knows what became of it the first time.
    expect(seen).toEqual([1, 2, 2, 2, 2]);
  });

  test(`a start that was said and not made is not counted on ${type} queues`, async () => {
    const { lose } = await openArena(type);
    const seen: number[] = [];
    for (let cut = 0; cut < 4; cut++) seen.push((await lose({ isStarted: false, isSaid: true })).attempts);
    expect(seen).toEqual([1, 2, 2, 2]);
    // The next start counts again.
    await lose({ isStarted: true });
    expect((await lose({ isStarted: false })).attempts).toBe(3);
    // One that is not made takes no earlier one with it.
    expect((await lose({ isStarted: false, isSaid: true })).attempts).toBe(3);
    expect((await lose({ isStarted: false })).attempts).toBe(3);
  });
}

test('what was given back does not start while the message is there that it replaces', async () => {
  await using wire = await startFaultProxy(amqpUrl());
  await using broker = await openBroker(brokerOptions(wire.url(amqpUrl())));
  await using watcher = await openBroker(brokerOptions(amqpUrl()));
  const [queue, other] = [await freshQueue(broker), await freshQueue(broker)];
  await publish(broker, message(queue, 'the one'));
  const reader = await read(broker, queue);
  const delivery = await reader.one();
  const unconfirmed = wire.trap({ ...beforeConfirm(1), act: 'freeze' });
  const settling = reader.subscription.settle([{ verdict: 'requeue', delivery, counted: true }]);
  const copy = await reader.one();
  await unconfirmed;
  const started = Promise.resolve(reader.subscription.starting?.(copy)).catch((error: unknown) => error);
  // Answered on the same line, and asked later.
  await reader.subscription.add(other);
  const { key, number } = startOf(copy);
  expect(await watcher.count(`lovage.start.${key}.${number}`)).toBeUndefined();
  wire.cut();
  expect(await started).toBeInstanceOf(BrokerConnectionError);
  expect(await settling).toEqual([delivery]);
  await reader[Symbol.asyncDispose]();
  // So its death would not have brought a third, and neither is counted as one.
  await using last = await read(watcher, queue);
  const found = await last.take(2);
  expect(found.map(({ attempts }) => attempts)).toEqual([2, 2]);
  await last.ack(...found);
});

test.each(['classic', 'quorum'])(
  'messages on %s queues are there once, however often the line is cut while they come again',
  async (type) => {
    await using wire = await startFaultProxy(amqpUrl());
    await using broker = await openBroker(brokerOptions(wire.url(amqpUrl())));
    await using watcher = await openBroker(brokerOptions(amqpUrl()));
    const queue = await freshQueue(broker, type === 'quorum' ? { 'x-queue-type': 'quorum' } : {});
    const bodies = Array.from({ length: 20 }, (_, at) => `m${at}`);
    await publish(broker, ...bodies.map((body) => message(queue, body)));
    for (let cut = 0; cut < 4; cut++) {
      const reader = await read(broker, queue);
      // With the first of them, while the others are looked after.
      await reader.one();
      wire.cut();
      await reader[Symbol.asyncDispose]();
    }
    await using reader = await read(watcher, queue);
    const found = await reader.take(bodies.length);
    expect(found.map(text).toSorted()).toEqual(bodies.toSorted());
    expect(new Set(found.map(({ attempts }) => attempts))).toEqual(new Set([2]));
    await reader.ack(...found);
    expect(await watcher.count(queue)).toEqual({ ready: 0 });
  },
);

test('a quorum queue with a limit on what comes again throws nothing away that was not started', async () => {
  await using wire = await startProxy(amqpUrl());
  await using broker = await openBroker(brokerOptions(wire.url(amqpUrl())));
  const queue = await freshQueue(broker, { 'x-queue-type': 'quorum', 'x-delivery-limit': 2 });
  await publish(broker, message(queue, 'the one'));
  for (let cut = 0; cut < 8; cut++) {
    const reader = await read(broker, queue);
    const delivery = await reader.one();
    expect(delivery.attempts).toBe(cut === 0 ? 1 : 2);
    // The first waits for the ack of the message of which this may be a copy, the second is answered after it.
    for (const limit of [20, 10]) await reader.subscription.prefetch(limit);
    wire.cut();
    await reader[Symbol.asyncDispose]();
  }
  await using reader = await read(broker, queue);
  expect(text(await reader.one())).toBe('the one');
});

test('what has a key and no count is marked like what is new: its first start counts', async () => {
  const { broker, queue, lose } = await openArena('classic');
  await broker.purge(queue);
  await publish(broker, message(queue, 'hostile', { headers: { 'x-lovage-mark': 'f58986bb-cb97-4aa2-90fe-36be8fc35fdd' } }));
  const seen: number[] = [];
  for (let cut = 0; cut < 3; cut++) seen.push((await lose({ isStarted: true })).attempts);
  expect(seen).toEqual([1, 2, 3]);
});
