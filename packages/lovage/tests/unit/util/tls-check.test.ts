// What of TLS is checked, by the words of Celery's users, and what is told when it is not.
import { configure, type LogRecord, reset } from '@logtape/logtape';
import { expect, onTestFinished, test } from 'vitest';
import { Lovage, type SettingsInput } from '../../../src/app/index.ts';
import { amqpTls } from '../../../src/util/amqp-tls.ts';
import { parseAmqpUrl } from '../../../src/util/amqp-url.ts';
import { parseRedisUrl } from '../../../src/util/index.ts';
import { uncheckedTls } from '../../../src/util/tls-check.ts';

const redis = (words: string): unknown => parseRedisUrl(`rediss://localhost/0?ssl_cert_reqs=${words}`).tls?.rejectUnauthorized;
const amqp = (words: string): unknown => {
  const [endpoint] = parseAmqpUrl(`amqps://localhost?ssl_cert_reqs=${words}`);
  return endpoint && amqpTls(endpoint, undefined)?.rejectUnauthorized;
};

test.each(['required', 'CERT_REQUIRED', 'optional', 'CERT_OPTIONAL', 'ssl.CERT_REQUIRED', '2'])('%s checks', (words) => {
  expect([redis(words), amqp(words)]).toEqual([true, undefined]);
});

test.each(['none', 'CERT_NONE', '0'])('%s does not', (words) => {
  expect([redis(words), amqp(words)]).toEqual([false, false]);
});

test('a word that nobody knows is an error, not a guess', () => {
  for (const act of [() => redis('nome'), () => amqp('nome')]) expect(act).toThrow("ssl_cert_reqs is 'nome'");
});

test('what was meant for TLS is not sent over an open line', () => {
  const query = 'ssl_ca_certs=ca.pem';
  expect(() => parseRedisUrl(`redis://localhost/0?${query}`)).toThrow('Write rediss://');
  expect(() => parseRedisUrl(`sentinel://localhost/0?${query}`, { masterName: 'm' })).toThrow('brokerUseSsl');
  const [endpoint] = parseAmqpUrl(`amqp://localhost?${query}`);
  expect(() => endpoint && amqpTls(endpoint, undefined)).toThrow('Write amqps://');
});

test.each<[string, Parameters<typeof uncheckedTls>[1], RegExp | undefined]>([
  ['rediss://h', undefined, undefined],
  ['rediss://h?ssl_cert_reqs=required', true, undefined],
  ['rediss://h?ssl_cert_reqs=none', undefined, /is not checked \(ssl_cert_reqs\)/],
  ['rediss://a;rediss://b?ssl_cert_reqs=CERT_NONE', undefined, /is not checked/],
  ['amqps://h', { cert_reqs: 0 }, /is not checked \(cert_reqs\)/],
  ['amqps://h', { rejectUnauthorized: false }, /is not checked \(rejectUnauthorized\)/],
  ['amqps://h?ssl_check_hostname=false', undefined, /certificate of any host/],
  ['db+postgresql://h/x?sslmode=no-verify', undefined, /is not checked \(sslmode\)/],
  ['db+mysql://h/x?ssl_verify_cert=false', undefined, /is not checked/],
  ['db+mysql://h/x?ssl={"rejectUnauthorized":false}', undefined, /is not checked/],
])('%s with %o', (url, tls, words) => {
  const said = uncheckedTls(url, tls);
  if (words === undefined) expect(said).toBeUndefined();
  else expect(said).toMatch(words);
});

test('an app tells of servers that it does not check, once each, without their passwords', async () => {
  const lines: string[] = [];
  const own = ({ message }: LogRecord): void => void lines.push(message.join(''));
  await configure({
    reset: true,
    sinks: { own },
    loggers: [
      { category: ['lovage', 'app'], lowestLevel: 'warning', sinks: ['own'] },
      { category: ['logtape', 'meta'], lowestLevel: 'warning', sinks: ['own'] },
    ],
  });
  onTestFinished(() => reset());
  const settings: SettingsInput = {
    brokerUrl: 'rediss://:planted@localhost/0?ssl_cert_reqs=none',
    resultBackend: 'db+mysql://me:planted@localhost/x?ssl_check_hostname=false',
    beatScheduler: 'rediss://:planted@localhost/1?ssl_cert_reqs=none',
  };
  await using app = new Lovage('shop', settings, { environment: {} });
  await app.ready();
  await app.ready();
  const told = lines.filter((line) => line.startsWith('The '));
  expect(told.map((line) => line.replace(/^(The \w+ \w+) .*/, '$1').replace(/ (is|may|redis).*/, ''))).toHaveLength(3);
  expect(told.join('\n')).not.toContain('planted');
});
