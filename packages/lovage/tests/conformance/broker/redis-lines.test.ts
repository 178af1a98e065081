// Every way to reach a Redis: TLS, Sentinel with a failover, password, database, key prefix, unix socket; and what refuses.
import { expect, test } from 'vitest';
import { freePorts, startRedis, startSentinel } from '../../../../../scripts/servers/index.ts';
import { type Broker, type BrokerOptions, openBroker } from '../../../src/broker/index.ts';
import { ConfigurationError, PublishError } from '../../../src/util/index.ts';
import { redisUrl } from '../../support/servers.ts';
import { brokerOptions, message, publish, read, text, unique } from './harness.ts';
import { plainLine } from './redis-harness.ts';

const open = (url: string, more: Partial<BrokerOptions> = {}): Promise<Broker> => openBroker(brokerOptions(url, more));

async function roundTrip(broker: Broker): Promise<string> {
  const queue = unique('line');
  await publish(broker, message(queue, 'there'));
  await using reader = await read(broker, queue);
  const delivery = await reader.one();
  await reader.ack(delivery);
  return text(delivery);
}

const outcome = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

test('TLS with its own authority, named in the URL or in the settings; without it the certificate is refused', async () => {
  await using server = await startRedis({ tls: true });
  await using byUrl = await open(`${server.url}?ssl_ca_certs=${encodeURIComponent(server.caFile!)}&ssl_cert_reqs=required`);
  expect(await roundTrip(byUrl)).toBe('there');
  await using bySetting = await open(server.url, { tls: { ssl_ca_certs: server.caFile } });
  expect(await roundTrip(bySetting)).toBe('there');
  await using unchecked = await open(`${server.url}?ssl_cert_reqs=none`);
  expect(await roundTrip(unchecked)).toBe('there');
  await using refused = await open(server.url, { connectTimeout: 1 });
  const error = await outcome(refused.publish([message('q', 'x')], { signal: AbortSignal.timeout(700) }));
  expect(error).toMatchObject({ safeToRepeat: true });
});

test('a password is needed, told apart from a lost line at once, and never shown', async () => {
  await using server = await startRedis({ password: 'pass word/ä' });
  await using broker = await open(server.url);
  expect(await roundTrip(broker)).toBe('there');
  expect(broker.url).not.toContain('pass');
  await using wrong = await open(server.url.replace(/:[^:@]*@/, ':wrong@'));
  const error = (await outcome(publish(wrong, message('q', 'x')))) as PublishError;
  expect(error).toBeInstanceOf(PublishError);
  expect(error.message).toMatch(/refused the login/);
  expect(error.message).not.toContain('wrong@');
});

test('the database of the URL holds the queue, and one that does not exist is refused', async () => {
  const queue = unique('db');
  await using broker = await open(redisUrl(11));
  await publish(broker, message(queue, 'x'));
  await using there = plainLine(redisUrl(11));
  await using elsewhere = plainLine(redisUrl(12));
  expect(await there.call('LLEN', [queue])).toBe(1);
  expect(await elsewhere.call('LLEN', [queue])).toBe(0);
  await there.call('DEL', [queue]);
  await using beyond = await open(redisUrl(4711));
  expect(await outcome(publish(beyond, message(queue, 'x')))).toMatchObject({ safeToRepeat: true });
  await expect(open('redis://localhost/one')).rejects.toThrow('Database is int between 0 and limit - 1, not one');
});

test('global_keyprefix stands before every key and channel', async () => {
  const prefix = `${unique('pre')}:`;
  await using broker = await open(redisUrl(), { transportOptions: { global_keyprefix: prefix } });
  const queue = unique('q');
  await publish(broker, message(queue, 'x'));
  await using line = plainLine(redisUrl());
  expect(await line.call('LLEN', [prefix + queue])).toBe(1);
  await using reader = await read(broker, queue);
  const delivery = await reader.one();
  await line.call('PING', []);
  const keys = (await line.call('KEYS', ['*'])) as string[];
  expect(keys.filter((key) => key.includes('lovage.') && key.includes(queue) && !key.startsWith(prefix))).toEqual([]);
  expect(keys.some((key) => key.startsWith(`${prefix}lovage.lease.`))).toBe(true);
  await reader.ack(delivery);
});

