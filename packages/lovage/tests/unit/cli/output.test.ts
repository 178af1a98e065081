import { expect, test } from 'vitest';
import { cutTable, printable, resultLines, table, toJson, wrapped } from '../../../src/cli/output.ts';

test('control characters never reach the terminal raw', () => {
  const nasty = 'a\u001b[31mb\u0007c\u0085\r';
  expect(printable(nasty)).toBe('ab\\x07c\\x85\\x0d');
  for (const text of [printable(nasty), resultLines({ nasty }).join(''), resultLines(nasty).join(''), toJson([nasty])]) {
    const raw = Array.from(text, (character) => character.charCodeAt(0)).filter(
      (code) => code < 32 || (code > 126 && code < 160),
    );
    expect(raw).toEqual([]);
  }
});

test('nothing in a name turns the order of the text behind it', () => {
  const turned = 'safe\u202egnp.exe\u2066\u2028';
  expect(printable(turned)).toBe(String.raw`safe\u202egnp.exe\u2066\u2028`);
  expect(toJson(turned)).toBe(String.raw`"safe\u202egnp.exe\u2066\u2028"`);
  expect(JSON.parse(toJson(turned))).toBe(turned);
  // Hebrew, and the marks that people write themselves, stay.
  expect(printable('\u05e9\u200f')).toBe('\u05e9\u200f');
});

test('integers of any size are numbers in JSON, bytes are base64', () => {
  expect(toJson({ big: 2n ** 80n, bytes: new Uint8Array([1, 2, 3]), buffer: Buffer.from('hi') })).toBe(
    '{"big":1208925819614629174706176,"bytes":"AQID","buffer":"aGk="}',
  );
  expect(toJson([Number.NaN, new Map([['a', 1n]]), new Set([1]), new TypeError('x')])).toBe(
    '["NaN",{"a":1},[1],{"type":"TypeError","message":"x"}]',
  );
  expect(toJson(undefined)).toBe('null');
});

test('results for people', () => {
  expect(resultLines(undefined)).toEqual(['null']);
  expect(resultLines('two\nlines')).toEqual(['two', 'lines']);
  expect(resultLines(10n ** 20n)).toEqual(['100000000000000000000']);
  expect(resultLines(new Uint8Array([255, 0]))).toEqual(['2 bytes: ff00']);
  expect(resultLines({ a: 1 })).toEqual(['{', '  "a": 1', '}']);
});

test('tables align, numbers to the right', () => {
  expect(
    table(
      ['queue', 'ready'],
      [
        ['celery', 5],
        ['x', 1200],
      ],
    ),
  ).toEqual(['queue   ready', 'celery      5', 'x        1200']);
});

test('words are wrapped at the width of lines, and no word is cut', () => {
  const words = Array.from({ length: 60 }, () => 'word').join(' ');
  const lines = wrapped(words, '  ');
  expect(lines.length).toBeGreaterThan(1);
  expect(lines.map((line) => line.trim()).join(' ')).toBe(words);
  expect(wrapped('x'.repeat(200), '')).toEqual(['x'.repeat(200)]);
});

const HEAD = ['name', 'schedule', 'runs'];
const ROWS = [
  ['nightly', '30 2 * * mon-fri (Europe/Berlin)', 12],
  ['often', 'every 5 s', 7],
] as const;

test('where the terminal is too narrow for a table, its rows stand one below the other and nothing is lost', () => {
  expect(table(HEAD, ROWS, 80)).toHaveLength(3);
  expect(table(HEAD, ROWS, 40)).toEqual([
    'nightly',
    '  schedule  30 2 * * mon-fri',
    '            (Europe/Berlin)',
    '  runs      12',
    '',
    'often',
    '  schedule  every 5 s',
    '  runs      7',
  ]);
});

test('a column that may be cut is, as long as that is enough', () => {
  const cut = cutTable(HEAD, ROWS, 1, 38);
  expect(Math.max(...cut.map((line) => line.length))).toBeLessThanOrEqual(38);
  expect(cut[1]).toContain('30 2 * * mon-fri');
  expect(cut[1]).toContain('…');
  expect(cutTable(HEAD, ROWS, 1, 30)).toEqual(table(HEAD, ROWS, 30));
});
