import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  DELIVERY_EXCHANGE,
  delayKey,
  delayLevels,
  directKey,
  entryExchange,
  isDelayed,
  MAX_DELAY,
  topicKey,
  wholeDelay,
} from '../../../src/broker/amqp/delayed.ts';
import { shareSlots } from '../../../src/broker/amqp/shares.ts';

interface Declaration {
  readonly method: string;
  readonly queue?: string;
  readonly exchange?: string;
  readonly routing_key?: string;
  readonly destination?: string;
  readonly source?: string;
  readonly arguments?: Readonly<Record<string, unknown>> | null;
}

const vector = JSON.parse(readFileSync(join(import.meta.dirname, '../../vectors/amqp-delayed-delivery.json'), 'utf8')) as {
  readonly routing_keys: Readonly<Record<string, string>>;
  readonly declarations: readonly Declaration[];
};

describe('native delayed delivery, as Celery declares it', () => {
  for (const [seconds, key] of Object.entries(vector.routing_keys)) {
    test(`${seconds} s is the key ${key}`, () => expect(delayKey(Number(seconds), 'celery')).toBe(key));
  }

  test('a message enters at the level of its highest bit, past those that would only pass it on', () => {
    expect([1, 2, 3, 10, 7200, MAX_DELAY].map(entryExchange)).toEqual(
      [0, 1, 1, 3, 12, 27].map((level) => `celery_delayed_${level}`),
    );
    const levels = delayLevels('classic');
    for (const seconds of Object.keys(vector.routing_keys)
      .map(Number)
      .filter((one) => one > 0)) {
      const key = delayKey(seconds, 'celery');
      const first = levels.find(({ stayKey }) =>
        new RegExp(`^${stayKey.replaceAll('*.', '[01]\\.').replace('.#', '\\.')}`).test(key),
      );
      expect(entryExchange(seconds)).toBe(first?.name);
    }
  });

  test('the queues of the 28 levels have Celery’s arguments', () => {
    const queues = vector.declarations.filter(
      ({ method, queue }) => method === 'queue_declare' && queue?.startsWith('celery_delayed_'),
    );
    expect(queues).toHaveLength(28);
    expect(delayLevels('classic').map((level) => [level.name, level.arguments])).toEqual(
      queues.map((one) => [one.queue, one.arguments]),
    );
  });

  test('messages stay on a level by Celery’s keys', () => {
    const keys = vector.declarations
      .filter(
        ({ method, queue, exchange }) => method === 'queue_bind' && queue === exchange && queue?.startsWith('celery_delayed_'),
      )
      .map((one) => [one.exchange, one.routing_key]);
    expect(delayLevels('classic').map((level) => [level.name, level.stayKey])).toEqual(keys);
  });

  test('messages pass on by Celery’s keys', () => {
    const keys = vector.declarations
      .filter(({ method }) => method === 'exchange_bind')
      .filter(({ source, destination }) => source?.startsWith('celery_delayed_') && destination?.startsWith('celery_delayed_'))
      .map((one) => [one.source, one.destination, one.routing_key]);
    expect(keys.length).toBe(28);
    expect(delayLevels('classic').map((level) => [level.name, level.next, level.passKey])).toEqual(keys);
  });

  test('quorum levels lose nothing on the way', () => {
    expect(delayLevels('quorum')[27]).toMatchObject({
      name: 'celery_delayed_0',
      next: DELIVERY_EXCHANGE,
      arguments: { 'x-queue-type': 'quorum', 'x-dead-letter-strategy': 'at-least-once', 'x-message-ttl': 1000 },
    });
  });

  test('a queue comes out by its name alone', () => expect(directKey('a.name')).toBe(`${'*.'.repeat(28)}a.name`));
  test('a topic queue comes out by its key, behind the bits', () => {
    expect(topicKey({ queue: 'q', exchange: 'e', routingKey: 'a.*' })).toBe('#.a.*');
    expect(topicKey({ queue: 'q', exchange: 'e', routingKey: '#.b' })).toBe('#.b');
  });

  test('only a level and its bits make a delayed message', () => {
    expect(isDelayed('celery_delayed_3', delayKey(8, 'orders'))).toBe(true);
    expect(isDelayed('', delayKey(8, 'orders'))).toBe(false);
    expect(isDelayed('celery_delayed_3', 'orders')).toBe(false);
  });

  test('delays are whole seconds, a little late rather than a second early', () => {
    expect([-5, 0, 0.5, 0.99, 1.5, 9.98, 10.5].map(wholeDelay)).toEqual([0, 0, 0, 1, 1, 10, 10]);
    expect(wholeDelay(1e12)).toBe(MAX_DELAY);
  });
});

describe('slots shared among queues', () => {
  const share = (limit: number, ...demands: readonly (readonly [queue: string, peak: number, share: number])[]) =>
    Object.fromEntries(
      shareSlots(
        limit,
        demands.map(([queue, peak, had]) => ({ queue, peak, share: had })),
      ),
    );

  test('begin in equal parts', () => expect(share(10, ['a', 0, 0], ['b', 0, 0], ['c', 0, 0])).toEqual({ a: 4, b: 3, c: 3 }));
  test('go to the busy queue, but for one that notices new messages', () =>
    expect(share(10, ['a', 5, 5], ['b', 0, 5])).toEqual({ a: 9, b: 1 }));
  test('come back when the idle queue fills its one', () => expect(share(10, ['a', 9, 9], ['b', 1, 1])).toEqual({ a: 5, b: 5 }));
  test('stay equal when nobody is hungry', () => expect(share(10, ['a', 2, 5], ['b', 1, 5])).toEqual({ a: 5, b: 5 }));
  test('are at least one each', () => expect(share(1, ['a', 0, 0], ['b', 0, 0])).toEqual({ a: 1, b: 1 }));
});
