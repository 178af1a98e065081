import { expect, test } from 'vitest';
import { type DeadLetterSettlement, type Delivery, deadLetter, deadLetterQueue, readDeath } from '../../../src/broker/index.ts';

const delivery: Delivery = {
  exchange: 'ex',
  routingKey: 'key',
  headers: { id: 'i', task: 't' },
  properties: { contentType: 'a/b', contentEncoding: 'binary', expiration: '5' },
  body: new Uint8Array([1]),
  queue: 'mails',
  redelivered: true,
  attempts: 3,
  generation: 1,
  tag: 1,
};

test('a dead letter goes to the queue named after its own and keeps no time to live of its own', () => {
  const letter = deadLetter({ verdict: 'deadLetter', delivery, reason: 'delivery-limit' }, 1000);
  expect(letter.routingKey).toBe('lovage.dead.mails');
  expect(letter.exchange).toBe('');
  expect(letter.properties).toEqual({ contentType: 'a/b', contentEncoding: 'binary' });
  expect(readDeath(letter)).toEqual({
    reason: 'delivery-limit',
    error: null,
    attempts: 3,
    origin: { queue: 'mails', exchange: 'ex', routing_key: 'key' },
    time: '1970-01-01T00:16:40.000Z',
    node: null,
  });
});

test('what dies in a dead-letter queue stays in it', () => {
  expect(deadLetterQueue('lovage.dead.mails')).toBe('lovage.dead.mails');
});

test('a long error is cut, so that the header fits a frame', () => {
  const settlement: DeadLetterSettlement = { verdict: 'deadLetter', delivery, reason: 'failed', error: 'x'.repeat(100_000) };
  expect(readDeath(deadLetter(settlement, 0))?.error?.length).toBe(2000);
});

test.each([undefined, null, 'text', 3, [], {}, { reason: 'failed' }, { reason: 1, origin: {} }])(
  'a death header that says nothing readable is none: %j',
  (value) => {
    expect(readDeath({ ...delivery, headers: { 'x-lovage-death': value } })).toBeUndefined();
  },
);
