// What whoever iterates a subscription on RabbitMQ sees of what has come.
import { expect, test } from 'vitest';
import { Batches } from '../../../src/broker/amqp/batches.ts';
import { HeldDeliveries } from '../../../src/broker/amqp/held.ts';
import { Stillness } from '../../../src/broker/amqp/stillness.ts';
import type { Delivery } from '../../../src/broker/index.ts';
import type { AmqpChannel } from '../../../src/util/index.ts';

function delivery(tag: number, queue = 'q'): Delivery {
  return {
    exchange: '',
    routingKey: queue,
    headers: {},
    properties: { contentType: 'application/json', contentEncoding: 'utf-8' },
    body: new Uint8Array(),
    queue,
    redelivered: false,
    attempts: 1,
    generation: 1,
    tag,
  };
}

/** A channel that remembers what is written: `+3…` acks all up to 3, `+3` only that, `-3` gives it back. */
function open({ limit = 2, noAck = false } = {}) {
  const written: string[] = [];
  const channel = {
    ack: ({ fields }: { fields: { deliveryTag: number } }, all: boolean) =>
      written.push(`+${fields.deliveryTag}${all ? '…' : ''}`),
    nack: ({ fields }: { fields: { deliveryTag: number } }) => written.push(`-${fields.deliveryTag}`),
  } as unknown as AmqpChannel;
  const held = new HeldDeliveries(channel);
  let waiting = 0;
  const busy = () => {
    waiting++;
    return () => void waiting--;
  };
  const batches = new Batches({ held: noAck ? undefined : held, limit, busy });
  const come = (...tags: number[]) => {
    const came = tags.map((tag) => held.add(tag, delivery(tag)));
    for (const { delivery: one } of came) batches.add(one);
    batches.offer();
    return came;
  };
  const next = async () => (await batches.next()).value?.map(({ tag }) => tag);
  return { batches, held, come, next, written, waits: () => waiting };
}

test('one turn of the socket is one batch, up to what is free; the rest follows with the verdicts', async () => {
  const { batches, held, come, next, waits } = open();
  const first = next();
  expect(waits()).toBe(1);
  const came = come(1, 2, 3);
  expect(await first).toEqual([1, 2]);
  expect([waits(), batches.free]).toEqual([0, 0]);
  const second = next();
  held.ack(came.slice(0, 1));
  batches.offer();
  expect(await second).toEqual([3]);
});

test('without verdicts there is no limit', async () => {
  const { batches, next } = open({ limit: 0, noAck: true });
  for (const tag of [1, 2, 3]) batches.add(delivery(tag));
  expect(await next()).toEqual([1, 2, 3]);
});

test('a second loop is refused, and the first goes on', async () => {
  const { come, next } = open();
  const first = next();
  await expect(next()).rejects.toThrow('Two loops');
  come(1);
  expect(await first).toEqual([1]);
});

test('a lost line is told once, to who waits or to who comes next; then the iteration ends', async () => {
  const waiting = open();
  const told = waiting.next();
  waiting.batches.fail(new Error('cut'));
  await expect(told).rejects.toThrow('cut');
  expect(await waiting.batches.next()).toEqual({ done: true, value: undefined });
  const late = open();
  late.come(1);
  late.batches.fail(new Error('cut'));
  await expect(late.next()).rejects.toThrow('cut');
  expect(await late.batches.next()).toEqual({ done: true, value: undefined });
});

test('after the end who waits is let go, and what is ready may still be taken', async () => {
  const { batches, come, next, waits } = open();
  const first = batches.next();
  batches.end();
  expect(await first).toEqual({ done: true, value: undefined });
  come(1);
  expect(await next()).toEqual([1]);
  expect([await batches.next(), waits()]).toEqual([{ done: true, value: undefined }, 0]);
});

test('what nobody has seen is taken back: beyond a lower limit, or from a queue', async () => {
  const { batches, come, next } = open({ limit: 3 });
  come(1, 2, 3);
  batches.limit = 1;
  expect(batches.takeExcess().map(({ tag }) => tag)).toEqual([2, 3]);
  batches.add(delivery(4, 'other'));
  expect(batches.takeFrom(['q']).map(({ tag }) => tag)).toEqual([1]);
  expect(await next()).toEqual([4]);
});

test('acks are one frame up to the first that is not settled, and one for each behind it', () => {
  const { held, come, written } = open({ limit: 9 });
  const [one, two, three, four, five] = come(1, 2, 3, 4, 5);
  held.ack([five!, two!, one!]);
  held.reject(three!, true);
  held.ack([four!]);
  expect(written).toEqual(['+2…', '+5', '-3', '+4…']);
});

test('verdicts wait until nothing comes any more, and for the cancelling', async () => {
  const stillness = new Stillness();
  const order: string[] = [];
  const { signal } = new AbortController();
  expect(stillness.over).toBeUndefined();
  const cancelled = stillness.during(async () => void order.push('cancelled'), signal);
  const { over } = stillness;
  stillness.disturb();
  await Promise.all([cancelled, over?.then(() => order.push('verdict'))]);
  expect(order).toEqual(['cancelled', 'verdict']);
  expect(stillness.over).toBeUndefined();
});
