// How often a message of RabbitMQ was started: once for each start, whatever else happened to it on its way.
import { describe, expect, test, vi } from 'vitest';
import { startOf } from '../../../src/broker/amqp/marks.ts';
import { type Broker, type Delivery, openBroker, type Settlement } from '../../../src/broker/index.ts';
import { startProxy } from '../../support/proxy.ts';
import { amqpUrl } from '../../support/servers.ts';
import { brokerOptions, freshQueue, message, publish, read } from './harness.ts';

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
