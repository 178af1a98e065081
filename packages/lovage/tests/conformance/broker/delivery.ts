// In which order, how many at once, and what bytes.
import { expect, test, vi } from 'vitest';
import { freshQueue, freshQueues, message, now, publish, read, SOON, text } from './harness.ts';
import type { Suite } from './suite.ts';

const numbers = (count: number, from = 0): number[] => Array.from({ length: count }, (_, index) => from + index);

export function describeDelivery({ setup, traits }: Suite): void {
  test('one queue is first in, first out', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    for (const start of [0, 50]) await publish(broker, ...numbers(50, start).map((n) => message(queue, String(n))));
    await using reader = await read(broker, queue, 7);
    const got: number[] = [];
    while (got.length < 100) {
      const delivery = await reader.one();
      got.push(Number(text(delivery)));
      await reader.ack(delivery);
    }
    expect(got).toEqual(numbers(100));
  });

  test('the higher rank of the priority scale is served first, in order within a rank', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    expect(broker.features.priorities).toBe(true);
    const queue = await freshQueue(broker, traits.priorityArguments);
    // 0, 3, 6, 9: steps that every driver tells apart.
    const sent = [3, 9, 0, 6, 9, 3, 0, 6];
    await publish(broker, ...sent.map((priority, at) => message(queue, `${priority}:${at}`, { properties: props(priority) })));
    await using reader = await read(broker, queue, 100);
    const got = (await reader.take(sent.length)).map(text);
    const wanted = sent.map((priority, at) => ({ priority, at })).sort((a, b) => a.priority - b.priority || a.at - b.at);
    if (broker.features.priorityOrder === 'highest-first') wanted.sort((a, b) => b.priority - a.priority || a.at - b.at);
    expect(got).toEqual(wanted.map(({ priority, at }) => `${priority}:${at}`));
  });

  test('never more unsettled than prefetch; settling makes room, and prefetch can grow', async ({ expect }) => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    await publish(broker, ...numbers(10).map((n) => message(queue, String(n))));
    await using reader = await read(broker, queue, 3);
    const first = await reader.take(3);
    expect(await broker.count(queue)).toMatchObject({ ready: 7 });
    await reader.ack(first[0]!);
    const fourth = await reader.one();
    expect(text(fourth)).toBe('3');
    await vi.waitFor(async () => expect((await broker.count(queue))?.ready).toBe(6), SOON);
    const more = reader.take(2);
    await reader.subscription.prefetch(5);
    expect((await more).map(text)).toEqual(['4', '5']);
    await vi.waitFor(async () => expect((await broker.count(queue))?.ready).toBe(4), SOON);
  });

  test('a message whose sender says that it was started before counts on from there', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    await publish(broker, message(queue, 'again', { headers: { 'x-lovage-attempts': 1 } }));
    await using reader = await read(broker, queue);
    const delivery = await reader.one();
    expect(delivery.attempts).toBe(2);
    await reader.ack(delivery);
  });

  test('a message whose sender says that it may be a repeat is taken for one, also when it comes later, and counts no start', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    const headers = { task: 't', id: 'i', 'x-lovage-attempts': 0 };
    const later = { headers, dueAt: now() + 1 };
    await publish(
      broker,
      message(queue, 'now', { headers }),
      message(queue, 'alike', { headers }),
      message(queue, 'later', later),
    );
    await using reader = await read(broker, queue);
    const found = await reader.take(3);
    await reader.ack(...found);
    const seen = found.map((delivery) => `${text(delivery)} ${delivery.redelivered} ${delivery.attempts}`);
    expect(seen.toSorted()).toEqual(['alike true 1', 'later true 1', 'now true 1']);
  });

  test('a waiting subscription hears of a new message', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    await using sender = await harness.open();
    const queue = await freshQueue(broker);
    await sender.declare({ exchanges: [], queues: [{ name: queue, durable: true, arguments: {} }], bindings: [] });
    await using reader = await read(broker, queue);
    for (const n of numbers(20)) {
      const next = reader.one();
      await publish(sender, message(queue, String(n)));
      const delivery = await next;
      expect(text(delivery)).toBe(String(n));
      await reader.ack(delivery);
    }
    expect(reader.subscription.lastHeard).toBeLessThanOrEqual(performance.now());
    expect(reader.subscription.lastHeard).toBeGreaterThan(0);
  });

  test('a flooded queue does not starve another of the same subscription', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const [flooded = '', quiet = ''] = await freshQueues(broker, 2);
    for (let part = 0; part < 4; part++) await publish(broker, ...numbers(100).map((n) => message(flooded, `f${n}`)));
    await publish(broker, ...numbers(5).map((n) => message(quiet, `q${n}`)));
    await using reader = await read(broker, [flooded, quiet], 4);
    const order: string[] = [];
    while (order.filter((queue) => queue === quiet).length < 5) {
      const delivery = await reader.one();
      order.push(delivery.queue);
      await reader.ack(delivery);
    }
    expect(order.length).toBeLessThan(60);
  });

  test('two consumers of a queue share it: each message goes to one', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    await using other = await harness.open();
    const queue = await freshQueue(broker);
    await using one = await read(broker, queue, 5);
    await using two = await read(other, queue, 5);
    await publish(broker, ...numbers(10).map((n) => message(queue, String(n))));
    const got = [...(await one.take(5)), ...(await two.take(5))].map((delivery) => Number(text(delivery)));
    expect(got.sort((a, b) => a - b)).toEqual(numbers(10));
  });

  test('bodies and headers keep every character and every byte, up to 10 MB', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    const words = 'naïve Ελληνικά 日本語 🌿 \u0000 "quoted" \\ end';
    const bytes = new Uint8Array(256).map((_, index) => index);
    const large = Buffer.alloc(10_000_000, 'lovage ');
    await publish(
      broker,
      message(queue, words, { headers: { id: 'u', words: 'naïve 日本語 🌿', nested: { a: [1, null, true, 'ü'] } } }),
      message(queue, bytes, { properties: { contentType: 'application/data', contentEncoding: 'binary' } }),
      message(queue, large),
    );
    await using reader = await read(broker, queue);
    const [unicode, binary, big] = await reader.take(3);
    expect(text(unicode!)).toBe(words);
    expect(unicode!.headers).toMatchObject({ words: 'naïve 日本語 🌿', nested: { a: [1, null, true, 'ü'] } });
    expect([...binary!.body]).toEqual([...bytes]);
    expect(binary!.properties).toMatchObject({ contentType: 'application/data', contentEncoding: 'binary' });
    expect(Buffer.compare(big!.body, large)).toBe(0);
    await reader.ack(unicode!, binary!, big!);
  });

  test('properties arrive as they were sent', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    await publish(broker, message(queue, 'x', { properties: { ...props(3), correlationId: 'c-1', replyTo: 'r-1' } }));
    await using reader = await read(broker, queue);
    expect((await reader.one()).properties).toMatchObject({ correlationId: 'c-1', replyTo: 'r-1', priority: 3, deliveryMode: 2 });
  });
}

function props(priority: number): { contentType: string; contentEncoding: string; deliveryMode: number; priority: number } {
  return { contentType: 'application/json', contentEncoding: 'utf-8', deliveryMode: 2, priority };
}
