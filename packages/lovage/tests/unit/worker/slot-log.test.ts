// Log records of slots on their way to the worker, as lines among what else slots write.
import { reset } from '@logtape/logtape';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Lines, MAX_LINE, MAX_RECORD } from '../../../src/pool/link.ts';
import { logger } from '../../../src/util/index.ts';
import { reportRecords } from '../../../src/worker/slot-log.ts';

/** What the worker reads of what was logged. */
const read: string[] = [];

beforeEach(async () => {
  read.length = 0;
  const lines = new Lines((line) => read.push(line));
  await reportRecords((line) => lines.push(Buffer.from(`${line}\n`)), 'info', { always: true });
});
afterEach(() => reset());

interface Read {
  readonly level: string;
  readonly message: readonly unknown[];
  readonly properties: Readonly<Record<string, unknown>>;
}

/** The one record that was read. */
function only(): Read {
  const [line = '', ...more] = read;
  expect(more).toEqual([]);
  expect(line.length).toBeLessThanOrEqual(MAX_RECORD);
  return JSON.parse(line.slice(1)) as Read;
}

test.each([
  ['quotes', '"'],
  ['letters that JSON has no form for', '\u0001'],
  ['letters of three bytes', '漢'],
])('a line that a task wrote, of %s, arrives whole', (_, letter) => {
  const line = letter.repeat(MAX_LINE);
  logger('task').warning('{line}', { line, task: 'shop.print' });
  expect(only()).toMatchObject({ level: 'warning', message: ['', line, ''], properties: { line, task: 'shop.print' } });
});

test('of a record that is too long each text is cut', () => {
  logger('task').error('{small} and {large}', { small: 'text', large: 'x'.repeat(1_000_000) });
  const cut = `${'x'.repeat(MAX_LINE)}…`;
  expect(only()).toMatchObject({ message: ['', 'text', ' and ', cut, ''], properties: { small: 'text', large: cut } });
});

test('of one with very many things in it the words are kept', () => {
  logger('task').error('{what}: {list}', { what: 'too many', list: Array.from({ length: 200_000 }, () => 'thing') });
  const { level, message } = only();
  expect([level, String(message[0]).slice(0, 21)]).toEqual(['error', 'too many: thing,thing']);
});

test('of one that goes round in circles they are kept, too', () => {
  const self: { readonly text: string; self?: unknown } = { text: 'x' };
  self.self = self;
  logger('task').error('{text}{self}', { text: 'x'.repeat(1_000_000), self });
  expect(only()).toMatchObject({ level: 'error' });
});
