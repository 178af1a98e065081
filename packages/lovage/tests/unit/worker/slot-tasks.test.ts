import { expect, it } from 'vitest';
import { compareTasks } from '../../../src/worker/slot-tasks.ts';
import { toldBy } from '../../support/told.ts';

const told = toldBy('pool');

it('a difference between the tasks of worker and slots is told once, also when it changes', () => {
  let known = ['shop.a', 'shop.b'];
  const compare = compareTasks(() => known);
  compare('prefork-1', ['shop.b', 'shop.a']);
  expect(told).toEqual([]);
  compare('prefork-1', ['shop.a']);
  compare('prefork-2', ['shop.a']);
  compare('prefork-3', ['shop.a', 'shop.b', 'shop.c']);
  known = Array.from({ length: 20 }, (_, index) => `shop.${index}`);
  compare('prefork-4', []);
  expect(told).toEqual([
    expect.stringMatching(/^error: prefork-1 does not know tasks that this worker has: shop\.b\. /),
    expect.stringMatching(/^warning: prefork-3 knows tasks that this worker does not have: shop\.c\. /),
    expect.stringMatching(/^error: prefork-4 does not know .*: shop\.0, .*, shop\.9 and 10 more\. /),
  ]);
});
