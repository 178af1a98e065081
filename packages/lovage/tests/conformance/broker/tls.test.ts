// Whoever asks for TLS gets a server that is checked: by Redis and RabbitMQ behind certificates that are right and wrong.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Broker, type BrokerOptions, openBroker } from '../../../src/broker/index.ts';
import { type BackendOptions, openBackend } from '../../../src/result/index.ts';
import { amqpUrl, redisUrl } from '../../support/servers.ts';
import { authority, type Line, tlsLine } from '../../support/tls-line.ts';
import { optionsFor } from '../result/harness.ts';
import { brokerOptions, freshQueue, message, publish, read, text } from './harness.ts';

const KINDS = ['good', 'otherHost', 'expired'] as const;
const SERVERS = { Redis: () => redisUrl(), RabbitMQ: () => amqpUrl() };
type Kind = (typeof KINDS)[number];
type ServerName = keyof typeof SERVERS;

const from = authority();
const lines = new Map<string, Line>();
beforeAll(async () => {
  for (const name of ['Redis', 'RabbitMQ'] as const)
    for (const kind of KINDS)
      lines.set(`${name} ${kind}`, await tlsLine(from.certificate(kind), Number(new URL(SERVERS[name]()).port)));
});
afterAll(async () => {
  for (const line of lines.values()) await line[Symbol.asyncDispose]();
  from[Symbol.dispose]();
});

/** The URL of a server behind that certificate. */
function behind(name: ServerName, kind: Kind, query = `?ssl_ca_certs=${encodeURIComponent(from.caFile)}`): string {
  const url = SERVERS[name]()
    .replace(/^(redis|amqp):\/\//, '$1s://')
    .replace('redisss', 'rediss');
  const place = `localhost:${lines.get(`${name} ${kind}`)?.port}`;
  return `${url.replace(/^(\w+:\/\/(?:[^@/]*@)?)[^/]*/, `$1${place}`)}${query}`;
}

const open = (url: string, more: Partial<BrokerOptions> = {}): Promise<Broker> =>
  openBroker(brokerOptions(url, { connectTimeout: 2, ...more }));

async function roundTrip(broker: Broker): Promise<string> {
  const queue = await freshQueue(broker);
  await publish(broker, message(queue, 'there'));
  await using reader = await read(broker, queue);
  const delivery = await reader.one();
  await reader.ack(delivery);
  return text(delivery);
}

async function refusal(url: string, more: Partial<BrokerOptions> = {}): Promise<string> {
  const said = (error: unknown): string =>
    error instanceof Error ? `${error.message} ${error.cause === undefined ? '' : said(error.cause)}` : String(error);
  try {
    await using broker = await open(url, more);
    await broker.publish([message('q', 'x')], { signal: AbortSignal.timeout(3000) });
  } catch (error) {
    return said(error);
  }
  return 'it was taken';
}

describe.each(['Redis', 'RabbitMQ'] as const)('%s', (name) => {
  test('a certificate that an authority of ours made for this host is taken', async () => {
    await using broker = await open(behind(name, 'good'));
    expect(await roundTrip(broker)).toBe('there');
  });

  test.each<[string, Kind, string, RegExp]>([
    ['of an authority that nobody named', 'good', '', /certificate/i],
    ['for another host', 'otherHost', `?ssl_ca_certs=${encodeURIComponent(from.caFile)}`, /altnames|does not match/i],
    ['that has expired', 'expired', `?ssl_ca_certs=${encodeURIComponent(from.caFile)}`, /expired/i],
  ])('one %s is refused, and the error says so', async (_, kind, query, says) => {
    expect(await refusal(behind(name, kind, query))).toMatch(says);
  });

  test('only whoever says so takes another host, or any certificate', async () => {
    await using anyHost = await open(
      behind(name, 'otherHost', `${behind(name, 'otherHost').replace(/^[^?]*/, '')}&ssl_check_hostname=false`),
    );
    expect(await roundTrip(anyHost)).toBe('there');
    await using any = await open(behind(name, 'expired', '?ssl_cert_reqs=none'));
    expect(await roundTrip(any)).toBe('there');
    expect(await refusal(behind(name, 'expired', '?ssl_cert_reqs=none&ssl_ca_certs=/nowhere.pem'))).toContain('/nowhere.pem');
  });
});

test('results in Redis are not written to a server that is not the one', async () => {
  const options = (kind: Kind): BackendOptions => optionsFor(behind('Redis', kind), { connectTimeout: 1 });
  await using good = await openBackend(options('good'));
  expect((await good.get(['nobody'])).size).toBe(0);
  for (const kind of ['otherHost', 'expired'] as const) {
    await using backend = await openBackend({ ...options(kind), retry: { maxRetries: 0, baseSleep: 1, maxSleep: 1 } });
    await expect(backend.get(['nobody'])).rejects.toThrow();
  }
});
