// Which start of a message a mark is for, and that starts which were not made are remembered, and not for ever.
import { expect, test } from 'vitest';
import { StartsInVain, startOf, withKey } from '../../../src/broker/amqp/marks.ts';
import type { Delivery } from '../../../src/broker/index.ts';

const properties = { contentType: 'application/json', contentEncoding: 'utf-8' };
const delivery = (own: Partial<Delivery>): Delivery => ({
  ...{ exchange: '', routingKey: 'q', queue: 'q', headers: { id: 'a' }, properties, body: Buffer.from('x') },
  ...{ redelivered: true, attempts: 2, generation: 1, tag: 1 },
  ...own,
});

test('the first delivery has none, what came again begins with the first', () => {
  expect([1, 2, 3].map((attempts) => startOf(delivery({ attempts })).number)).toEqual([0, 1, 2]);
});

test('what was given back after starts has one for its first delivery, too', () => {
  const { headers } = withKey(delivery({ headers: { id: 'a', 'x-lovage-attempts': 2 } }));
  const start = startOf(delivery({ headers, attempts: 3, redelivered: false }));
  expect(start).toEqual({ key: headers['x-lovage-mark'], number: 1 });
  // Not one that was never started, and no key outlives the message that it was made for.
  expect(withKey(delivery({ headers: { 'x-lovage-mark': 'old' } })).headers).toEqual({});
});

test('each message has a key of its own, whichever delivery it is', () => {
  const keyOf = (own: Partial<Delivery>): string => startOf(delivery(own)).key;
  expect(keyOf({ attempts: 5, tag: 9, generation: 7 })).toBe(keyOf({}));
  const others = [
    { headers: { id: 'b' } },
    { headers: { id: 'a', retries: 1 } },
    { headers: { id: 'a', 'x-lovage-attempts': 1 } },
    { queue: 'p' },
    { headers: {} },
    { headers: {}, body: Buffer.from('y') },
    { headers: { id: 7 }, body: Buffer.from('y') },
  ];
  expect(new Set([{}, ...others].map(keyOf)).size).toBe(1 + others.length);
});

test('a start in vain is told once, and of many the oldest is forgotten', () => {
  const inVain = new StartsInVain();
  const named = (at: number): Delivery => delivery({ headers: { id: `${at}` } });
  for (let at = 0; at < 10_001; at++) inVain.add(startOf(named(at)));
  // As they are when the mark of that start is found.
  const [oldest, latest] = [0, 10_000].map((at) => ({ ...named(at), attempts: 3 }));
  expect([oldest!, latest!, latest!].map((delivery) => inVain.take(delivery))).toEqual([false, true, false]);
});

test('a start in vain is not taken back where another worker has started it since, or where its mark never arrived', () => {
  const inVain = new StartsInVain();
  const taken = [2, 3, 4].map((attempts) => {
    inVain.add(startOf(delivery({ attempts: 2 })));
    return inVain.take(delivery({ attempts }));
  });
  expect(taken).toEqual([false, true, false]);
});
