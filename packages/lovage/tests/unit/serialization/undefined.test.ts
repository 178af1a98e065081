import { describe, expect, it } from 'vitest';
import { kwargsRepr } from '../../../src/protocol/index.ts';
import { createSerialization } from '../../../src/serialization/index.ts';
import { EncodeError } from '../../../src/util/index.ts';

const serialization = createSerialization();
const accept = serialization.accept(['json', 'msgpack', 'yaml']);

class Note {
  readonly text = 'x';
  readonly author = undefined;
}
const absent = { toJSON: () => undefined };

describe.each(['json', 'msgpack', 'yaml'])('undefined in %s', (name) => {
  const through = (value: unknown): unknown => serialization.decode(serialization.encode(value, name), accept);

  it.each([
    ['left out of an object', { a: undefined, b: 1 }, { b: 1 }],
    ['left out of the last place', { b: [{ a: undefined }] }, { b: [{}] }],
    ['null in an array', [undefined, 1, undefined], [null, 1, null]],
    ['null in a hole', Object.assign([], { 0: 1, 2: 2 }), [1, null, 2]],
    ['left out of an object of a class', [new Note()], [{ text: 'x' }]],
    ['left out when toJSON answers it', { a: absent, b: [absent] }, { b: [null] }],
    // A big integer forces the way that JSON.stringify does not go.
    ['left out beside what JSON.stringify cannot write', [{ a: undefined, b: 2n ** 60n }, undefined], [{ b: 2n ** 60n }, null]],
  ])('is %s', (_, value, read) => {
    expect(through(value)).toEqual(read);
    expect(Object.keys(Object(through({ value, gone: undefined })))).toEqual(['value']);
  });

  it('is refused alone, as functions and symbols are everywhere', () => {
    for (const value of [undefined, absent, () => 1, Symbol('x')])
      expect(() => serialization.encode(value, name)).toThrow(EncodeError);
    expect(() => serialization.encode({ a: { b: () => 1 } }, name)).toThrow('value.a.b cannot be written');
    expect(() => serialization.encode({ a: [1, Symbol('x')] }, name)).toThrow('value.a[1] cannot be written');
  });
});

it('kwargsrepr shows the keys that are sent', () => {
  expect(kwargsRepr({ a: undefined, b: { c: undefined, d: null } })).toBe("{'b': {'d': None}}");
});
