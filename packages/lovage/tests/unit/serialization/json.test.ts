import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { createSerialization, DateTime, Decimal, Float, PlainDate, PlainTime, Uuid } from '../../../src/serialization/index.ts';
import { DecodeError, EncodeError } from '../../../src/util/index.ts';
import { capture } from '../protocol/vectors.ts';
import { lossless } from './lossless.ts';

const serialization = createSerialization();
const accept = serialization.accept(['json']);
const encode = (value: unknown): string => Buffer.from(serialization.encode(value, 'json').body).toString();
const decode = (text: string): unknown =>
  serialization.decode({ body: Buffer.from(text), contentType: 'application/json' }, accept);
const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);

const UUID = '12345678-1234-5678-1234-567812345678';
/** The values of kombu's cases, by their Python text. */
const VALUES: Readonly<Record<string, unknown>> = {
  'dt.datetime(2024, 2, 29, 1, 2, 3)': new DateTime('2024-02-29T01:02:03'),
  'dt.datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=dt.timezone.utc)': new DateTime('2024-02-29T01:02:03.000004+00:00'),
  'dt.datetime(2024, 2, 29, tzinfo=dt.timezone(dt.timedelta(hours=-3, minutes=-30)))': new DateTime('2024-02-29T00:00:00-03:30'),
  'dt.date(2024, 2, 29)': new PlainDate('2024-02-29'),
  'dt.time(1, 2, 3)': new PlainTime('01:02:03'),
  'dt.time(1, 2, 3, 4, tzinfo=dt.timezone.utc)': new PlainTime('01:02:03.000004+00:00'),
  "Decimal('1.50')": new Decimal('1.50'),
  "Decimal('Infinity')": new Decimal('Infinity'),
  [`UUID('${UUID}')`]: new Uuid(UUID),
  "b'abc'": bytes(97, 98, 99),
  "b''": bytes(),
  "b'\\xff\\x00'": bytes(255, 0),
  '(1, 2)': [1, 2],
  '{1: 2}': { 1: 2 },
  '{True: 1}': { true: 1 },
  '{None: 1}': { null: 1 },
  '1.0': new Float(1),
  '1e22': 1e22,
  "float('nan')": Number.NaN,
  "float('inf')": Number.POSITIVE_INFINITY,
  '2**64': 2n ** 64n,
  "'\\u00e9\\U0001f600\\x7f\\x00/'": 'é😀\u007f\0/',
  '[]': [],
  '{}': {},
  None: null,
};

interface EncodeCase {
  readonly python: string;
  readonly json?: string;
}
const encodeCases = capture('fn-kombu-json').encode as unknown as readonly EncodeCase[];
const written = encodeCases.filter((entry) => entry.json !== undefined);

describe('what kombu writes', () => {
  it.each(written)('$python is written and read the same', ({ python, json = '' }) => {
    expect(Object.keys(VALUES)).toContain(python);
    const value = VALUES[python];
    expect(lossless(encode(value))).toEqual(lossless(json));
    expect(decode(json)).toEqual(value instanceof Float ? value.value : value);
    expect(lossless(encode(decode(json)), { loose: true })).toEqual(lossless(json, { loose: true }));
  });

  it('has no form for sets, spans of time and classes; nor have we', () => {
    expect(encodeCases.length - written.length).toBe(4);
    for (const value of [
      new Set([1]),
      new Map(),
      () => 1,
      Symbol('x'),
      class {},
      /x/,
      new Error('x'),
      Promise.resolve(),
      new ArrayBuffer(1),
      new Float32Array(1),
    ]) {
      expect(() => encode({ deep: [value] })).toThrow(EncodeError);
      expect(() => encode({ deep: [value] })).toThrow('value.deep[0] cannot be written as json');
    }
  });
});

