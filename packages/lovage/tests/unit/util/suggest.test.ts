// "Did you mean …?"
import { expect, test } from 'vitest';
import { suggest } from '../../../src/util/suggest.ts';

const TASKS = [
  'shop.add',
  'shop.resize',
  'mail.send',
  ...Array.from({ length: 500 }, (_, at) => `shop.reports.monthly.number_${at}`),
];

test.each([
  ['shop.ad', 'shop.add'],
  ['shop.rezise', 'shop.resize'],
  ['MAIL_SEND', 'mail.send'],
  ['shop', undefined],
  ['', undefined],
])("'%s' may mean %s", (word, meant) => {
  expect(suggest(word, TASKS)).toBe(meant);
});

// Whoever writes to a queue chooses it: compared letter by letter this one would hold a worker for minutes.
test('a name of a million letters means nothing, at once', () => {
  expect(suggest('a'.repeat(1_000_000), TASKS)).toBeUndefined();
});
