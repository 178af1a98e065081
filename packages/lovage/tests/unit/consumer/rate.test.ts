// Turns under a rate limit: what waits is started evenly and in order, heeds another rate, and is shared with whoever comes later.
import { describe, expect, it } from 'vitest';
import { RateLimits } from '../../../src/consumer/rate.ts';
import { inWholeSeconds, type Played, play } from '../../support/rate-line.ts';

const at = { seconds: 1000 };
const clock = { now: () => at.seconds, monotonic: () => at.seconds * 1000 };
const turns = (limits: RateLimits, rate: number, count: number): readonly number[] =>
  Array.from({ length: count }, (_, index) => limits.turn('t', rate, `k${index}`).at);

const startedBy = ({ starts }: Played, worker: number): readonly number[] =>
  starts.filter((start) => start.worker === worker).map((start) => start.at);

/** The shortest time between two starts of one worker. */
function gap(played: Played): number {
  const workers = [...new Set(played.starts.map(({ worker }) => worker))];
  const gaps = workers.flatMap((worker) => {
    const times = startedBy(played, worker);
    return times.slice(1).map((time, index) => time - (times[index] ?? 0));
  });
  return Math.min(...gaps);
}

const order = ({ starts }: Played): readonly number[] => starts.map(({ message }) => message);
const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);
const most = ({ passes }: Played, from: number): number =>
  [...passes].filter(([second]) => second >= from).reduce((sum, [, count]) => Math.max(sum, count), 0);

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

it('keeps a turn that was taken for one that waits for it elsewhere, and the next comes an interval after it', () => {
  at.seconds = 1000;
  const limits = new RateLimits(clock);
  turns(limits, 1, 1);
  limits.keep('t', 'suspect', limits.turn('t', 1, 'suspect').at);
  at.seconds = 1007;
  expect(limits.turn('t', 1, 'suspect')).toEqual({ isTaken: true, at: 1001 });
  expect(limits.turn('t', 1, 'next').at).toBe(1008);
});

it('lets those whose turns were kept for them start one after the other, however late they come', () => {
  at.seconds = 1000;
  const limits = new RateLimits(clock);
  turns(limits, 1, 1);
  const kept = ['a', 'b', 'c'];
  for (const key of kept) limits.keep('t', key, limits.turn('t', 1, key).at);
  at.seconds = 1020;
  expect(kept.map((key) => limits.turn('t', 1, key).at)).toEqual([1001, 1021, 1022]);
  expect(limits.turn('t', 1, 'next').at).toBe(1023);
});

it('does not take late turns for a clock that was set back', () => {
  at.seconds = 1000;
  const limits = new RateLimits(clock);
  const kept = Array.from({ length: 51 }, (_, index) => `s${index}`);
  for (const key of kept) limits.keep('t', key, limits.turn('t', 10, key, 5).at);
  at.seconds = 1020;
  const last = kept.map((key) => limits.turn('t', 10, key, 5).at).at(-1) ?? 0;
  expect(last).toBeCloseTo(1025);
  expect(limits.turn('t', 10, 'next', 10).at).toBeCloseTo(1025.1);
});

it('sends nothing on where nothing can be sent on any more', () => {
  at.seconds = 1000;
  const limits = new RateLimits(clock);
  for (let index = 0; index < 20; index++) limits.turn('t', 1, `k${index}`, 5);
  const later = Array.from({ length: 10 }, (_, index) => limits.turn('t', 1, `l${index}`));
  expect(later.map(({ isTaken }) => isTaken)).toEqual(later.map(() => true));
});

it('goes on when the clock is set back', () => {
  at.seconds = 5000;
  const limits = new RateLimits(clock);
  for (let index = 0; index < 20; index++) limits.turn('t', 1, `k${index}`, 5);
  at.seconds = 1400;
  expect(limits.turn('t', 1, 'k', 5)).toEqual({ isTaken: true, at: 1400 });
});

