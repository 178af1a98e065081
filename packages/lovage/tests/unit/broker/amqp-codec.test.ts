import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { decodeFields, encodeTable } from '../../../src/util/amqp-codec.ts';
import { UNREADABLE_HEADERS } from '../../../src/util/index.ts';

type Table = Record<string, unknown>;

function encode(table: Table, size = 65_536): Buffer {
  const buffer = Buffer.alloc(size);
  return buffer.subarray(0, encodeTable(buffer, table, 0));
}

const decode = (bytes: Buffer): Table => decodeFields(bytes.subarray(4));
/** A table of one entry, `a`, of which tag and value are given. */
const field = (...bytes: readonly number[]): Buffer => Buffer.from([1, 0x61, ...bytes]);

/** What py-amqp 5.1.1 writes for each table (amqp.serialization.dumps). */
const PYTHON: Readonly<Record<string, readonly [table: Table, base64: string]>> = {
  'small integers': [
    { a: 0, b: 1, c: -1, d: 127, e: 128, f: -128, g: -129 },
    'AAAAMQFhSQAAAAABYkkAAAABAWNJ/////wFkSQAAAH8BZUkAAACAAWZJ////gAFnSf///38=',
  ],
  'integers of 16 and 32 bits': [
    { a: 32_767, b: 32_768, c: -32_769, d: 2_147_483_647, e: -2_147_483_647 },
    'AAAAIwFhSQAAf/8BYkkAAIAAAWNJ//9//wFkSX////8BZUmAAAAB',
  ],
  'integers of 64 bits': [
    {
      a: 2_147_483_648,
      b: -2_147_483_648,
      c: Number.MAX_SAFE_INTEGER,
      d: Number.MIN_SAFE_INTEGER,
      e: 9_223_372_036_854_775_807n,
      f: -9_223_372_036_854_775_808n,
    },
    'AAAAQgFhTAAAAACAAAAAAWJM/////4AAAAABY0wAH////////wFkTP/gAAAAAAABAWVMf/////////8BZkyAAAAAAAAAAA==',
  ],
  doubles: [{ a: 1.5, b: -0.25, c: 1e300 }, 'AAAAIQFhZD/4AAAAAAAAAWJkv9AAAAAAAAABY2R+N+Q8iAB1nA=='],
  'null and booleans': [{ a: null, b: true, c: false }, 'AAAACwFhVgFidAEBY3QA'],
  texts: [{ a: '', b: 'grün ☂ 😀' }, 'AAAAHAFhUwAAAAABYlMAAAAOZ3LDvG4g4piCIPCfmIA='],
  'tables and arrays': [
    { a: { b: { c: [1, [2, null], { d: 3_000_000_000 }] } }, e: [], f: {} },
    'AAAAQwFhRgAAAC4BYkYAAAAnAWNBAAAAIEkAAAABQQAAAAZJAAAAAlZGAAAACwFkTAAAAACy0F4AAWVBAAAAAAFmRgAAAAA=',
  ],
  timestamps: [{ a: new Date('2026-01-02T03:04:05Z') }, 'AAAACwFhVAAAAABpVzWl'],
  decimals: [
    { a: { '!': 'decimal', value: { places: 2, digits: 314 } }, b: { '!': 'decimal', value: { places: 1, digits: -25 } } },
    'AAAAEAFhRAIAAAE6AWJEAf///+c=',
  ],
};

describe('header tables, byte by byte as py-amqp writes them', () => {
  for (const [name, [table, base64]] of Object.entries(PYTHON)) {
    test(`${name} are written so`, () => expect(encode(table).toString('base64')).toBe(base64));
    test(`${name} are read so`, () => expect(decode(Buffer.from(base64, 'base64'))).toEqual(table));
  }
});

interface Vector {
  readonly messages?: readonly { readonly headers?: Table; readonly content_header_properties_base64?: string }[];
}

/** The table within the properties of a content header: after the flags, the content type and the content encoding. */
function tableOf(properties: Buffer): Buffer {
  let at = 2 + 1 + properties.readUInt8(2);
  at += 1 + properties.readUInt8(at);
  return properties.subarray(at, at + 4 + properties.readUInt32BE(at));
}

