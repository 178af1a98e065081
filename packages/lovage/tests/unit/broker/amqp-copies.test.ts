// A copy is written and its original acked; not while a consumer of a quorum queue is being cancelled, since an ack would let more come.
import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { Copies } from '../../../src/broker/amqp/copies.ts';
import { HeldDeliveries } from '../../../src/broker/amqp/held.ts';
import { Line } from '../../../src/broker/amqp/line.ts';
import { Starts, StartsMemory } from '../../../src/broker/amqp/starts.ts';
import { Stillness } from '../../../src/broker/amqp/stillness.ts';
import type { Delivery } from '../../../src/broker/index.ts';
import { DEFAULT_DEAD_LETTERS } from '../../../src/broker/index.ts';
import type { AmqpChannel, AmqpConnection } from '../../../src/util/index.ts';

test('the ack of what was copied waits until a consumer that is being cancelled is quiet', async () => {
  const happened: string[] = [];
  const acks = { ack: () => void happened.push('ack'), nack: () => void happened.push('nack') };
  const channel = Object.assign(new EventEmitter(), acks) as unknown as AmqpChannel;
  const connection = { url: 'amqp://test', isOpen: true, closed: new Promise<undefined>(() => undefined) };
  const line = new Line(connection as unknown as AmqpConnection, channel, () => undefined);
  const held = new HeldDeliveries(channel);
  const stillness = new Stillness();
  let cancelling: Promise<void> | undefined;
  const send = async (): Promise<void> => {
    happened.push('copy');
    cancelling = stillness.during(async () => void happened.push('cancelled'), new AbortController().signal);
  };
  const copies = new Copies({
    line,
    held,
    stillness,
    deadLetters: DEFAULT_DEAD_LETTERS,
    declareDead: async () => undefined,
    starts: new Starts({ line, memory: new StartsMemory(), send, isHeld: () => true }),
    run: async () => undefined,
    returnsOf: () => undefined,
    send,
  });
  const properties = { contentType: 'application/json', contentEncoding: 'utf-8' };
  const message = { exchange: '', routingKey: 'q', headers: {}, properties, body: Buffer.from('x') };
  const delivery: Delivery = { ...message, queue: 'q', redelivered: false, attempts: 1, generation: 1, tag: 1 };
  const one = held.add(1, delivery);
  expect(await copies.write([{ held: one, settlement: { verdict: 'requeue', delivery, counted: true } }])).toEqual([]);
  await cancelling;
  expect(happened).toEqual(['copy', 'cancelled', 'ack']);
});
