// What PyYAML wrote is read as PyYAML means it, and what we write, too: a bare `n`, `08` or `09:30` is a text for Python.
import { readFileSync } from 'node:fs';
import { expect, it, test } from 'vitest';
import { createSerialization, DateTime, PlainDate } from '../../../src/serialization/index.ts';

const serialization = createSerialization();
const accept = serialization.accept(['yaml']);
const read = (text: string): unknown =>
  serialization.decode({ body: Buffer.from(text), contentType: 'application/x-yaml', contentEncoding: 'utf-8' }, accept);
const write = (value: unknown): string => Buffer.from(serialization.encode(value, 'yaml').body).toString();

interface Case {
  readonly yaml: string;
  readonly meaning: unknown;
}
const { cases } = JSON.parse(readFileSync(new URL('../../vectors/own-yaml-values.json', import.meta.url), 'utf8')) as {
  cases: readonly Case[];
};

const numberText = (value: number): string => (Object.is(value, -0) ? '-0' : String(value));
const FLOATS: Readonly<Record<string, number>> = {
  nan: Number.NaN,
  inf: Number.POSITIVE_INFINITY,
  '-inf': Number.NEGATIVE_INFINITY,
};

/** The captured meaning in the words of `shown`. */
function meant(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(meant);
  const { int, float, map, ...other } = value as { int?: string; float?: string; map?: readonly [unknown, unknown][] };
  if (int !== undefined) return { number: int };
  if (float !== undefined) return { number: numberText(FLOATS[float] ?? Number(float)) };
  if (map === undefined) return other;
  return { map: map.map(([key, item]) => [keyOf(key), meant(item)]).toSorted(byKey) };
}

function keyOf(key: unknown): string {
  const { int, float } = Object(key) as { int?: string; float?: string };
  return int ?? float ?? String(key);
}

const byKey = (a: readonly unknown[], b: readonly unknown[]): number => String(a[0]).localeCompare(String(b[0]));

/** What we read, with its types. */
function shown(value: unknown): unknown {
  if (typeof value === 'number') return { number: numberText(value) };
  if (typeof value === 'bigint') return { number: String(value) };
  if (value instanceof DateTime) return { dt: value.isoFormat() };
  if (value instanceof Date) return { dt: value.toISOString().replace('.456Z', '.456000+00:00') };
  if (value instanceof PlainDate) return { d: String(value) };
  if (value instanceof Uint8Array) return { b: Buffer.from(value).toString('hex') };
  if (Array.isArray(value)) return value.map(shown);
  if (typeof value !== 'object' || value === null) return value;
  return {
    map: Object.entries(value)
      .map(([key, item]) => [key, shown(item)])
      .toSorted(byKey),
  };
}

test.each(cases)('$yaml', ({ yaml, meaning }) => {
  const value = read(yaml);
  expect(shown(value)).toEqual(meant(meaning));
  expect(shown(read(write(value)))).toEqual(meant(meaning));
});

it('writes texts in quotes, with nothing bare in them that ends a line for Python', () => {
  expect(write(['n', '=', 'a\tb', '\u0085\u2028\ufeff', '09:30'])).toBe(
    '- "n"\n- "="\n- "a\\tb"\n- "\\u0085\\u2028\\ufeff"\n- "09:30"\n',
  );
  expect(write({ n: 1, null: 2 })).toBe('"n": 1\n"null": 2\n');
});

it('reads sets as arrays, and refuses keys that are no words', () => {
  expect(read('!!set {1: null, a: null}')).toEqual([1, 'a']);
  expect(() => read('? [1]\n: 2')).toThrow('a key is neither text nor number');
});