interface DecodeCase {
  readonly json: string;
  readonly python?: string;
  readonly error?: string;
}
const READ: Readonly<Record<string, unknown>> = {
  'datetime.datetime(2024, 2, 29, 1, 2, 3, tzinfo=datetime.timezone.utc)': new Date('2024-02-29T01:02:03Z'),
  'datetime.date(2024, 2, 29)': new PlainDate('2024-02-29'),
  'datetime.time(1, 2, 3)': new PlainTime('01:02:03'),
  "Decimal('1.50')": new Decimal('1.50'),
  [`UUID('${UUID}')`]: new Uuid(UUID),
  "b'abc'": bytes(97, 98, 99),
  "b'\\xff\\x00'": bytes(255, 0),
  "{'__type__': 'datetime', '__value__': 'x', 'extra': 1}": { __type__: 'datetime', __value__: 'x', extra: 1 },
  "{'__type__': 'datetime'}": { __type__: 'datetime' },
  'datetime.date(2024, 1, 1)': new PlainDate('2024-01-01'),
  '[nan, inf, -inf]': [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  "{'a': 2}": { a: 2 },
  inf: Number.POSITIVE_INFINITY,
};

describe('what kombu reads', () => {
  const cases = capture('fn-kombu-json').decode as unknown as readonly DecodeCase[];
  it.each(cases)('$json', ({ json, python, error }) => {
    if (error !== undefined) {
      expect(() => decode(json)).toThrow(DecodeError);
      return;
    }
    expect(Object.keys(READ)).toContain(python);
    expect(decode(json)).toEqual(READ[python ?? '']);
  });
});

describe('numbers', () => {
  it('stay integers of any size', () => {
    expect(decode('[9007199254740991, 9007199254740992, -9007199254740993, 1180591620717411303424]')).toEqual([
      9007199254740991,
      9007199254740992n,
      -9007199254740993n,
      1180591620717411303424n,
    ]);
    expect(encode(2n ** 70n)).toBe('1180591620717411303424');
    expect(encode([5n, -5n])).toBe('[5,-5]');
  });

  it('beyond what JavaScript counts exactly are floats', () => {
    expect(encode([1e16, 2 ** 53, 1e300])).toBe('[1e+16,9007199254740992.0,1e+300]');
    expect(encode([-0, new Float(3), new Float(-0), new Float(Number.NaN)])).toBe('[-0.0,3.0,-0.0,NaN]');
  });

  it('of 16 digits behind a point are no integers', () =>
    expect(decode('[0.30000000000000004, 1e400]')).toEqual([0.30000000000000004, Number.POSITIVE_INFINITY]));

  it('too long to convert are refused, as Python does', () => {
    expect(() => decode('9'.repeat(5000))).toThrow(DecodeError);
    expect(decode('9'.repeat(4000))).toBe(BigInt('9'.repeat(4000)));
  });
});

describe('moments', () => {
  it('are Dates when a Date says it all', () => {
    const date = decode('{"__type__": "datetime", "__value__": "2024-02-29T01:02:03.456000+00:00"}') as Date;
    expect(date).not.toBeInstanceOf(DateTime);
    expect(date.toISOString()).toBe('2024-02-29T01:02:03.456Z');
    expect(decode('{"__type__": "datetime", "__value__": "2024-02-29T01:02:03Z"}')).toEqual(new Date('2024-02-29T01:02:03Z'));
  });

  it('are written with 0 or 6 digits and an offset', () => {
    const text = (value: Date): unknown => JSON.parse(encode(value)).__value__;
    expect(text(new Date('2024-02-29T01:02:03Z'))).toBe('2024-02-29T01:02:03+00:00');
    expect(text(new Date('2024-02-29T01:02:03.400Z'))).toBe('2024-02-29T01:02:03.400000+00:00');
    expect(text(new DateTime('2024-02-29T01:02:03.4567'))).toBe('2024-02-29T01:02:03.456700');
    expect(() => encode([new Date(Number.NaN)])).toThrow('value[0]');
  });

  it('that a setter changed are written as they are then', () => {
    const moment = new DateTime('2024-02-29T01:02:03.000004+02:00');
    moment.setUTCHours(10);
    expect(JSON.parse(encode(moment)).__value__).toBe('2024-02-28T12:02:03+02:00');
  });

  it.each(['datetime', 'date', 'time', 'decimal', 'uuid'])('that are none are refused: %s', (type) => {
    for (const value of ['"x"', '1', 'null', '{"hex": 3}'])
      expect(() => decode(`[{"__type__": "${type}", "__value__": ${value}}]`)).toThrow(DecodeError);
  });
});

describe('objects', () => {
  it('keep a key called __proto__ as their own, and nothing else changes', () => {
    for (const text of [
      '{"__proto__": {"polluted": 1}}',
      '{"__proto__": {"polluted": 1}, "n": NaN}',
      '{"__proto__": {"__type__": "date", "__value__": "2024-01-01"}}',
    ]) {
      const value = decode(text) as object;
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
      expect(Object.keys(value)).toContain('__proto__');
      expect('polluted' in value).toBe(false);
      expect(lossless(encode(value))).toEqual(lossless(text));
    }
  });

  it('of a class are their own properties, or what toJSON says', () => {
    class Point {
      x = 1;
      #hidden = 2;
      get sum(): number {
        return this.x + this.#hidden;
      }
    }
    expect(encode(new Point())).toBe('{"x":1}');
    expect(encode([{ toJSON: () => ({ at: new Date(0) }) }])).toBe(
      '[{"at":{"__type__":"datetime","__value__":"1970-01-01T00:00:00+00:00"}}]',
    );
    expect(() =>
      encode({
        a: {
          toJSON: () => {
            throw new Error('broken');
          },
        },
      }),
    ).toThrow(EncodeError);
  });

  it('shared are written twice, and containing themselves refused', () => {
    const shared = { a: 1 };
    expect(encode([shared, shared])).toBe('[{"a":1},{"a":1}]');
    const loop: unknown[] = [];
    loop.push(loop);
    expect(() => encode(loop)).toThrow('contains itself');
    const forever = { toJSON: () => forever };
    expect(() => encode(forever)).toThrow(EncodeError);
  });

  it('nest 500 levels and no more', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    for (const extra of ['', 'NaN']) {
      expect(() => decode(nested(500).replace('[]', `[${extra}]`))).not.toThrow();
      for (const depth of [501, 100_000]) expect(() => decode(nested(depth).replace('[]', `[${extra}]`))).toThrow(DecodeError);
    }
    expect(() => decode('{"a":'.repeat(200_000))).toThrow(DecodeError);
    expect(encode(decode(nested(500)))).toBe(nested(500));
  });
});

