// What each verdict does, and what becomes of what got none.
import { expect, test } from 'vitest';
import { deadLetterQueue, readDeath } from '../../../src/broker/index.ts';
import { freshQueue, message, now, publish, read, text } from './harness.ts';
import type { Suite } from './suite.ts';

export function describeSettling({ setup }: Suite): void {
  test('what is acked is gone; what is not comes back when its holder goes, its count unchanged', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    await publish(broker, message(queue, 'early'), message(queue, 'late'), message(queue, 'third'));
    const first = await read(broker, queue);
    const [early] = await first.take(3);
    expect(await first.ack(early!)).toEqual([]);
    await first[Symbol.asyncDispose]();
    await using second = await read(broker, queue);
    const back = await second.take(2);
    expect(back.map(text)).toEqual(['late', 'third']);
    expect(back.map((delivery) => [delivery.redelivered, delivery.attempts])).toEqual([
      [true, 1],
      [true, 1],
    ]);
    await second.ack(...back);
    expect(await broker.count(queue)).toMatchObject({ ready: 0 });
  });

  test('a second verdict on one delivery does nothing', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    await publish(broker, message(queue, 'a'), message(queue, 'b'));
    await using reader = await read(broker, queue, 1);
    const delivery = await reader.one();
    await reader.ack(delivery);
    await reader.subscription.settle([{ verdict: 'requeue', delivery, counted: true }]);
    const next = await reader.one();
    expect(text(next)).toBe('b');
    await reader.ack(next);
    expect(await broker.count(queue)).toMatchObject({ ready: 0 });
  });

  test('a counted requeue raises the delivery count, an uncounted one does not', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    await publish(broker, message(queue, 'x'));
    await using reader = await read(broker, queue);
    const seen: [number, boolean][] = [];
    for (const counted of [true, false, true]) {
      const delivery = await reader.one();
      seen.push([delivery.attempts, delivery.redelivered]);
      await reader.subscription.settle([{ verdict: 'requeue', delivery, counted }]);
    }
    const last = await reader.one();
    seen.push([last.attempts, last.redelivered]);
    expect(seen).toEqual([
      [1, false],
      [2, true],
      [2, true],
      [3, true],
    ]);
    await reader.ack(last);
  });

  test('reject drops the message', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    await publish(broker, message(queue, 'bad'), message(queue, 'good'));
    await using reader = await read(broker, queue);
    const [bad, good] = await reader.take(2);
    await reader.subscription.settle([
      { verdict: 'reject', delivery: bad! },
      { verdict: 'requeue', delivery: good!, counted: false },
    ]);
    expect(text(await reader.one())).toBe('good');
    expect(await broker.count(deadLetterQueue(queue))).toSatisfy((count) => count === undefined || count.ready === 0);
  });

  test('a dead letter keeps body and headers and says why it died', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    const before = now();
    await publish(broker, message(queue, 'poison', { headers: { id: 'p1', task: 'a.b' } }));
    await using reader = await read(broker, queue);
    const delivery = await reader.one();
    const { headers } = delivery;
    await reader.subscription.settle([{ verdict: 'deadLetter', delivery, reason: 'undecodable', error: 'no JSON', node: 'w@h' }]);
    await using dead = await read(broker, `lovage.dead.${queue}`);
    const letter = await dead.one();
    expect(text(letter)).toBe('poison');
    expect(letter.headers).toMatchObject(headers);
    const death = readDeath(letter);
    expect(death).toMatchObject({ reason: 'undecodable', error: 'no JSON', attempts: 1, node: 'w@h', origin: { queue } });
    expect(Date.parse(death!.time) / 1000).toBeGreaterThanOrEqual(before - 1);
    await dead.ack(letter);
  });

  test('with dead letters off, the message is dropped', async () => {
    await using harness = await setup();
    await using broker = await harness.open({ deadLetters: { mode: 'off', ttl: 60, maxLength: 10 } });
    const queue = await freshQueue(broker);
    await publish(broker, message(queue, 'poison'), message(queue, 'next'));
    await using reader = await read(broker, queue, 1);
    await reader.subscription.settle([{ verdict: 'deadLetter', delivery: await reader.one(), reason: 'failed' }]);
    expect(text(await reader.one())).toBe('next');
    expect(await broker.count(deadLetterQueue(queue))).toSatisfy((count) => count === undefined || count.ready === 0);
  });

  test('a verdict of an older subscription is reported lost and never written', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    await publish(broker, message(queue, 'x'));
    const first = await read(broker, queue);
    const old = await first.one();
    await first[Symbol.asyncDispose]();
    await using second = await read(broker, queue);
    const current = await second.one();
    expect(current.generation).not.toBe(old.generation);
    expect(await second.subscription.settle([{ verdict: 'ack', delivery: old }])).toEqual([old]);
    await second.subscription.settle([{ verdict: 'requeue', delivery: current, counted: false }]);
    await second.ack(await second.one());
    expect(await broker.count(queue)).toMatchObject({ ready: 0 });
  });

  test('deliveries of a noAck subscription need no verdict', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    await publish(broker, message(queue, 'a'), message(queue, 'b'));
    const subscription = await broker.subscribe([queue], { prefetch: 1, node: 'n', noAck: true });
    const got: string[] = [];
    for await (const batch of subscription) {
      got.push(...batch.map(text));
      if (got.length === 2) break;
    }
    await subscription[Symbol.asyncDispose]();
    expect(got).toEqual(['a', 'b']);
    expect(await broker.count(queue)).toMatchObject({ ready: 0 });
  });

  test('a joint commit stores the next messages together with the ack', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    if (broker.database === undefined) {
      // Nothing to commit jointly with: the driver says so by having no way to try.
      expect(broker.jointPublish).toBeUndefined();
      return;
    }
    await publish(broker, message(queue, 'first'));
    await using reader = await read(broker, queue);
    const write = await broker.jointPublish!([message(queue, 'second')]);
    expect(write.database).toBe(broker.database);
    await reader.subscription.settle([{ verdict: 'ack', delivery: await reader.one() }], [write]);
    const second = await reader.one();
    expect(text(second)).toBe('second');
    await reader.ack(second);
    expect(await broker.count(queue)).toMatchObject({ ready: 0 });
  });
}
