import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { redact, redactData, redactError, redactText, redactUrl } from '../../../src/util/index.ts';

const P = 'hunter2';

describe('URLs', () => {
  it.each([
    [`redis://:${P}@h:6379/0`, 'redis://:**@h:6379/0'],
    [`amqp://me:${P}@h/shop`, 'amqp://me:**@h/shop'],
    // Nobody should write them so, and everybody does.
    [`amqp://me:${P}@home@h/shop`, 'amqp://me:**@h/shop'],
    [`redis://me:a/${P}@h/1`, 'redis://me:**@h/1'],
    [`redis://me:a:${P}@h/1`, 'redis://me:**@h/1'],
    [`sentinel://:${P}@a:1;sentinel://:${P}@b:2`, 'sentinel://:**@a:1;sentinel://:**@b:2'],
    [`etcd://h?password=${P}&x=1`, 'etcd://h?password=**&x=1'],
    [`azureblockblob://AccountName=a;AccountKey=${P}==`, 'azureblockblob://AccountName=a;AccountKey=**'],
    [`redis://:p#${P}@h/1`, 'redis://:**@h/1'],
    [`amqp://me:p?${P}@h:5672/v`, 'amqp://me:**@h:5672/v'],
    [`redis://:${P};${P}@h/1`, 'redis://:**@h/1'],
    [`redis://:1#${P}@h;redis://:${P}@i`, 'redis://:**@h;redis://:**@i'],
    ['redis://h:6379/?name=a@b', 'redis://h:6379/?name=a@b'],
    ['redis://[::1]:6379/?name=a@b', 'redis://[::1]:6379/?name=a@b'],
    ['redis://localhost:6379/0', 'redis://localhost:6379/0'],
    ['sqlite:///tmp/a@b.db', 'sqlite:///tmp/a@b.db'],
  ])('%s', (url, shown) => expect(redactUrl(url)).toBe(shown));
});

describe('texts', () => {
  it.each([
    [`connecting to redis://u:${P}@h/0 failed`, 'connecting to redis://u:**@h/0 failed'],
    [`{'password': '${P}', 'a': 1}`, "{'password': '********', 'a': 1}"],
    [`{"apiKey":"${P}","b":2}`, '{"apiKey":"********","b":2}'],
    [`db_password=${P}; more`, 'db_password=********; more'],
    [`Authorization: Bearer ${P}`, 'Authorization: ********'],
    [`access_token = ${P}`, 'access_token = ********'],
    ['the task passes tokens on', 'the task passes tokens on'],
    ['Task shop.compass[1] succeeded in 0.1s: 3', 'Task shop.compass[1] succeeded in 0.1s: 3'],
  ])('%s', (text, shown) => expect(redactText(text)).toBe(shown));

  it('no text makes it slow', () => {
    const started = performance.now();
    for (const text of [
      'password'.repeat(40_000),
      'a://'.repeat(80_000),
      `token${' '.repeat(300_000)}`,
      `${'x'.repeat(300_000)}secret`,
      `password='${'a'.repeat(300_000)}`,
    ])
      redactText(text);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

describe('values', () => {
  class Own {
    password = P;
  }
  it.each<[unknown]>([
    [{ password: P }],
    [{ brokerTransportOptions: { sentinelKwargs: { password: P, username: 'me' } } }],
    [{ urls: [`redis://:${P}@h`] }],
    [{ secrets: [P], apiKeys: { a: P }, tokens: { a: { b: P } } }],
    [Object.assign(Object.create(null) as object, { passphrase: P })],
    [new Map([['token', P]])],
    [new URL(`redis://me:${P}@h`)],
    [new Set([`redis://:${P}@h`])],
    [new Own()],
    [{ key: P, database: P }],
    [{ cert: Buffer.from(P) }],
    [{ note: `password=${P}` }],
  ])('%o keeps its secret', (value) => expect(JSON.stringify(redact(value))).not.toContain(P));

  it('leaves alone what is no secret', () => {
    const value = {
      routingKey: 'a',
      globalKeyprefix: 'x',
      n: 1,
      flag: true,
      none: null,
      taskRoutes: { a: 'slow' },
      databaseTableSchemas: { task: 'celery' },
    };
    expect(redact(value)).toEqual(value);
  });

  it('comes to an end in a value that holds itself', () => {
    const value: Record<string, unknown> = {};
    value.self = value;
    expect(JSON.stringify(redact(value))).toContain('…');
  });
});

describe('what tasks hold', () => {
  class Money {
    token = P;
    twice(): number {
      return 2;
    }
  }
  it('loses its secrets and nothing else', () => {
    const value = {
      password: P,
      tokens: 12,
      key: 'a',
      api: 'b',
      at: new Date(0),
      bytes: Buffer.from('x'),
      url: `redis://:${P}@h`,
    };
    expect(redactData(value)).toEqual({ ...value, password: '********', url: 'redis://:**@h' });
    expect(redactData([new Map([['token', P]]), new Set([`token=${P}`])])).toEqual([
      new Map([['token', '********']]),
      new Set(['token=********']),
    ]);
    expect((redactData(new Money()) as Money).twice()).toBe(2);
    expect(inspect(redactData([new Money(), new URL(`redis://:${P}@h`)]))).not.toContain(P);
  });

  it('is the value itself where there is no secret', () => {
    const value = { a: [1, new Date(0), { b: 'c' }], d: new Map([['e', 1]]) };
    expect(redactData(value)).toBe(value);
  });

  it('a property named __proto__ stays a property', () => {
    const value = JSON.parse(`{"__proto__": {"password": "${P}"}}`) as unknown;
    expect(Object.keys(redactData(value) as object)).toEqual(['__proto__']);
  });
});

describe('errors', () => {
  it('message, stack and causes lose their secrets, and the class stays', () => {
    const cause = new RangeError(`redis://:${P}@h`);
    const shown = redactError(new TypeError(`password=${P}`, { cause }));
    expect(shown).toBeInstanceOf(TypeError);
    expect(shown.cause).toBeInstanceOf(RangeError);
    expect(inspect(shown, { showHidden: true })).not.toContain(P);
    expect(cause.message).toContain(P);
  });

  it('an error without secrets is itself', () => {
    const error = new Error('all is well', { cause: new Error('x') });
    expect(redactError(error)).toBe(error);
  });
});

it('the name of an error is not that of a secret', () => {
  for (const text of ['SignatureRefusedError: It was changed.', 'TokenExpiredError: jwt expired'])
    expect(redactText(text)).toBe(text);
  expect(redactText('SignatureRefusedError: token=planted')).toBe('SignatureRefusedError: token=********');
});
