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

/** Six runs with turns from 1000 on that wait in the broker; two of them have come in time. */
function waiting(): RateLimits {
  at.seconds = 1000;
  const limits = new RateLimits(clock);
  for (const [index, turn] of turns(limits, 1, 6).entries()) limits.reserve('t', `k${index}`, turn);
  expect(limits.turn('t', 1, 'k0')).toBe(1000);
  at.seconds = 1001;
  expect(limits.turn('t', 1, 'k1')).toBe(1001);
  return limits;
}

it('moves the turns of all when nobody could start for a while, so that they do not start together', () => {
  const limits = waiting();
  at.seconds = 1004.5;
  expect([2, 3, 4, 5].map((index) => limits.turn('t', 1, `k${index}`))).toEqual([1004.5, 1005.5, 1006.5, 1007.5]);
  expect(limits.turn('t', 1, 'new')).toBe(1008.5);
});

it('keeps a turn that has moved for as long as any other', () => {
  const limits = waiting();
  at.seconds = 1004.5;
  limits.turn('t', 1, 'k2');
  limits.reserve('t', 'k4', limits.turn('t', 1, 'k4'));
  at.seconds = 1005.5;
  expect(limits.turn('t', 1, 'k3')).toBe(1005.5);
  at.seconds = 1006.6;
  expect(limits.turn('t', 1, 'k4')).toBe(1006.5);
});

it('lets one start at once that is late by itself, and moves nobody', () => {
  const limits = waiting();
  at.seconds = 1003;
  expect(limits.turn('t', 1, 'k3')).toBe(1003);
  at.seconds = 1003.5;
  expect(limits.turn('t', 1, 'k2')).toBe(1002);
  at.seconds = 1004;
  expect(limits.turn('t', 1, 'k4')).toBe(1004);
});

it('moves them once more in a second pause, also those that came too early', () => {
  const limits = waiting();
  at.seconds = 1004.5;
  for (const index of [2, 3, 4, 5]) limits.reserve('t', `k${index}`, limits.turn('t', 1, `k${index}`));
  at.seconds = 1010;
  expect([3, 4, 5].map((index) => limits.turn('t', 1, `k${index}`))).toEqual([1010, 1011, 1012]);
});
