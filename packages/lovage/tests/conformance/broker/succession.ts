// What follows a message in its place, without having been in its queue.
import { expect, test } from 'vitest';
import { type Delivery, deadLetterQueue, type Outgoing, readDeath, type Subscription } from '../../../src/broker/index.ts';
import { freshQueue, freshQueues, message, now, publish, read, text } from './harness.ts';
import type { Suite } from './suite.ts';

/** Puts a successor in the place of a delivery; resolves with those that were lost. */
function become(subscription: Subscription, delivery: Delivery, next: Outgoing) {
  const successor = subscription.successor?.(delivery, next);
  if (successor === undefined) throw new Error('No successor was made.');
  const settled = subscription.settle([{ verdict: 'become', delivery, successor }]);
  subscription.handOut?.([successor]);
  return { successor, settled };
}

export function describeSuccession({ setup, traits }: Suite): void {
  if (!traits.handsOn) {
    test('no successors are made, so whatever follows is published', async () => {
      await using harness = await setup();
      await using broker = await harness.open();
      const queue = await freshQueue(broker);
      await publish(broker, message(queue, 'first'));
      await using reader = await read(broker, queue);
      const first = await reader.one();
      expect(reader.subscription.successor?.(first, message(queue, 'next'))).toBeUndefined();
      await reader.ack(first);
    });
    return;
  }

  test('a successor comes as a new message, and lies in the place of what it follows', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    await publish(broker, message(queue, 'first'));
    const reader = await read(broker, queue);
    const first = await reader.one();
    const headers = { task: 'suite.next', id: 'n1', 'x-own': 'ü' };
    const { settled } = become(
      reader.subscription,
      first,
      message(queue, 'next', { headers, properties: { ...first.properties, correlationId: 'n1' } }),
    );
    const next = await reader.one();
    expect(await settled).toEqual([]);
    expect([text(next), next.redelivered, next.attempts, next.queue, next.headers]).toEqual(['next', false, 1, queue, headers]);
    expect(next.properties.correlationId).toBe('n1');
    expect(await broker.count(queue)).toMatchObject({ ready: 0 });
    // What its holder leaves behind is the successor alone.
    await reader[Symbol.asyncDispose]();
    await using second = await read(broker, queue);
    const back = await second.one();
    expect([text(back), back.redelivered, back.attempts, back.headers.id]).toEqual(['next', true, 1, 'n1']);
    await second.ack(back);
    expect(await broker.count(queue)).toMatchObject({ ready: 0 });
  });

  test('of those that follow one another in one turn only the last is written', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    await publish(broker, message(queue, 'first'), message(queue, 'other'));
    await using reader = await read(broker, queue);
    const [first, other] = await reader.take(2);
    const one = become(reader.subscription, first!, message(queue, 'one'));
    const two = become(reader.subscription, one.successor, message(queue, 'two'));
    const ended = reader.ack(two.successor);
    expect(await Promise.all([one.settled, two.settled, ended])).toEqual([[], [], []]);
    await reader.ack(other!);
    expect(await broker.count(queue)).toMatchObject({ ready: 0 });
    await reader[Symbol.asyncDispose]();
    expect(await broker.count(queue)).toMatchObject({ ready: 0 });
  });

  test('a successor can go back, wait, or die, in the same turn or in a later one', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    for (const isLater of [false, true]) {
      await publish(broker, message(queue, 'a'), message(queue, 'b'), message(queue, 'c'));
      await using reader = await read(broker, queue);
      const [a, b, c] = await reader.take(3);
      const back = become(reader.subscription, a!, message(queue, 'back'));
      const waits = become(reader.subscription, b!, message(queue, 'waits'));
      const dies = become(reader.subscription, c!, message(queue, 'dies'));
      if (isLater) await Promise.all([back.settled, waits.settled, dies.settled]);
      await reader.take(3);
      await reader.subscription.settle([
        { verdict: 'requeue', delivery: back.successor, counted: true },
        { verdict: 'park', delivery: waits.successor, until: now() + 3600 },
        { verdict: 'deadLetter', delivery: dies.successor, reason: 'failed', error: 'bad' },
      ]);
      const again = await reader.one();
      expect([text(again), again.redelivered, again.attempts]).toEqual(['back', true, 2]);
      await reader.ack(again);
      expect(await broker.count(queue)).toMatchObject({ ready: 0, parked: 1 });
      await broker.purge(queue);
      await using dead = await read(broker, deadLetterQueue(queue));
      const letter = await dead.one();
      expect([text(letter), readDeath(letter)?.reason]).toEqual(['dies', 'failed']);
      await dead.ack(letter);
    }
  });

  test('a successor of which nobody would hear any more goes back at once', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    await publish(broker, message(queue, 'first'));
    await using reader = await read(broker, queue);
    const first = await reader.one();
    const successor = reader.subscription.successor?.(first, message(queue, 'next'));
    if (successor === undefined) throw new Error('No successor was made.');
    await reader.subscription.cancel();
    const settled = reader.subscription.settle([{ verdict: 'become', delivery: first, successor }]);
    reader.subscription.handOut?.([successor]);
    expect(await settled).toEqual([]);
    await using second = await read(broker, queue);
    const back = await second.one();
    expect([text(back), back.attempts]).toEqual(['next', 1]);
    await second.ack(back);
  });

  test('what belongs elsewhere, comes later or is more urgent is no successor', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const [queue = '', other = ''] = await freshQueues(broker, 2);
    await publish(broker, message(queue, 'first'));
    await using reader = await read(broker, queue);
    const first = await reader.one();
    const { subscription } = reader;
    expect(subscription.successor?.(first, message(queue, 'fits'))).toBeDefined();
    expect(subscription.successor?.(first, message(other, 'elsewhere'))).toBeUndefined();
    expect(subscription.successor?.(first, message(queue, 'by exchange', { exchange: 'shop' }))).toBeUndefined();
    expect(subscription.successor?.(first, message(queue, 'later', { dueAt: now() + 5 }))).toBeUndefined();
    const urgent = message(queue, 'urgent');
    expect(subscription.successor?.(first, { ...urgent, properties: { ...urgent.properties, priority: 9 } })).toBeUndefined();
    await reader.ack(first);
    expect(subscription.successor?.(first, message(queue, 'too late'))).toBeUndefined();
    await subscription.cancel();
    expect(subscription.successor?.(first, message(queue, 'cancelled'))).toBeUndefined();
  });

  test('not more than a few follow one another before the broker hears of them', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    await publish(broker, message(queue, 'first'));
    await using reader = await read(broker, queue);
    let last = await reader.one();
    const settled: Promise<readonly Delivery[]>[] = [];
    for (let depth = 0; depth < 100; depth++) {
      const successor = reader.subscription.successor?.(last, message(queue, `${depth}`));
      if (successor === undefined) break;
      settled.push(reader.subscription.settle([{ verdict: 'become', delivery: last, successor }]));
      reader.subscription.handOut?.([successor]);
      last = successor;
    }
    expect(settled.length).toBe(16);
    await Promise.all(settled);
    // Once it has heard of them, others may follow.
    expect(reader.subscription.successor?.(last, message(queue, 'next'))).toBeDefined();
    await reader.ack(last);
  });
}
