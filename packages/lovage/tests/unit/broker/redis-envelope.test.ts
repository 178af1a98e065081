// Envelopes, keys and options of the Redis driver against the captured messages of Celery.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readEnvelope, returnedEnvelope, unackedEnvelope, writeEnvelope } from '../../../src/broker/redis/envelope.ts';
import { redisKeys } from '../../../src/broker/redis/keys.ts';
import { readTransportOptions } from '../../../src/broker/redis/options.ts';
import { PlainDate } from '../../../src/serialization/index.ts';

interface Captured {
  readonly key: string;
  readonly raw: string;
  readonly channel?: string;
}

function vector(name: string): Record<string, never> {
  return JSON.parse(readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), 'utf8'));
}

const captured = (name: string, field = 'messages'): readonly Captured[] => vector(name)[field] as unknown as Captured[];

/** Every key in its order, and every value but the tag, which is fresh each time. */
function shape(raw: string): unknown {
  const entries = (value: unknown): unknown =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.entries(value).map(([key, inner]) => [key, key === 'delivery_tag' ? 'tag' : entries(inner)])
      : value;
  return entries(JSON.parse(raw));
}

const PLAIN = [
  ...['call-simple', 'option-priority-0', 'option-priority-1', 'option-priority-5', 'option-priority-9', 'option-priority-12'],
  ...['option-global-keyprefix', 'option-expires-seconds', 'option-extra-property', 'redis-queue-expires'],
];

test.each(PLAIN)('%s: reading and writing again gives the same keys, values and order', (name) => {
  for (const { raw, key } of captured(name)) {
    const { message, redelivered, started } = readEnvelope(raw, key);
    expect([redelivered, started]).toEqual([false, 0]);
    expect(shape(writeEnvelope(message))).toEqual(shape(raw));
  }
});

const OPTIONS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'option-global-keyprefix': { global_keyprefix: 'myapp:' },
  'option-priority-steps': { priority_steps: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], sep: ':', queue_order_strategy: 'priority' },
};

test.each([...PLAIN, 'option-priority-steps'])('%s: the message lands in the list that Celery chose', (name) => {
  const keys = redisKeys(readTransportOptions(OPTIONS[name] ?? {}), 0);
  for (const { raw, key } of captured(name)) {
    const { message } = readEnvelope(raw, key);
    expect(keys.list(message.routingKey, message.properties.priority)).toBe(key);
    expect(keys.lists(message.routingKey)).toContain(key);
  }
});

test('redis-unacked: a message goes back with the flags that Celery writes, under its tag', () => {
  const all = vector('redis-unacked') as unknown as {
    readonly before: readonly Captured[];
    readonly after_requeue: readonly Captured[];
    readonly while_unacked: Readonly<Record<string, Readonly<Record<string, string>>>>;
  };
  const [entry] = Object.values(all.while_unacked['unacked (hash)']!);
  const read = unackedEnvelope(entry!);
  expect(read).toMatchObject({ exchange: '', routingKey: 'celery' });
  expect(JSON.parse(read!.raw)).toEqual(JSON.parse(all.before[0]!.raw));
  expect(JSON.parse(returnedEnvelope(read!.raw, {}))).toEqual(JSON.parse(all.after_requeue[0]!.raw));
});

test('redis-fanout-task: the channel is that of Celery, and bound keys become patterns', () => {
  const [published] = captured('redis-fanout-task', 'published');
  const keys = redisKeys(readTransportOptions({}), 9);
  expect(keys.channel('bcast_all', 'bcast_all')).toBe(published!.channel);
  expect(keys.pattern('celeryev', 'worker.#')).toBe('/9.celeryev/worker.*');
  expect(keys.channel('celery.pidbox', '')).toBe('/9.celery.pidbox');
  const without = redisKeys(readTransportOptions({ fanoutPrefix: false, fanoutPatterns: false, globalKeyprefix: 'p:' }), 9);
  expect(without.channel('ex', 'key')).toBe('p:ex');
});

test('giving back keeps numbers that JavaScript cannot hold, and counts what was started', () => {
  const raw =
    '{"body":"e30=","headers":{"big":12345678901234567890,"one":1.0,"x-lovage-attempts":1},"properties":{"delivery_info":{"exchange":"","routing_key":"q"},"delivery_tag":"t"}}';
  const back = returnedEnvelope(raw, { started: 2 });
  expect(back).toContain('"big":12345678901234567890,"one":1.0,"x-lovage-attempts":2,"redelivered":true');
  expect(readEnvelope(back, 'q')).toMatchObject({ redelivered: true, started: 2 });
  expect(returnedEnvelope('no json', { started: 1 })).toBe('no json');
});

test('NaN, big integers and tags in the headers of Python are read as they were meant, and survive being changed', () => {
  const headers = '{"task":"t","nan":NaN,"big":1180591620717411303424,"day":{"__type__":"date","__value__":"2024-02-29"}}';
  const raw = `{"body":"W10=","content-type":"application/json","headers":${headers},"properties":{"delivery_tag":"x","delivery_info":{}}}`;
  const meant = { task: 't', nan: Number.NaN, big: 2n ** 70n, day: new PlainDate('2024-02-29') };
  expect(readEnvelope(raw, 'q').message.headers).toEqual(meant);
  const back = readEnvelope(returnedEnvelope(raw, { started: 2 }), 'q');
  expect(back).toMatchObject({ started: 2, redelivered: true, message: { headers: meant } });
  const held = unackedEnvelope(`[${raw}, "", "q"]`);
  expect(readEnvelope(held?.raw ?? '', 'q').message.headers).toEqual(meant);
  expect(readEnvelope(writeEnvelope(back.message), 'q').message.headers).toMatchObject(meant);
});

test('what is no envelope becomes a message without headers', () => {
  for (const raw of ['no json', 'null', '[1]', '"x"', '{"headers":5,"properties":[]}']) {
    const { message } = readEnvelope(raw, 'q');
    expect(message).toMatchObject({ headers: {}, routingKey: 'q' });
  }
});

test('options: both ways of writing, defaults, and a suggestion for a slip', () => {
  expect(readTransportOptions({ visibility_timeout: 7, prioritySteps: [6, 0] })).toMatchObject({
    visibilityTimeout: 7,
    prioritySteps: [0, 6],
    leaseSeconds: 30,
    maxLoopBlock: 600,
    inFlight: 'lovage',
  });
  expect(() => readTransportOptions({ leaseSecond: 7 })).toThrow("Did you mean 'leaseSeconds'?");
  expect(() => readTransportOptions({ leaseSeconds: 0 })).toThrow(/above 0/);
  expect(() => readTransportOptions({ priority_steps: [11] })).toThrow(/from 0 to 9/);
  expect(readTransportOptions({ socket_keepalive: true, max_connections: 3 })).toEqual(readTransportOptions({}));
});