describe('header tables captured from Celery', () => {
  const folder = join(import.meta.dirname, '../../vectors');
  const files = readdirSync(folder).filter((name) => name.startsWith('amqp-'));
  for (const file of files) {
    const { messages = [] } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Vector;
    for (const [index, { headers, content_header_properties_base64: base64 }] of messages.entries()) {
      if (headers === undefined || base64 === undefined) continue;
      const table = tableOf(Buffer.from(base64, 'base64'));
      test(`${file} ${index} reads as it was meant`, () => expect(decode(table)).toMatchObject(headers));
      test(`${file} ${index} comes out of a round trip unchanged`, () => expect(encode(decode(table))).toEqual(table));
    }
  }
  test('there are such vectors', () => expect(files.length).toBeGreaterThan(15));
});

describe('what other clients and RabbitMQ itself write', () => {
  const cases: readonly (readonly [tag: string, bytes: Buffer, value: unknown])[] = [
    ['b, signed 8 bits', field(0x62, 0xfe), -2],
    ['B, 8 bits', field(0x42, 0xfe), 254],
    ['s, signed 16 bits', field(0x73, 0xff, 0xfe), -2],
    ['U, signed 16 bits', field(0x55, 0xff, 0xfe), -2],
    ['u, 16 bits', field(0x75, 0xff, 0xfe), 65_534],
    ['i, 32 bits', field(0x69, 0xff, 0xff, 0xff, 0xff), 4_294_967_295],
    ['l, signed 64 bits', field(0x6c, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe), -2],
    ['f, a float', field(0x66, 0x3f, 0xc0, 0, 0), 1.5],
    ['x, bytes', field(0x78, 0, 0, 0, 2, 7, 8), Buffer.from([7, 8])],
    ['T, beyond what a Date can hold', field(0x54, 0x7f, 0, 0, 0, 0, 0, 0, 0), { '!': 'timestamp', value: 2 ** 63 - 2 ** 56 }],
  ];
  for (const [tag, bytes, value] of cases) test(`tag ${tag}, is read`, () => expect(decodeFields(bytes)).toEqual({ a: value }));

  test('bytes and typed values are written back as they were read', () => {
    for (const [, bytes] of cases.slice(-2)) expect(encode(decodeFields(bytes)).subarray(4)).toEqual(bytes);
  });
});

describe('what cannot be written or read', () => {
  test.each([Number.NaN, Number.POSITIVE_INFINITY])('%s is refused: it would cost the connection', (value) => {
    expect(() => encode({ h: value })).toThrow('has no form on RabbitMQ');
  });

  test('a table that does not fit is refused, not cut', () =>
    expect(() => encode({ a: 'x'.repeat(200) }, 100)).toThrow(/do not fit into 100 bytes/));
  test('so are names of more than 255 bytes', () =>
    expect(() => encode({ ['ü'.repeat(128)]: 1 })).toThrow(/longer than 255 bytes/));
  test('so are integers of more than 64 bits', () => expect(() => encode({ a: 2n ** 63n })).toThrow(/64 bits/));
  test('and functions', () => expect(() => encode({ a: () => 1 })).toThrow(/function cannot stand/));
  test('undefined is left out', () => expect(decode(encode({ a: undefined, b: 1 }))).toEqual({ b: 1 }));
  test('inherited entries are written: amqplib hands over its defaults so', () =>
    expect(decode(encode(Object.create({ a: 1 }) as Table))).toEqual({ a: 1 }));
  test('a header named __proto__ is only a header', () => {
    const read = decodeFields(Buffer.concat([Buffer.from([9]), Buffer.from('__proto__'), Buffer.from([0x46, 0, 0, 0, 0])]));
    expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
    expect(Object.keys(read)).toEqual(['__proto__']);
  });
  test('an unknown tag keeps what came before it and is told', () => {
    const read = decodeFields(Buffer.concat([field(0x49, 0, 0, 0, 5), Buffer.from([1, 0x62, 0x51, 1])]));
    expect(read).toEqual({ a: 5, [UNREADABLE_HEADERS]: expect.stringContaining('"Q"') });
  });
  test('so does a table that ends too early', () => {
    expect(decodeFields(field(0x53, 0, 0, 1, 0, 0x61))).toEqual({ [UNREADABLE_HEADERS]: expect.stringContaining('too early') });
  });
});
