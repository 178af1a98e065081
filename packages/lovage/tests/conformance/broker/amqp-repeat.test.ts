// A line that ends between a publish and its confirm: the message is written again, and RabbitMQ has it twice.
import { expect, test, vi } from 'vitest';
import { openBroker } from '../../../src/broker/index.ts';
import { Lovage } from '../../../src/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { beforeConfirm, startFaultProxy } from '../../faults/harness/proxy.ts';
import { amqpUrl, redisUrl } from '../../support/servers.ts';
import { brokerOptions, freshQueue, message, publish, read, SOON, text, unique } from './harness.ts';

test('the second copy says that it may be a repeat, and counts no start', async () => {
  await using proxy = await startFaultProxy(amqpUrl());
  await using broker = await openBroker(brokerOptions(proxy.url(amqpUrl())));
  const queue = await freshQueue(broker);
  await publish(broker, message(queue, 'before'));
  const cut = proxy.trap(beforeConfirm(1));
  await publish(broker, message(queue, 'once', { headers: { mine: 1 } }));
  await cut;
  await publish(broker, message(queue, 'after'));
  await using reader = await read(broker, queue);
  const found = await reader.take(4);
  await reader.ack(...found);
  expect(found.map((delivery) => [text(delivery), delivery.redelivered, delivery.attempts])).toEqual([
    ['before', false, 1],
    ['once', false, 1],
    ['once', true, 1],
    ['after', false, 1],
  ]);
  expect(found[2]?.headers).toMatchObject({ mine: 1 });
});

test.each([1, 20])('its task runs once on a worker that keeps results (%i at once)', async (concurrency) => {
  await using proxy = await startFaultProxy(amqpUrl());
  const name = unique('repeat');
  const settings = { resultBackend: redisUrl(), resultExpires: 60, taskDefaultQueue: name, controlExchange: name };
  await using app = new Lovage(name, { ...settings, brokerUrl: amqpUrl() }, { environment: {} });
  await using sender = new Lovage(name, { ...settings, brokerUrl: proxy.url(amqpUrl()) }, { environment: {} });
  const ran: number[] = [];
  const note = app.task('note', (n: number) => void ran.push(n));
  const there = sender.remote<typeof note>('note');
  await there.delay(0);
  const cut = proxy.trap(beforeConfirm(1));
  await Promise.all([1, 2, 3].map((n) => there.delay(n)));
  await cut;
  await there.delay(4);
  const broker = await app.openBroker('read');
  expect((await broker.count(name))?.ready).toBe(8);
  await using _worker = await startWorker(app, { concurrency, withoutHeartbeat: true, mingle: false });
  await vi.waitFor(async () => {
    expect(ran.toSorted()).toEqual([0, 1, 2, 3, 4]);
    expect(await broker.peek(name, 10)).toEqual([]);
  }, SOON);
});
