// Queues themselves: counts, looking without taking, purging, removing, declaring, and which of them a subscription watches.
import { expect, test, vi } from 'vitest';
import { PublishError, QueueNotFoundError, TopologyMismatchError } from '../../../src/util/index.ts';
import { freshQueue, freshQueues, message, publish, queueOf, read, SOON, text, unique } from './harness.ts';
import type { Suite } from './suite.ts';

export function describeQueues({ setup, traits }: Suite): void {
  test('count tells what waits, purge deletes it', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    expect(await broker.count(unique('unknown'))).toSatisfy((count) => count === undefined || count.ready === 0);
    await publish(broker, message(queue, 'a'), message(queue, 'b'), message(queue, 'c'));
    expect(await broker.count(queue)).toMatchObject({ ready: 3 });
    expect(await broker.purge(queue)).toBe(3);
    expect(await broker.count(queue)).toMatchObject({ ready: 0 });
    expect(await broker.purge(queue)).toBe(0);
  });

  test('an empty queue that somebody takes from counts as there, for everybody', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    await using other = await harness.open();
    const queue = await freshQueue(broker);
    await using _reader = await read(broker, queue);
    // Whoever takes says so with its first look.
    await vi.waitFor(async () => expect(await other.count(queue)).toMatchObject({ ready: 0 }), SOON);
  });

  test('peek shows the next messages and takes none', async ({ expect }) => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    await publish(broker, message(queue, 'a'), message(queue, 'b'), message(queue, 'c'));
    expect((await broker.peek(queue, 2)).map(text)).toEqual(['a', 'b']);
    await vi.waitFor(async () => expect((await broker.count(queue))?.ready).toBe(3), SOON);
    await using reader = await read(broker, queue);
    const taken = await reader.take(3);
    expect(taken.map(text)).toEqual(traits.peekReorders === true ? ['c', 'a', 'b'] : ['a', 'b', 'c']);
    expect(taken.map((delivery) => [delivery.attempts, delivery.redelivered])).toEqual(taken.map(() => [1, false]));
  });

  test('a removed queue takes its messages with it', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    await publish(broker, message(queue, 'a'));
    await broker.remove(queue);
    expect(await broker.count(queue)).toSatisfy((count) => count === undefined || count.ready === 0);
    await broker.declare({ exchanges: [], queues: [queueOf(queue)], bindings: [] });
    await publish(broker, message(queue, 'b'));
    await using reader = await read(broker, queue);
    expect(text(await reader.one())).toBe('b');
  });

  test('the same declaration again is no error', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    await using other = await harness.open();
    const queue = unique('q');
    const topology = {
      exchanges: [{ name: queue, type: 'direct' as const, durable: true }],
      queues: [queueOf(queue, { 'x-expires': 600_000, 'x-message-ttl': 300_000 })],
      bindings: [{ queue, exchange: queue, routingKey: queue }],
    };
    await broker.declare(topology);
    await broker.declare(topology);
    await other.declare(topology);
    await publish(other, message(queue, 'once', { exchange: queue }));
    expect(await broker.count(queue)).toMatchObject({ ready: 1 });
  });

  test('what is declared passive is looked for and never made', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    await using other = await harness.open();
    const [mine, theirs] = [unique('q'), unique('q')];
    const absent = { exchanges: [], queues: [{ ...queueOf(mine), passive: true }], bindings: [] };
    const outcome = await other.declare(absent).catch((error: unknown) => error);
    if (traits.remembersQueues) expect(outcome).toBeInstanceOf(QueueNotFoundError);
    else expect(outcome).toBeUndefined();
    const exchange = { name: theirs, type: 'topic', durable: true } as const;
    const nowhere = { exchanges: [{ ...exchange, passive: true }], queues: [], bindings: [] };
    await expect(other.declare(nowhere)).rejects.toThrow(QueueNotFoundError);
    await broker.declare({
      exchanges: [exchange],
      queues: [queueOf(mine, { 'x-expires': 600_000 })],
      bindings: [{ queue: mine, exchange: theirs, routingKey: 'a.#' }],
    });
    // Whatever its arguments are, and however often.
    for (let time = 0; time < 2; time++) await other.declare({ ...absent, exchanges: nowhere.exchanges });
    await publish(other, message(mine, 'in', { exchange: theirs, routingKey: 'a.b' }));
    await using reader = await read(other, mine);
    expect(text(await reader.one())).toBe('in');
  });

  const otherArguments = traits.remembersQueues
    ? 'a queue that exists with other arguments is refused'
    : 'a store that remembers no queues takes any arguments';
  test(otherArguments, async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    await using other = await harness.open();
    const queue = await freshQueue(broker);
    const outcome = await other
      .declare({ exchanges: [], queues: [queueOf(queue, { 'x-expires': 600_000 })], bindings: [] })
      .catch((error: unknown) => error);
    if (traits.remembersQueues) {
      expect(outcome).toBeInstanceOf(TopologyMismatchError);
      expect((outcome as Error).message).toContain(queue);
    } else expect(outcome).toBeUndefined();
    // Either way both still work.
    await publish(other, message(queue, 'x'));
    await using reader = await read(broker, queue);
    expect(text(await reader.one())).toBe('x');
  });

  test('queues join and leave a subscription while it runs', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const [one = '', two = ''] = await freshQueues(broker, 2);
    await using reader = await read(broker, one);
    const first = reader.one();
    await reader.subscription.add(two);
    await publish(broker, message(two, 'from two'));
    const delivery = await first;
    expect([delivery.queue, text(delivery)]).toEqual([two, 'from two']);
    await reader.ack(delivery);
    await reader.subscription.cancel(two);
    await publish(broker, message(two, 'stays'), message(one, 'from one'));
    expect(text(await reader.one())).toBe('from one');
    expect(await broker.count(two)).toMatchObject({ ready: 1 });
  });

  test('after cancel nothing more comes, and what is held can still be settled', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    await publish(broker, message(queue, 'held'));
    await using reader = await read(broker, queue, 5);
    const held = await reader.one();
    await reader.subscription.cancel();
    await publish(broker, message(queue, 'later'));
    await reader.ending();
    expect(await reader.ack(held)).toEqual([]);
    expect(await broker.count(queue)).toMatchObject({ ready: 1 });
  });

  test('a message whose expiration is over is dropped by RabbitMQ alone; elsewhere it reaches its worker, which records it', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    const brief = message(queue, 'brief', {
      properties: { contentType: 'text/plain', contentEncoding: 'utf-8', expiration: '1' },
    });
    await publish(broker, brief);
    await publish(broker, message(queue, 'lasting'));
    await expect
      .poll(
        async () => {
          await using reader = await read(broker, queue);
          return text(await reader.one());
        },
        { timeout: 5000 },
      )
      .toBe(traits.expires ? 'lasting' : 'brief');
  });

  test('check answers, and a publish whose time is over rejects before it is sent', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    await broker.check(AbortSignal.timeout(5000));
    const queue = await freshQueue(broker);
    const error = await broker
      .publish([message(queue, 'x')], { signal: AbortSignal.abort(new Error('too late')) })
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(PublishError);
    expect(error).toMatchObject({ failures: [{ index: 0, stored: 'no' }], safeToRepeat: true });
    expect(await broker.count(queue)).toMatchObject({ ready: 0 });
  });
}
