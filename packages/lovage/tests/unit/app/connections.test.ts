import { expect, test } from 'vitest';
import { Config, type SettingsInput } from '../../../src/app/config.ts';
import { backendOptions, brokerOptions, brokerUrl, createConnections, resultUrl } from '../../../src/app/connections.ts';

const values = (settings: SettingsInput) => new Config({ settings, environment: {} }).values;
const store = (settings: SettingsInput) => backendOptions('app', 'oid', values(settings));

test('reading and writing may have addresses of their own', () => {
  const settings = values({ brokerUrl: 'amqp://a', brokerReadUrl: 'amqp://r' });
  expect([brokerUrl(settings, 'read'), brokerUrl(settings, 'write')]).toEqual(['amqp://r', 'amqp://a']);
});

test('several addresses are tried in the order of the strategy', () => {
  const urls = ['amqp://a', 'amqp://b', 'amqp://c'];
  expect(brokerUrl(values({ brokerUrl: urls }), 'read')).toBe('amqp://a;amqp://b;amqp://c');
  expect(brokerUrl(values({ brokerUrl: urls, brokerFailoverStrategy: (list) => list.toReversed() }), 'read')).toBe(
    'amqp://c;amqp://b;amqp://a',
  );
  expect(
    brokerUrl(values({ brokerUrl: urls, brokerFailoverStrategy: 'shuffle' }), 'read')
      .split(';')
      .toSorted(),
  ).toEqual(urls);
});

test.each([
  [{}, 'sqlite://'],
  [{ brokerUrl: 'redis://h/1' }, 'redis://h/1'],
  [{ brokerUrl: 'amqps://h' }, 'rpc://'],
  [{ brokerUrl: 'amqp://h', resultBackend: 'redis://r' }, 'redis://r'],
  [{ resultBackend: 'disabled' }, 'disabled://'],
])('with %o results are kept in %s', (settings, url) => {
  expect(resultUrl(values(settings))).toBe(url);
});

test('a store that follows the broker has its options, another has its own', () => {
  const brokerTransportOptions = { global_keyprefix: 'p:', visibilityTimeout: 60 };
  const broker = { brokerUrl: 'redis://h', brokerTransportOptions, brokerUseSsl: true };
  expect(store(broker).transportOptions).toEqual({ global_keyprefix: 'p:' });
  expect(store(broker).tls).toBe(true);
  const own = store({ ...broker, resultBackend: 'redis://other', resultBackendTransportOptions: { master_name: 'm' } });
  expect(own.transportOptions).toEqual({ master_name: 'm' });
  expect(own).not.toHaveProperty('tls');
});

test('what a Redis address leaves open is filled from the redis settings', () => {
  const parts = { redisHost: 'cache', redisPort: 6380, redisDb: 2, redisPassword: 'p@ss' };
  expect(store({ resultBackend: 'redis://', ...parts }).url).toBe('redis://:p%40ss@cache:6380/2');
  expect(store({ resultBackend: 'redis://:own@here:1/0', ...parts }).url).toBe('redis://:own@here:1/0');
});

test('results of resultExpires 0 or null are kept for ever', () => {
  expect([store({ resultExpires: 0 }).expires, store({ resultExpires: null }).expires, store({}).expires]).toEqual([
    undefined,
    undefined,
    86_400,
  ]);
});

test('settings of one driver reach that driver only', () => {
  const options = (settings: SettingsInput) => brokerOptions('app', values(settings), 'write');
  expect(options({ brokerUrl: 'redis://h', redisInFlight: 'celery' }).transportOptions).toMatchObject({ inFlight: 'celery' });
  expect(options({ durability: 'power' }).transportOptions).toEqual({ durability: 'power' });
  expect(options({ brokerUrl: 'amqp://h', brokerNativeDelayedDeliveryQueueType: 'classic' }).transportOptions).toEqual({
    nativeDelayedDeliveryQueueType: 'classic',
  });
  expect(options({ brokerUrl: 'memory://' }).transportOptions).toEqual({});
  expect(options({ brokerUrl: 'amqp://h', brokerLoginMethod: 'EXTERNAL' }).url).toBe('amqp://h?login_method=EXTERNAL');
});

test('what is said of dead letters and of lines reaches every driver', () => {
  const given = { deadLetters: 'broker', deadLettersTtl: 7, deadLettersMaxLength: 8 } as const;
  const options = brokerOptions('app', values({ ...given, brokerConnectionTimeout: 2, brokerHeartbeat: 3 }), 'read');
  expect(options).toMatchObject({
    deadLetters: { mode: 'broker', ttl: 7, maxLength: 8 },
    connectTimeout: 2,
    heartbeat: 3,
  });
});

test('what is said of the result store reaches it', () => {
  const redis = { redisUsername: 'me', redisPassword: 'x', redisBackendUseSsl: { rejectUnauthorized: false } };
  expect(store({ resultBackend: 'redis://h/1', resultPersistent: true, ...redis })).toMatchObject({
    url: 'redis://me:x@h/1',
    tls: { rejectUnauthorized: false },
    persistent: true,
    retry: { maxRetries: Number.POSITIVE_INFINITY, baseSleep: 10, maxSleep: 10_000 },
    redis: { clientName: undefined, replyTimeout: 10, healthCheck: undefined, keepAlive: true },
  });
  expect(store({ resultBackendAlwaysRetry: false, resultBackendMaxRetries: 4 }).retry?.maxRetries).toBe(0);
});

test('an address without a driver is refused, and may be tried again', async () => {
  await using connections = createConnections();
  const open = () => connections.open(brokerOptions('app', values({ brokerUrl: 'rediss+nothing://:secret@h' }), 'read'));
  await expect(open()).rejects.toThrow(/No broker driver/);
  await expect(open()).rejects.not.toThrow(/secret/);
});

test('an app that is closed opens nothing more', async () => {
  const connections = createConnections();
  await connections[Symbol.asyncDispose]();
  await expect(connections.open(brokerOptions('app', values({ brokerUrl: 'memory://x' }), 'read'))).rejects.toThrow(/closed/);
});