describe('a line of one worker', () => {
  it.each([
    ['20 at 1/h', { rate: 1 / 3600, messages: 20, seconds: 35_990 }, 10],
    ['20 at 1/m', { rate: 1 / 60, messages: 20, seconds: 3600 }, 20],
    ['10,000 at 1/m', { rate: 1 / 60, messages: 10_000, seconds: 3590 }, 60],
    ['3000 at 1/s', { rate: 1, messages: 3000, seconds: 3600 }, 3000],
  ])('of %s starts one in each turn, in order', (_, line, count) => {
    for (const delivers of [undefined, inWholeSeconds]) {
      const played = play({ ...line, ...(delivers && { delivers }) });
      expect(order(played)).toEqual(numbers(count));
      expect(gap(played)).toBeGreaterThan(1 / line.rate - 1e-6);
    }
  });

  it.each([
    ['600 at 10/s', { rate: 10, messages: 600, seconds: 3600 }, 60],
    ['20,000 at 100/s', { rate: 100, messages: 20_000, seconds: 3600 }, 200],
    ['30,000 at 10/s', { rate: 10, messages: 30_000, seconds: 3600 }, 3000],
    ['30,000 at 1000/s', { rate: 1000, messages: 30_000, seconds: 3600 }, 30],
    ['100,000 at 1000/s', { rate: 1000, messages: 100_000, seconds: 3600 }, 100],
  ])('of %s leaves no turn out and lets none come twice', (_, line, last) => {
    const played = play(line);
    expect(played.starts).toHaveLength(line.messages);
    expect(gap(played)).toBeGreaterThan(1 / line.rate - 1e-6);
    expect(played.starts.at(-1)?.at).toBeLessThan(last + 5);
  });

  it('takes few in hand only to send them on, and remembers few, however many wait', () => {
    const small = play({ rate: 1 / 60, messages: 10_000, seconds: 1800 });
    expect(most(small, 60)).toBeLessThan(25);
    const large = play({ rate: 1 / 60, messages: 50_000, seconds: 900 });
    expect(most(large, 60)).toBeLessThan(250);
    expect(Math.max(small.away, large.away)).toBeLessThan(601);
  });

  it('is through within a minute when the limit is raised or goes, ten where very many wait', () => {
    for (const rate of [0, 1000]) {
      const few = play({ rate: 1 / 60, messages: 1000, seconds: 7200, change: { at: 1000, rate } });
      expect(few.starts).toHaveLength(1000);
      expect(few.starts.at(-1)?.at).toBeLessThan(1065);
      const many = play({ rate: 1 / 60, messages: 20_000, seconds: 7200, change: { at: 1000, rate } });
      expect(many.starts).toHaveLength(20_000);
      expect(many.starts.at(-1)?.at).toBeLessThan(1605);
      if (rate > 0) expect(gap(many)).toBeGreaterThan(1 / rate - 1e-6);
    }
  });

  it('takes up a lower rate at once', () => {
    const played = play({ rate: 100, messages: 20_000, seconds: 600, change: { at: 20, rate: 1 } });
    const later = startedBy(played, 0).filter((time) => time > 25.1);
    expect(later.length).toBeGreaterThan(560);
    expect(Math.min(...later.slice(1).map((time, index) => time - (later[index] ?? 0)))).toBeGreaterThan(1 - 1e-6);
  });
});

describe('a line of many workers', () => {
  it('gives each as many starts as its limit allows, also those that came later', () => {
    const played = play({ rate: 1 / 60, messages: 5000, seconds: 2400, workers: 10, join: 300 });
    for (let worker = 0; worker < 10; worker++) {
      const times = startedBy(played, worker);
      expect(times.filter((time) => time >= 600 && time < 2400).length).toBeGreaterThanOrEqual(27);
    }
    expect(gap(played)).toBeGreaterThan(60 - 1e-6);
  });

  it.each([
    [2, 10, 3000],
    [4, 10, 5000],
    [4, 1, 2000],
    [3, 100, 30_000],
  ])('of %s at %s/s leaves hardly a turn out', (workers, rate, messages) => {
    for (const delivers of [undefined, inWholeSeconds]) {
      const seconds = Math.min(400, (0.8 * messages) / (workers * rate));
      const played = play({ rate, messages, seconds, workers, ...(delivers && { delivers }) });
      const started = played.starts.filter(({ at }) => at < seconds).length;
      expect(started).toBeGreaterThan(0.9 * seconds * rate * workers);
      expect(gap(played)).toBeGreaterThan(1 / rate - 1e-6);
    }
  });

  it('lets one that came later have its share of few', () => {
    const played = play({ rate: 1 / 60, messages: 20, seconds: 3600, workers: 2, join: 100 });
    expect(startedBy(played, 1)[0]).toBeLessThan(165);
    expect(startedBy(played, 1).length).toBeGreaterThanOrEqual(8);
    expect(played.starts).toHaveLength(20);
  });
});

it('forgets turns that were given to what went back: those that come instead do not wait behind them', () => {
  const limits = new RateLimits(clock);
  expect(turns(limits, 1, 100).at(-1)).toBe(at.seconds + 99);
  limits.forgetComing('t');
  expect(turns(limits, 1, 2)).toEqual([at.seconds + 1, at.seconds + 2]);
  limits.forgetComing('of which nobody asked');
});
