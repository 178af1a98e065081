// Which queue a message reaches, by each type of exchange.
import { expect, test } from 'vitest';
import { PublishError, QueueNotFoundError } from '../../../src/util/index.ts';
import { freshExchange, freshQueue, message, publish, read, soon, text, unique } from './harness.ts';
import type { Suite } from './suite.ts';

export function describeRouting({ setup, traits }: Suite): void {
  test('the anonymous exchange sends to the queue of that name', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const queue = await freshQueue(broker);
    await publish(broker, message(queue, 'hello', { headers: { id: 'i1', n: 3, list: [1, 'x'] } }));
    await using reader = await read(broker, queue);
    const delivery = await reader.one();
    expect(text(delivery)).toBe('hello');
    expect(delivery).toMatchObject({ queue, headers: { id: 'i1', n: 3, list: [1, 'x'] }, redelivered: false, attempts: 1 });
    expect(delivery.properties).toMatchObject({ contentType: 'application/json', contentEncoding: 'utf-8' });
    await reader.ack(delivery);
  });

  test('a direct exchange sends to every queue bound with that very key', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const { exchange, queues } = await freshExchange(broker, 'direct', { a: ['red'], b: ['red', 'blue'], c: ['green'] });
    await publish(broker, message('red', '1', { exchange }), message('blue', '2', { exchange }));
    await using reader = await read(broker, Object.values(queues));
    const got = (await reader.take(3)).map((delivery) => [
      delivery.queue,
      text(delivery),
      delivery.exchange,
      delivery.routingKey,
    ]);
    expect(got.sort()).toEqual(
      [
        [queues.a, '1', exchange, 'red'],
        [queues.b, '1', exchange, 'red'],
        [queues.b, '2', exchange, 'blue'],
      ].sort(),
    );
  });

  test('a topic exchange sends by pattern, one copy per queue', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const { exchange, queues } = await freshExchange(broker, 'topic', {
      star: ['a.*', 'a.b'],
      hash: ['a.#'],
      mid: ['x.*.z'],
      all: ['#'],
    });
    await publish(
      broker,
      message('a.b', '1', { exchange }),
      message('x.y.z', '2', { exchange }),
      message('a.b.c.d', '3', { exchange }),
    );
    const received = async (queue: string, count: number): Promise<string[]> => {
      await using reader = await read(broker, queue);
      const deliveries = await reader.take(count);
      await reader.ack(...deliveries);
      return deliveries.map(text);
    };
    expect(await received(queues.mid!, 1)).toEqual(['2']);
    expect(await received(queues.hash!, 2)).toEqual(['1', '3']);
    expect(await received(queues.all!, 3)).toEqual(['1', '2', '3']);
    expect((await received(queues.star!, 1))[0]).toBe('1');
  });

  test.each([
    ['declared', false],
    ['looked for', true],
  ])('a fanout exchange that its sender has %s gives every listening queue a copy', async (_, passive) => {
    await using harness = await setup();
    await using broker = await harness.open();
    await using other = await harness.open();
    const { exchange, queues } = await freshExchange(broker, 'fanout', { a: [''], b: [''] });
    await other.declare({ exchanges: [{ name: exchange, type: 'fanout', durable: true, passive }], queues: [], bindings: [] });
    await using one = await read(broker, queues.a!);
    await using two = await read(broker, queues.b!);
    const both = Promise.all([one.one(), two.one()]);
    // Listeners on pub/sub hear only what is said after they are heard of: say it until both did.
    let heard = false;
    void both.finally(() => {
      heard = true;
    });
    for (let tries = 0; !heard && tries < 50; tries++) {
      await publish(other, message('', 'all', { exchange }));
      await Promise.race([both, new Promise((resolve) => setTimeout(resolve, 100))]);
    }
    expect((await both).map((delivery) => [delivery.queue, text(delivery)])).toEqual([
      [queues.a, 'all'],
      [queues.b, 'all'],
    ]);
    await one.ack(await both.then(([delivery]) => delivery));
  });

  test.each(['fanout', 'topic'] as const)('whoever sends news by a %s exchange is told that nobody hears them', async (type) => {
    await using harness = await setup();
    await using broker = await harness.open();
    const { exchange } = await freshExchange(broker, type, {});
    const queue = await freshQueue(broker);
    const say = async (key: string): Promise<number | undefined> => {
      await publish(
        broker,
        message(key, 'news', {
          exchange,
          properties: { contentType: 'application/json', contentEncoding: 'utf-8', deliveryMode: 1 },
        }),
      );
      return broker.audience?.(exchange, key);
    };
    const key = type === 'topic' ? 'task.multi' : '';
    expect(broker.audience?.(exchange, key)).toBeUndefined();
    expect(await say(key)).toBe(0);
    await broker.declare({
      exchanges: [],
      queues: [],
      bindings: [{ queue, exchange, routingKey: type === 'topic' ? 'task.#' : '' }],
    });
    await using reader = await read(broker, queue);
    const heard = reader.one();
    // Listeners on pub/sub are heard of a moment later.
    for (let tries = 0; (await say(key)) === 0 && tries < 50; tries++) await new Promise((resolve) => setTimeout(resolve, 100));
    await reader.ack(await heard);
    expect(broker.audience?.(exchange, 'other')).toBeUndefined();
    if (type === 'topic') expect([await say('other'), await say(key)]).toEqual([0, broker.name === 'amqp' ? undefined : 1]);
  });

  test('a message for a fanout exchange, sent with the end of another, is heard by every listening queue', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    if (broker.jointPublish === undefined) {
      expect(broker.database).toBeUndefined();
      return;
    }
    const queue = await freshQueue(broker);
    const { exchange, queues } = await freshExchange(broker, 'fanout', { a: [''], b: [''] });
    await using one = await read(broker, queues.a!);
    await using two = await read(broker, queues.b!);
    await using reader = await read(broker, queue);
    const both = Promise.all([one.one(), two.one()]);
    let heard = false;
    void both.finally(() => {
      heard = true;
    });
    for (let tries = 0; !heard && tries < 50; tries++) {
      await publish(broker, message(queue, 'first'));
      const write = await broker.jointPublish([message('', 'all', { exchange })]);
      await reader.subscription.settle([{ verdict: 'ack', delivery: await reader.one() }], [write]);
      await Promise.race([both, new Promise((resolve) => setTimeout(resolve, 100))]);
    }
    expect((await both).map(text)).toEqual(['all', 'all']);
  });

  test('news that nobody watches vanish without an error', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const exchange = unique('news');
    const type = broker.features.eventExchange;
    await broker.declare({ exchanges: [{ name: exchange, type, durable: true }], queues: [], bindings: [] });
    const news = message('task.sent', 'hello', { exchange });
    await publish(broker, { ...news, properties: { ...news.properties, deliveryMode: 1 } });
  });

  test('a message that no binding takes rejects, and the rest of its batch is stored', async () => {
    await using harness = await setup();
    await using broker = await harness.open();
    const { exchange, queues } = await freshExchange(broker, 'direct', { a: ['known'] });
    const error = await publish(broker, message('known', 'kept', { exchange }), message('nowhere', 'lost', { exchange })).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(PublishError);
    expect(error).toMatchObject({ failures: [{ index: 1, stored: 'no' }], safeToRepeat: true });
    expect((error as PublishError).failures[0]?.cause).toBeInstanceOf(QueueNotFoundError);
    await using reader = await read(broker, queues.a!);
    expect(text(await reader.one())).toBe('kept');
  });

  test(
    traits.remembersQueues ? 'a publish to an unknown queue rejects' : 'a publish to an unknown queue makes the queue',
    async () => {
      await using harness = await setup();
      await using broker = await harness.open();
      const queue = unique('never-declared');
      const outcome = await broker.publish([message(queue, 'x')], { signal: soon() }).catch((reason: unknown) => reason);
      if (traits.remembersQueues) {
        expect(outcome).toBeInstanceOf(PublishError);
        expect((outcome as PublishError).failures[0]?.cause).toBeInstanceOf(QueueNotFoundError);
        expect(await broker.count(queue)).toBeUndefined();
      } else {
        expect(outcome).toBeUndefined();
        expect(await broker.purge(queue)).toBe(1);
      }
    },
  );
}
