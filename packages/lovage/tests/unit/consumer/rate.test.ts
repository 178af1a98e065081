// A rate that is changed while tasks wait: turns are given out anew, and never two at once.
import { expect, it } from 'vitest';
import { RateLimits } from '../../../src/consumer/rate.ts';

const at = { seconds: 1000 };
const clock = { now: () => at.seconds, monotonic: () => at.seconds * 1000 };
const turns = (limits: RateLimits, rate: number, count: number): readonly number[] =>
  Array.from({ length: count }, (_, index) => limits.turn('t', rate, `k${index}`));

it('starts an interval of the new rate after the last start, however many waited', () => {
  const limits = new RateLimits(clock);
  expect(turns(limits, 0.1, 4)).toEqual([1000, 1010, 1020, 1030]);
  at.seconds = 1012;
  limits.restart('t', 1);
  // The last start was at 1010; two waited.
  expect(turns(limits, 1, 2)).toEqual([1012, 1013]);
  limits.restart('t', 0.5);
  expect(turns(limits, 0.5, 1)).toEqual([1014]);
  limits.restart('t', undefined);
  expect(turns(limits, 5, 1)).toEqual([1012]);
  limits.restart('never', 1);
});
