// Pickles of plain values: those that Python wrote (protocols 0 to 5), those that we write, and what is refused.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { unpickle } from '../../../src/result/database/pickle-read.ts';
import { pickle } from '../../../src/result/database/pickle-write.ts';
import { DecodeError, EncodeError } from '../../../src/util/index.ts';

const read = (text: string): unknown => unpickle(Buffer.from(text, 'latin1'));

test('rows that Celery stored are read', () => {
  const vector = JSON.parse(readFileSync(join(import.meta.dirname, '../../vectors/result-database.json'), 'utf8')) as {
    tables: Record<string, { rows: { result: { $base64: string } }[] }>;
  };
  const rows = (table: string): unknown[] => vector.tables[table]?.rows ?? [];
  const bytes = (row: unknown): Buffer => Buffer.from((row as { result: { $base64: string } }).result.$base64, 'base64');
  expect(rows('celery_taskmeta').map((row) => unpickle(bytes(row)))).toEqual([
    4,
    { exc_type: 'ValueError', exc_message: ['bad value'], exc_module: 'builtins' },
  ]);
  expect(() => unpickle(bytes(rows('celery_tasksetmeta')[0]))).toThrow(/celery\.app\.base\._unpickle_appattr/);
});

test('what we write, we read', () => {
  const plain = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constant(null),
      fc.boolean(),
      fc.double({ noNaN: true }),
      fc.maxSafeInteger(),
      fc.bigInt().filter((value) => !Number.isSafeInteger(Number(value))),
      fc.string({ unit: 'binary' }),
      fc.uint8Array(),
      fc.array(tie('value')),
      fc.dictionary(fc.string(), tie('value')),
    ),
  })).value;
  fc.assert(
    fc.property(plain, (value) => {
      expect(unpickle(pickle(value))).toEqual(value);
    }),
  );
});

test('Python reads what we write, and we read what Python writes in every protocol', () => {
  const value = {
    numbers: [0, 255, 65_535, -1, 2 ** 31, -(2 ** 31) - 1, 2 ** 53 - 1, 1.5, -0.25, 1e300],
    text: ['', 'ü', '𝄞', 'x'.repeat(300), 'new\nline'],
    nested: { list: [[], {}, [null, true, false]] },
  };
  const script =
    'import pickle, sys, json, base64\n' +
    'value = pickle.loads(base64.b64decode(sys.argv[1]))\n' +
    'big = {"value": value, "big": 2 ** 80, "negative": -2 ** 64, "bytes": b"\\x00\\xff", "tuple": (1, 2, 3, 4), "same": [value["text"]] * 2}\n' +
    'print(json.dumps([value, [base64.b64encode(pickle.dumps(big, protocol)).decode() for protocol in range(6)]]))';
  const output = execFileSync('/usr/bin/python3', ['-c', script, pickle(value).toString('base64')], { encoding: 'utf8' });
  const [theirs, pickles] = JSON.parse(output) as [unknown, string[]];
  expect(theirs).toEqual(value);
  for (const [protocol, text] of pickles.entries()) {
    // Protocols 0 to 2 have no bytes: Python writes a call that would make them.
    if (protocol < 3) {
      expect(() => unpickle(Buffer.from(text, 'base64'))).toThrow(/_codecs\.encode/);
      continue;
    }
    const bytes = Uint8Array.from([0, 255]);
    const wanted = { value, big: 2n ** 80n, negative: -(2n ** 64n), bytes, tuple: [1, 2, 3, 4], same: [value.text, value.text] };
    expect(unpickle(Buffer.from(text, 'base64'))).toEqual(wanted);
  }
});

test.each([
  ['a call of the system', "cos\nsystem\n(S'true'\ntR."],
  ['a call by protocol 4', '\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.'],
  ['an object of a class', '\x80\x02c__main__\nEvil\n)\x81}b.'],
  ['an extension', '\x80\x02\x82\x01.'],
  ['a persistent id', 'Pdata\n.'],
])('%s is refused, and never made', (_, text) => {
  expect(() => read(text)).toThrow(DecodeError);
  expect(() => read(text)).toThrow(/Python object/);
});

test('damaged and endless pickles are errors', () => {
  const damaged = [
    '',
    '\x80',
    '\x80\x06N.',
    'K',
    'e.',
    '(',
    'h\x01.',
    '}K\x01s.',
    'K\x01(NNu.',
    '\xff.',
    'X\xff\xff\xff\xffa',
    'Iabc\n.',
  ];
  for (const text of damaged) expect(() => read(text), JSON.stringify(text)).toThrow(DecodeError);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        unpickle(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
      }
    }),
  );
});

test('a key of a record changes nothing but the record', () => {
  const made = read('\x80\x04}\x8c\x09__proto__}\x8c\x08pollutedK\x01ss.') as object;
  expect(Object.keys(made)).toEqual(['__proto__']);
  expect('polluted' in {}).toBe(false);
});

test('what is not plain is not written', () => {
  expect(() => pickle(new Date(0))).toThrow(EncodeError);
  expect(() => pickle({ deep: [new Map()] })).toThrow(/A Map cannot be written/);
});
