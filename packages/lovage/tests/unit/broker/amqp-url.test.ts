import { describe, expect, test } from 'vitest';
import { amqpTls } from '../../../src/util/amqp-tls.ts';
import { parseAmqpUrl } from '../../../src/util/amqp-url.ts';
import { ConfigurationError } from '../../../src/util/index.ts';

describe('AMQP URLs', () => {
  for (const [url, vhost] of [
    ['amqp://h', '/'],
    ['amqp://h/', '/'],
    ['amqp://h//', '/'],
    ['amqp://h/foo', 'foo'],
    ['amqp://h//foo', '/foo'],
    ['amqp://h/%2Ffoo', '/foo'],
    ['amqp://h/f%20o', 'f o'],
  ] as const) {
    test(`${url} means the vhost "${vhost}"`, () => expect(parseAmqpUrl(url)[0]?.vhost).toBe(vhost));
  }

  test('every part may be percent-encoded, and left out', () => {
    expect(parseAmqpUrl('pyamqp://u%40x:p%3Aw%2F@my%2Dhost:1234/v')[0]).toMatchObject({
      ...{ user: 'u@x', password: 'p:w/', host: 'my-host', port: 1234, vhost: 'v', tls: false },
    });
    expect(parseAmqpUrl('amqp://')[0]).toMatchObject({
      user: 'guest',
      password: 'guest',
      host: 'localhost',
      port: 5672,
      vhost: '/',
    });
    expect(parseAmqpUrl('amqps://[::1]')[0]).toMatchObject({ host: '::1', port: 5671, tls: true });
  });

  test('a list is tried in its order, with its passwords masked', () => {
    const list = parseAmqpUrl('amqp://a:secret@one//;two:5673/v;amqps://three?heartbeat=7');
    expect(list.map(({ host, port, vhost }) => [host, port, vhost])).toEqual([
      ['one', 5672, '/'],
      ['two', 5673, 'v'],
      ['three', 5671, '/'],
    ]);
    expect(list[0]?.label).not.toContain('secret');
    expect(list[2]?.query).toEqual({ heartbeat: '7' });
  });

  test('what is no AMQP URL is refused', () => {
    expect(() => parseAmqpUrl('redis://h')).toThrow(ConfigurationError);
    expect(() => parseAmqpUrl('amqp://h:port')).toThrow(/is not a URL/);
  });
});

describe('TLS options', () => {
  const [plain] = parseAmqpUrl('amqp://h');
  const [secure] = parseAmqpUrl('amqps://h?ssl_cert_reqs=CERT_NONE&ssl_check_hostname=false&ssl_server_hostname=other');

  test('none for a plain URL, unless asked for', () => {
    expect(amqpTls(plain!, undefined)).toBeUndefined();
    expect(amqpTls(plain!, false)).toBeUndefined();
    expect(amqpTls(plain!, true)).toEqual({ servername: 'h' });
  });
  test('the URL’s go before the setting’s', () => {
    expect(amqpTls(secure!, { cert_reqs: 2 })).toMatchObject({ rejectUnauthorized: false, servername: 'other' });
  });
  test('Node’s own names pass', () =>
    expect(amqpTls(plain!, { ca: 'pem', servername: 's' })).toEqual({ ca: 'pem', servername: 's' }));
  test('a file that cannot be read is named', () => {
    expect(() => amqpTls(plain!, { ca_certs: '/no/such.pem' })).toThrow(/ca_certs names the file \/no\/such\.pem/);
  });
});
