// Messages that are due later: parked by the sender or by the worker, kept by the broker, delivered in time.
import { expect, test } from 'vitest';
import { freshQueue, message, now, publish, read, text } from './harness.ts';
import type { Suite } from './suite.ts';

export function describeDelays({ setup, traits }: Suite): void {
  test('a message with a due time is kept by the broker until then', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    expect(broker.features.delay).toBe(true);
    const queue = await freshQueue(broker);
    await using reader = await read(broker, queue);
    // The first delay of a server may have to lay out its ways first, which takes RabbitMQ seconds.
    await publish(broker, message(await freshQueue(broker), 'first', { dueAt: now() + 1 }));
    const next = reader.take(2);
    const dueAt = now() + 2;
    await publish(broker, message(queue, 'later', { dueAt }), message(queue, 'now'));
    const [first, second] = await next;
    expect([text(first!), text(second!)]).toEqual(['now', 'later']);
    expect(now()).toBeGreaterThanOrEqual(dueAt - traits.earliness);
    expect(now()).toBeLessThan(dueAt + 1.5);
    expect(second).toMatchObject({ redelivered: false, attempts: 1, queue });
    await reader.ack(first!, second!);
  });

  test('a parked delivery comes back in time as if it were new', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    await publish(broker, message(queue, 'park me', { headers: { id: 'p', eta: 'x' } }));
    await using reader = await read(broker, queue);
    const until = now() + 2;
    expect(await reader.subscription.settle([{ verdict: 'park', delivery: await reader.one(), until }])).toEqual([]);
    expect(await broker.count(queue)).toMatchObject({ ready: 0 });
    const back = await reader.one();
    expect(now()).toBeGreaterThanOrEqual(until - traits.earliness);
    expect(text(back)).toBe('park me');
    expect(back).toMatchObject({ queue, redelivered: false, attempts: 1, headers: { id: 'p', eta: 'x' } });
    await reader.ack(back);
  });

  test('what is parked survives its worker and is brought by the next', async () => {
    await using harness = await setup();
    const sender = await harness.open();
    const queue = await freshQueue(sender);
    await publish(sender, message(queue, 'kept'));
    const first = await read(sender, queue);
    await first.subscription.settle([{ verdict: 'park', delivery: await first.one(), until: now() + 1.5 }]);
    await first[Symbol.asyncDispose]();
    await sender[Symbol.asyncDispose]();
    await using broker = await harness.open();
    await using reader = await read(broker, queue);
    expect(text(await reader.one())).toBe('kept');
  });

  test(
    traits.countsParked ? 'parked messages are counted, and purged with their queue' : 'parked messages are not counted',
    async () => {
      await using harness = await setup();
      await using broker = await harness.open();
      const queue = await freshQueue(broker);
      await publish(broker, message(queue, 'x'));
      await using reader = await read(broker, queue);
      await reader.subscription.settle([{ verdict: 'park', delivery: await reader.one(), until: now() + 3600 }]);
      if (!traits.countsParked) {
        expect((await broker.count(queue))?.parked).toBeUndefined();
        return;
      }
      expect(await broker.count(queue)).toMatchObject({ ready: 0, parked: 1 });
      expect(await broker.purge(queue)).toBe(1);
      expect(await broker.count(queue)).toMatchObject({ ready: 0, parked: 0 });
    },
  );
}
