import { configure, type LogRecord, reset } from '@logtape/logtape';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { compareTasks } from '../../../src/worker/slot-tasks.ts';

const told: string[] = [];

beforeEach(async () => {
  told.length = 0;
  const sink = ({ level, message }: LogRecord): void => void told.push(`${level}: ${message.map(String).join('')}`);
  await configure({
    reset: true,
    sinks: { told: sink },
    loggers: [
      { category: ['lovage', 'pool'], lowestLevel: 'info', sinks: ['told'] },
      { category: ['logtape', 'meta'], lowestLevel: 'error', sinks: [] },
    ],
  });
});
afterEach(() => reset());

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
