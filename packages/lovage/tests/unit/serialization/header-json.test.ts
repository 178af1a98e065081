import { expect, test } from 'vitest';
import { Decimal, PlainDate, readHeaderJson, Uuid, writeHeaderJson } from '../../../src/serialization/index.ts';
import { EncodeError } from '../../../src/util/index.ts';

test.each<[string, unknown, string]>([
  ['plain values', { a: 1, b: [null, true, 'x'], c: { d: 1.5 } }, '{"a":1,"b":[null,true,"x"],"c":{"d":1.5}}'],
  ['NaN and Infinity', { a: Number.NaN, b: [Number.NEGATIVE_INFINITY] }, '{"a":NaN,"b":[-Infinity]}'],
  ['integers of any size', { a: 2n ** 70n, b: -9007199254740993n }, '{"a":1180591620717411303424,"b":-9007199254740993}'],
  ['bytes', { a: new Uint8Array([1, 255]) }, '{"a":{"__type__":"base64","__value__":"Af8="}}'],
  ['a decimal', { a: [new Decimal('1.50')] }, '{"a":[{"__type__":"decimal","__value__":"1.50"}]}'],
  ['a date', { a: new PlainDate('2024-02-29') }, '{"a":{"__type__":"date","__value__":"2024-02-29"}}'],
])('%s go both ways', (_, value, text) => {
  expect(writeHeaderJson(value)).toBe(text);
  expect(readHeaderJson(text)).toEqual(value);
});

test('tags that are not known, or hold nothing good, stay what they are', () => {
  for (const text of [
    '{"a":{"__type__":"zzz","__value__":1}}',
    '{"a":{"__type__":"uuid","__value__":{}}}',
    '{"a":{"__type__":5,"__value__":1}}',
    '{"a":{"__type__":"date","__value__":"2024-02-29","more":1}}',
  ])
    expect(readHeaderJson(text)).toEqual(JSON.parse(text));
  expect(readHeaderJson('{"a":{"__type__":"uuid","__value__":{"hex":"12345678123456781234567812345678"}}}')).toEqual({
    a: new Uuid('12345678123456781234567812345678'),
  });
});

test('a key called __proto__ is a key', () => {
  const value = readHeaderJson('{"__proto__":{"x":NaN},"a":{"__type__":"zzz","__value__":1}}') as Record<string, unknown>;
  expect(Object.keys(value)).toEqual(['__proto__', 'a']);
  expect((value as { x?: unknown }).x).toBeUndefined();
});

test.each([[() => 1], [new Map()], [Symbol('x')], [{ deep: [new Set()] }]])('%j is refused with its place', (value) => {
  expect(() => writeHeaderJson({ h: value })).toThrow(EncodeError);
  expect(() => writeHeaderJson({ h: value })).toThrow(/value\.h/);
});
