import { describe, expect, it } from 'vitest';
import { argsRepr, DateTime, Decimal, Float, PlainDate, PlainTime, saferepr, Uuid } from '../../../src/protocol/index.ts';
import { capture } from './vectors.ts';

const words = 'word '.repeat(20);
const counted = Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`k${index}`, index]));
const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);

/** Celery's cases whose values JavaScript has, by their Python text. Texts that begin with `(` are tuples: args. */
const VALUES: Readonly<Record<string, unknown>> = {
  '(2, 2)': [2, 2],
  '()': [],
  '(1,)': [1],
  '{}': {},
  '[]': [],
  "{'x': 1, 'y': [1, 2]}": { x: 1, y: [1, 2] },
  "('a', b'b')": ['a', bytes(0x62)],
  '("it\'s",)': ["it's"],
  '(\'say "hi"\',)': ['say "hi"'],
  "('back\\\\slash',)": ['back\\slash'],
  "('new\\nline',)": ['new\nline'],
  '(None, True, False)': [null, true, false],
  '(1.0, 0.1, 1e300, -0.0)': [new Float(1), 0.1, 1e300, -0],
  '(2**70,)': [2n ** 70n],
  "(Decimal('1.10'),)": [new Decimal('1.10')],
  '({1},)': [new Set([1])],
  '(set(),)': [new Set()],
  '[1, [2, [3, [4]]]]': [1, [2, [3, [4]]]],
  "{'a': {'b': {'c': {'d': 1}}}}": { a: { b: { c: { d: 1 } } } },
  "(b'\\x00\\xff',)": [bytes(0, 255)],
  "(b'caf\\xc3\\xa9',)": [bytes(0x63, 0x61, 0x66, 0xc3, 0xa9)],
  "('h\\u00e9\\u4e2d',)": ['hé中'],
  '(dt.datetime(2024, 1, 2, 3, 4),)': [new DateTime('2024-01-02T03:04:00')],
  "(UUID('12345678-1234-5678-1234-567812345678'),)": [new Uuid('12345678-1234-5678-1234-567812345678')],
  '[[[[]]]]': [[[[]]]],
  '[[[{}]]]': [[[{}]]],
  "('a' * 50,)": ['a'.repeat(50)],
  "('word ' * 20,)": [words],
  '[1] * 40': Array.from({ length: 40 }, () => 1),
  "{'k%d' % i: i for i in range(10)}": counted,
  "['x' * 10, 'y' * 10, 'z' * 10]": ['x'.repeat(10), 'y'.repeat(10), 'z'.repeat(10)],
  "(b'\\x00' * 50,)": [new Uint8Array(50)],
  "(b'ab' * 50,)": [new TextEncoder().encode('ab'.repeat(50))],
  "('a' * 3000,)": ['a'.repeat(3000)],
  "(['word ' * 400],)": [['word '.repeat(400)]],
};

interface Case {
  readonly python: string;
  readonly maxlen: number | null;
  readonly maxlevels: number;
  readonly repr: string;
}
const cases = capture('fn-saferepr').cases as unknown as readonly Case[];
const known = cases.filter(({ python }) => Object.hasOwn(VALUES, python));

describe("Celery's saferepr", () => {
  it('has few cases that JavaScript has no value for', () => {
    expect(cases.filter(({ python }) => !Object.hasOwn(VALUES, python)).map(({ python }) => python)).toEqual([
      '(frozenset([1]),)',
      '(frozenset(),)',
      '(range(3),)',
      '(dt.timedelta(seconds=5),)',
      "{1: 'a', None: 2, ('t',): 3}",
    ]);
  });

  it.each(known)('$python within $maxlen', ({ python, maxlen, maxlevels, repr }) => {
    const options = { maxLength: maxlen ?? undefined, maxLevels: maxlevels, tuple: python.startsWith('(') };
    expect(saferepr(VALUES[python], options)).toBe(repr);
  });
});

describe('saferepr of what Python has no text for', () => {
  it('prints keys of any kind in a Map', () => {
    const map = new Map<unknown, unknown>([
      [1, 'a'],
      [null, 2],
    ]);
    expect(saferepr(map)).toBe("{1: 'a', None: 2}");
  });

  it('prints moments with their zones', () => {
    expect(saferepr(new Date(Date.UTC(2024, 1, 29, 1, 2, 3, 4)))).toBe(
      'datetime.datetime(2024, 2, 29, 1, 2, 3, 4000, tzinfo=datetime.timezone.utc)',
    );
    const west = 'datetime.timezone(datetime.timedelta(days=-1, seconds=73800))';
    expect(saferepr(new DateTime('2024-02-29T00:00:00-03:30'))).toBe(`datetime.datetime(2024, 2, 29, 0, 0, tzinfo=${west})`);
    expect(argsRepr([new PlainDate('2024-02-29'), new PlainTime('23:59:58.000001')])).toBe(
      '(datetime.date(2024, 2, 29), datetime.time(23, 59, 58, 1))',
    );
  });

  it('counts characters, not halves of them', () => {
    expect(saferepr('😀'.repeat(30), { maxLength: 10 })).toBe(`'${'😀'.repeat(10)}...'`);
  });

  it('survives values that contain themselves, throw or never end', () => {
    const loop: unknown[] = [];
    loop.push(loop);
    expect(saferepr(loop)).toBe('[<Recursion on list>]');
    const forever = { toJSON: () => ({ ...forever }) };
    for (const value of [
      forever,
      {
        get secret() {
          throw new Error('no');
        },
      },
    ])
      expect(saferepr(value)).toBe('<unrepresentable>');
    expect(saferepr({ toJSON: () => 'instead' })).toBe("'instead'");
    expect(argsRepr([undefined, () => 1, Symbol('s'), new TypeError('bad')])).toBe(
      "(None, <function >, Symbol(s), TypeError('bad'))",
    );
  });
});
