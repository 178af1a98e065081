import { expect, test } from 'vitest';
import { globMatch } from '../../../src/util/index.ts';
import { processorTime } from '../../support/work.ts';

test.each([
  ['*', '', true],
  ['a*c', 'abbc', true],
  ['a*c', 'abbd', false],
  ['*.mail.*', 'shop.mail.send', true],
  ['a*b*c', 'aXbYbZc', true],
  ['a?c', 'abc', true],
  ['a', 'ab', false],
])('the glob %s against %s: %s', (pattern, name, matches) => {
  expect(globMatch(pattern, name)).toBe(matches);
});

test('no pattern takes more than linear time in the name', () => {
  const began = processorTime();
  expect(globMatch(`${'*a'.repeat(50)}*b`, 'a'.repeat(20_000))).toBe(false);
  // Backtracking would take longer than the universe has lasted.
  expect(processorTime() - began).toBeLessThan(2000);
});
