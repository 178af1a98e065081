import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { parseBody, saferepr } from '../../../src/protocol/index.ts';
import { createSerialization, DateTime, Decimal, Float, PlainDate } from '../../../src/serialization/index.ts';
import { DecodeError, EncodeError } from '../../../src/util/index.ts';
import { deliveries } from '../protocol/vectors.ts';

const serialization = createSerialization();
const accept = serialization.accept(['json', 'msgpack', 'yaml']);
const types = { msgpack: 'application/x-msgpack', yaml: 'application/x-yaml' } as const;
const decode = (name: keyof typeof types, body: Uint8Array | string): unknown =>
  serialization.decode({ body: Buffer.from(body as string), contentType: types[name] }, accept);

function ofVector(name: string): { args: readonly unknown[]; kwargs: Readonly<Record<string, unknown>>; bytes: Buffer } {
  const [{ delivery } = { delivery: undefined }] = deliveries(name);
  const body = parseBody(serialization.decode({ body: delivery!.body, ...delivery!.properties }, accept));
  return { ...body, bytes: Buffer.from(delivery!.body) };
}

describe('msgpack', () => {
  it('reads and writes what Python sent, byte for byte', () => {
    const { args, kwargs, bytes } = ofVector('serializer-msgpack-bytes');
    expect(args).toEqual([Uint8Array.of(0, 255), 2 ** 40, -1]);
    const embed = { callbacks: null, errbacks: null, chain: null, chord: null };
    expect(Buffer.from(serialization.encode([args, kwargs, embed], 'msgpack').body).equals(bytes)).toBe(true);
  });

  it('reads all that Python sends', () => {
    const { args, kwargs } = ofVector('serializer-msgpack');
    const written = serialization.encode([args, kwargs], 'msgpack');
    expect(written).toMatchObject({ contentType: 'application/x-msgpack', contentEncoding: 'binary' });
    expect(serialization.decode(written, accept)).toEqual([args, kwargs]);
  });

  const numbers = [
    0,
    127,
    128,
    255,
    256,
    65535,
    65536,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 53 - 1,
    -1,
    -32,
    -33,
    -128,
    -129,
    -32768,
    -32769,
    -(2 ** 31),
    -(2 ** 31) - 1,
    1.5,
    -0,
    1e300,
  ];
  it.each(numbers)('keeps %d', (value) => expect(decode('msgpack', serialization.encode(value, 'msgpack').body)).toBe(value));

  it.each([2n ** 63n, 2n ** 64n - 1n, -(2n ** 63n)])('keeps %d', (value) => {
    expect(decode('msgpack', serialization.encode(value, 'msgpack').body)).toBe(value);
  });

  it('writes a float when told so', () => {
    expect(Buffer.from(serialization.encode(new Float(1), 'msgpack').body).toString('hex')).toBe('cb3ff0000000000000');
    expect(decode('msgpack', Uint8Array.of(0xca, 0x3f, 0x80, 0, 0))).toBe(1);
  });

  it.each([31, 32, 255, 256, 65535, 65536])('keeps texts, bytes, lists and maps of %d', (size) => {
    const value = [
      'é'.repeat(size),
      new Uint8Array(size).fill(7),
      Array.from({ length: size }, () => null),
      Object.fromEntries(Array.from({ length: size }, (_, index) => [`k${index}`, true])),
    ];
    expect(decode('msgpack', serialization.encode(value, 'msgpack').body)).toEqual(value);
  });

  it('refuses what it has no form for, with the place', () => {
    for (const value of [2n ** 64n, new Date(0), new Set(), Symbol('x')])
      expect(() => serialization.encode({ a: [value] }, 'msgpack')).toThrow(/^value\.a\[0\] cannot/);
  });

  it('refuses lies about lengths before it believes them', () => {
    for (const hex of [
      'ddffffffff',
      'dfffffffff',
      'dbffffffff',
      'c6ffffffff',
      'd9',
      '',
      'c1',
      'd40000',
      '0000',
      '81c001',
      '91'.repeat(100_000),
    ]) {
      expect(() => decode('msgpack', Buffer.from(hex, 'hex'))).toThrow(DecodeError);
    }
  });

  it('keeps a key called __proto__ as a key', () => {
    const value = decode('msgpack', serialization.encode(JSON.parse('{"__proto__": {"x": 1}}'), 'msgpack').body) as object;
    expect(Object.keys(value)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });
});

describe('yaml', () => {
  it('has its keys in the order of PyYAML', () => {
    const body = serialization.encode({ b: { é: 1, Z: 2, a: 3 }, '😀': 4, '\ufffd': 5, a: 6 }, 'yaml').body;
    const keys = [
      ...Buffer.from(body)
        .toString()
        .matchAll(/"(.+?)":/g),
    ].map(([, key]) => key);
    expect(keys).toEqual(['a', 'b', 'Z', 'a', 'é', '\ufffd', '😀']);
  });

  it('reads what Python sent, and writes what means the same', () => {
    for (const name of ['serializer-yaml', 'amqp-serializer-yaml']) {
      const { args, kwargs } = ofVector(name);
      const written = serialization.encode([args, kwargs], 'yaml');
      expect(written).toMatchObject({ contentType: 'application/x-yaml', contentEncoding: 'utf-8' });
      expect(serialization.decode(written, accept)).toEqual([args, kwargs]);
    }
    const { args, kwargs } = ofVector('serializer-yaml');
    expect(args).toEqual([1, 'two', [3.5, null, true]]);
    expect(kwargs).toEqual({ k: new DateTime('2024-01-02T03:04:05') });
    expect(saferepr(kwargs)).toBe("{'k': datetime.datetime(2024, 1, 2, 3, 4, 5)}");
  });

  it('reads timestamps of YAML 1.1', () => {
    expect(
      decode('yaml', '- 2024-01-02\n- 2024-1-2 3:04:05.5 -5\n- 2024-01-02T03:04:05Z\n- 2024-01-02 03:04:05.678901+01:00'),
    ).toEqual([
      new PlainDate('2024-01-02'),
      new DateTime('2024-01-02T03:04:05.500-05:00'),
      new Date('2024-01-02T03:04:05Z'),
      new DateTime('2024-01-02T03:04:05.678901+01:00'),
    ]);
  });

  it('keeps numbers and the texts that look like others', () => {
    const value = {
      a: [1, -0, 1.5, 1e22, 2n ** 70n, Number.POSITIVE_INFINITY, 'yes', '1:30', '0x1F', '2024-01-02', '', 'null', '~', '1e3'],
      b: Uint8Array.of(0, 255),
    };
    expect(decode('yaml', serialization.encode(value, 'yaml').body)).toEqual(value);
    expect(
      Buffer.from(serialization.encode([new Float(1), new Date(0), new PlainDate('2024-01-02')], 'yaml').body).toString(),
    ).toBe('- 1.0\n- 1970-01-01 00:00:00+00:00\n- 2024-01-02\n');
  });

  it('refuses tags that would make objects, broken text and nesting without end', () => {
    for (const text of [
      '!!python/object/apply:os.system ["ls"]',
      '{a: [',
      '&a [*a]',
      '['.repeat(100_000),
      `${'- '.repeat(600)}1`,
      '*nobody',
      'a: 1\n---\nb: 2',
    ]) {
      expect(() => decode('yaml', text)).toThrow(DecodeError);
    }
  });

  it.each(['[', '- ', '? ', '{a: ', ']', ': '])('refuses a megabyte of %j at once', (piece) => {
    const text = piece.repeat(1_000_000 / piece.length);
    const start = process.cpuUsage();
    expect(() => decode('yaml', text)).toThrow(DecodeError);
    const { user } = process.cpuUsage(start);
    // It takes some 20 ms; without the limits, seconds to minutes.
    expect(user / 1e6).toBeLessThan(1);
  });

  it('reads what nests as deep as values may', () => {
    let value: unknown = 1;
    for (let level = 0; level < 499; level++) value = level % 2 === 0 ? [value] : { a: value };
    expect(decode('yaml', serialization.encode(value, 'yaml').body)).toEqual(value);
    expect(decode('yaml', `${'['.repeat(499)}1${']'.repeat(499)}`)).toHaveLength(1);
  });

  it('refuses a text that grows by its aliases', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
    for (let level = 1; level < 9; level++)
      lines.push(`a${level}: &a${level} [${Array.from({ length: 10 }, () => `*a${level - 1}`).join(', ')}]`);
    expect(() => decode('yaml', lines.join('\n'))).toThrow(DecodeError);
  });

  it('refuses values that PyYAML cannot read safely, with the place', () => {
    expect(() => serialization.encode({ a: [new Map()] }, 'yaml')).toThrow(EncodeError);
    expect(() => serialization.encode({ a: [() => 1] }, 'yaml')).toThrow('value.a[0] cannot be written as yaml');
    expect(decode('yaml', serialization.encode([new Decimal('1.50')], 'yaml').body)).toEqual(['1.50']);
  });
});