test('Sentinel finds the master, and after a failover the new one', async () => {
  await using set = await startSentinel();
  await using broker = await open(set.url, { transportOptions: { masterName: set.masterName }, heartbeat: 1 });
  expect(await roundTrip(broker)).toBe('there');
  await set.master.kill();
  await expect
    .poll(() => outcome(broker.publish([message('after', 'failover')], { signal: AbortSignal.timeout(2000) })), {
      timeout: 20_000,
    })
    .toBeUndefined();
  await using reader = await read(broker, 'after');
  expect(text(await reader.one())).toBe('failover');
  await expect(open(set.url)).rejects.toBeInstanceOf(ConfigurationError);
}, 40_000);

test('a unix socket with its database', async () => {
  const path = `/tmp/${unique('lovage')}.sock`;
  await using _server = await startRedis({ args: ['--unixsocket', path] });
  await using broker = await open(`redis+socket://${path}?virtual_host=3`);
  expect(await roundTrip(broker)).toBe('there');
});

test('an unknown transport option is refused with a suggestion', async () => {
  await expect(open(redisUrl(), { transportOptions: { visibility_timout: 1 } })).rejects.toThrow(/visibilityTimeout/);
  await expect(open(redisUrl(), { transportOptions: { inFlight: 'python' } })).rejects.toThrow(/'lovage' or 'celery'/);
});

test('a server of a Cluster is refused with the reason and the way out', async () => {
  // The port for other nodes would be 10,000 higher, among those that the kernel gives to clients.
  await using server = await startRedis({ args: ['--cluster-enabled', 'yes', '--cluster-port', `${await freePorts()}`] });
  await using line = plainLine(server.url);
  await line.call('CLUSTER', ['ADDSLOTSRANGE', 0, 16383]);
  await expect.poll(async () => `${await line.call('CLUSTER', ['INFO'])}`, { timeout: 20_000 }).toContain('cluster_state:ok');
  await using broker = await openBroker(brokerOptions(server.url));
  const error = await broker.subscribe(['q'], { prefetch: 1, node: 'n' }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ConfigurationError);
  expect(String(error)).toContain('Redis Cluster');
});

test('a user who may not, and a server that cannot, are told at the start with what to do', async () => {
  await using server = await startRedis({ args: ['--rename-command', 'RPOP', ''] });
  await using line = plainLine(server.url);
  await line.call('ACL', ['SETUSER', 'narrow', 'on', '>secret', '~*', '&*', '+@all', '-lpush', '-evalsha']);
  const refusal = async (url: string): Promise<unknown> => {
    await using broker = await openBroker(brokerOptions(url));
    return await broker.subscribe(['q'], { prefetch: 1, node: 'n' }).catch((reason: unknown) => reason);
  };
  const old = await refusal(server.url);
  expect(old).toBeInstanceOf(ConfigurationError);
  expect(String(old)).toContain('Redis 6.2');
  const narrow = server.url.replace('//', '//narrow:secret@');
  const denied = await refusal(narrow);
  expect(denied).toBeInstanceOf(ConfigurationError);
  expect(String(denied)).toContain('Allow the user');
  await using broker = await openBroker(brokerOptions(narrow));
  await expect(publish(broker, message('q', 'x'))).rejects.toThrow('Allow the user');
});

test('a full server refuses messages with a typed error, and can still be drained', async () => {
  await using server = await startRedis();
  await using broker = await open(server.url);
  const queue = unique('full');
  await publish(broker, message(queue, 'one'), message(queue, 'two'));
  await using line = plainLine(server.url);
  await line.call('CONFIG', ['SET', 'maxmemory', '1']);
  const error = await outcome(publish(broker, message(queue, 'three')));
  expect(error).toMatchObject({ safeToRepeat: true, cause: { code: 'LOVAGE_BROKER_FULL' } });
  await using reader = await read(broker, queue);
  const taken = await reader.take(2);
  expect(taken.map(text)).toEqual(['one', 'two']);
  expect(await reader.ack(...taken)).toEqual([]);
});
