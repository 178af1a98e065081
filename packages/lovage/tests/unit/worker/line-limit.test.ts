import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { LineLimit } from '../../../src/worker/line-limit.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('passes ten thousand lines of each slot in a second, and says how many more there were', async () => {
  const told: (readonly [string, number])[] = [];
  const limit = new LineLimit((slot, dropped) => told.push([slot, dropped]));
  const passed = (slot: string, lines: number): number =>
    Array.from({ length: lines }, () => limit.passes(slot)).filter(Boolean).length;
  expect(passed('prefork-1', 9_999)).toBe(9_999);
  await vi.advanceTimersByTimeAsync(500);
  expect(passed('prefork-1', 1_000)).toBe(1);
  expect(passed('prefork-2', 1_000)).toBe(1_000);
  await vi.advanceTimersByTimeAsync(400);
  expect(passed('prefork-1', 1)).toBe(0);
  expect(told).toEqual([]);
  await vi.advanceTimersByTimeAsync(100);
  expect(told).toEqual([['prefork-1', 1_000]]);
  expect(passed('prefork-1', 10_000)).toBe(10_000);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(told).toHaveLength(1);
});
