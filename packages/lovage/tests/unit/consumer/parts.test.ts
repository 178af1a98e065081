// The small parts of the consumer: timers, rates.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RateLimits } from '../../../src/consumer/rate.ts';
import { TimerHeap } from '../../../src/consumer/timers.ts';
import { parseRate } from '../../../src/task/rate.ts';

beforeEach(() => void vi.useFakeTimers({ now: 1_000_000 }));
afterEach(() => void vi.useRealTimers());

const now = (): number => Date.now() / 1000;
const clock = { now, monotonic: () => Date.now() };

describe('the heap of timers', () => {
  it('fires in the order of time, equal times in the order of asking', () => {
    using heap = new TimerHeap(clock);
    const fired: string[] = [];
    const start = now();
    const delays = Array.from({ length: 200 }, (_, index) => (index * 7919) % 50);
    for (const [index, delay] of delays.entries())
      heap.at(start + delay, () => fired.push(`${String(delay).padStart(2, '0')} ${String(index).padStart(3, '0')}`));
    vi.advanceTimersByTime(60_000);
    expect(fired).toHaveLength(200);
    expect(fired).toEqual([...fired].sort());
  });

  it('fires neither early nor, once cancelled, at all', () => {
    using heap = new TimerHeap(clock);
    const fire = vi.fn();
    const never = vi.fn();
    const cancel = heap.at(now() + 5, never);
    heap.at(now() + 5, fire);
    cancel();
    vi.advanceTimersByTime(4_990);
    expect(fire).not.toHaveBeenCalled();
    vi.advanceTimersByTime(20);
    expect(fire).toHaveBeenCalledOnce();
    expect(never).not.toHaveBeenCalled();
  });

  it('uses one system timer, and none when it is disposed', () => {
    const heap = new TimerHeap(clock);
    for (let index = 100; index > 0; index--) heap.at(now() + index, () => undefined);
    expect(vi.getTimerCount()).toBe(1);
    heap[Symbol.dispose]();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('holds moments further away than Node’s longest timer', () => {
    using heap = new TimerHeap(clock);
    const fire = vi.fn();
    heap.at(now() + 40 * 86_400, fire);
    vi.advanceTimersByTime(39 * 86_400_000);
    expect(fire).not.toHaveBeenCalled();
    vi.advanceTimersByTime(86_400_000 + 10);
    expect(fire).toHaveBeenCalledOnce();
  });
});

describe('rate limits', () => {
  it.each([
    [10, 10],
    ['10', 10],
    ['5/', 5],
    ['10/s', 10],
    ['10/m', 10 / 60],
    ['90/h', 0.025],
    ['0.5/s', 0.5],
    [0, undefined],
    ['0', undefined],
    ['', undefined],
    [null, undefined],
    [undefined, undefined],
  ])('%s is %s a second', (text, rate) => {
    expect(parseRate(text)).toBe(rate);
  });

  it.each(['10/d', 'fast', '-1', '1e999x'])('%s cannot be read', (text) => {
    expect(() => parseRate(text)).toThrow('rate limit');
  });

  it('hand out turns evenly, without bursts', () => {
    const rates = new RateLimits(clock);
    const start = now();
    expect([0, 1, 2, 3].map((index) => rates.turn('t', 2, `k${index}`).at - start)).toEqual([0, 0.5, 1, 1.5]);
    expect(rates.turn('other', 2, 'k').at - start).toBe(0);
  });

  it('do not save up turns while nothing comes', () => {
    const rates = new RateLimits(clock);
    rates.turn('t', 2, 'a');
    vi.advanceTimersByTime(60_000);
    const start = now();
    expect([rates.turn('t', 2, 'b').at - start, rates.turn('t', 2, 'c').at - start]).toEqual([0, 0.5]);
  });
});