describe('text that is no JSON', () => {
  it.each([
    '',
    'nope',
    '{nope',
    '[1,]',
    '[NaN',
    '[NaN,]',
    '{"a" NaN}',
    '{NaN: 1}',
    '[Infinity 1]',
    'NaN NaN',
    '"NaN',
    '-',
    '01',
    '[1234567890123456789',
    '"\n NaN"',
    'nan',
  ])('%j is refused', (text) => expect(() => decode(text)).toThrow(DecodeError));

  it('or no UTF-8 is refused', () => {
    expect(() => serialization.decode({ body: bytes(0x22, 0xff, 0x22), contentType: 'application/json' }, accept)).toThrow(
      'not valid UTF-8',
    );
    expect(decode('"\ufffd"')).toBe('\ufffd');
  });

  it('between unusual words is read as JSON.parse reads it', () => {
    expect(
      decode(' { "a\\"NaN" : [ NaN , -Infinity ,true,false,null, "\\ud83d\\ude00\\\\" , 1.5e3 ] , "" : { } , "b":[ ] } '),
    ).toEqual({
      'a"NaN': [Number.NaN, Number.NEGATIVE_INFINITY, true, false, null, '😀\\', 1500],
      '': {},
      b: [],
    });
  });
});

describe("jsonTypes 'plain'", () => {
  const old = createSerialization({ jsonTypes: 'plain' });
  const text = (value: unknown): string => Buffer.from(old.encode(value, 'json').body).toString();

  it('writes what kombu before 5.3 wrote', () => {
    expect(
      text([new Date(0), new DateTime('2024-02-29T01:02:03.000004'), new PlainDate('2024-02-29'), new PlainTime('01:02:03')]),
    ).toBe('["1970-01-01T00:00:00Z","2024-02-29T01:02:03.000004","2024-02-29T00:00:00","01:02:03"]');
    expect(text({ d: new Decimal('1.50'), u: new Uuid(UUID) })).toBe(`{"d":"1.50","u":"${UUID}"}`);
    expect(() => text([bytes(1)])).toThrow(EncodeError);
  });

  it('reads tagged values all the same', () => {
    expect(
      old.decode(
        { body: Buffer.from('{"__type__": "date", "__value__": "2024-02-29"}'), contentType: 'application/json' },
        accept,
      ),
    ).toEqual(new PlainDate('2024-02-29'));
  });
});

describe('a type of its own', () => {
  it('goes both ways once registered', () => {
    class Money {
      readonly cents: number;
      constructor(cents: number) {
        this.cents = cents;
      }
    }
    const own = createSerialization();
    own.registerType<Money>({
      marker: 'money',
      is: (value) => value instanceof Money,
      encode: ({ cents }) => ({ cents }),
      decode: (value) => new Money((value as Money).cents),
    });
    const encoded = own.encode({ price: new Money(5) }, 'json');
    expect(JSON.parse(Buffer.from(encoded.body).toString())).toEqual({ price: { __type__: 'money', __value__: { cents: 5 } } });
    expect(own.decode(encoded, accept)).toEqual({ price: new Money(5) });
    expect(() => serialization.decode(encoded, accept)).toThrow('the tagged type "money" is not known');
  });

  it('is also found when its mark is written with escapes', () => {
    expect(decode('{"\\u005f_type__": "date", "__value__": "2024-02-29"}')).toEqual(new PlainDate('2024-02-29'));
  });
});
