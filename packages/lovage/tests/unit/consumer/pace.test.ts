import { expect, it } from 'vitest';
import { Pace } from '../../../src/consumer/pace.ts';

const SLOTS = 100;

/** A worker that ends `tasks` in so many milliseconds, evenly; and what it asks ahead after each. */
function worker() {
  let now = 0;
  const pace = new Pace({ now: () => now / 1000, monotonic: () => now });
  return {
    ahead: () => pace.ahead(SLOTS),
    pass: (milliseconds: number) => {
      now += milliseconds;
    },
    end: (tasks: number, milliseconds: number): readonly number[] =>
      Array.from({ length: tasks }, () => {
        now += milliseconds / tasks;
        pace.note('add', 0.5);
        return pace.ahead(SLOTS);
      }),
  };
}

it('asks ahead for as many as there are slots once so many end in a moment, whether they compute or wait', () => {
  const { ahead, end } = worker();
  expect(ahead()).toBe(0);
  expect(end(SLOTS, 11).at(-1)).toBe(SLOTS);
  expect(new Set(end(20 * SLOTS, 20 * 11))).toEqual(new Set([SLOTS]));
});

it('stays quick when tasks that wait end all at once, and nothing ends in between', () => {
  const { end, pass } = worker();
  end(SLOTS, 1);
  for (let burst = 0; burst < 20; burst++) {
    pass(10);
    expect(new Set(end(SLOTS, 1))).toEqual(new Set([SLOTS]));
  }
});

it('takes nothing from others when tasks are slow, also when they become so', () => {
  const slow = worker();
  expect(new Set(slow.end(10 * SLOTS, 10_000))).toEqual(new Set([0]));
  const { end } = worker();
  expect(end(SLOTS, 10).at(-1)).toBe(SLOTS);
  expect(end(3, 600).at(-1)).toBe(0);
});

it('does not change its mind at each task', () => {
  const { end } = worker();
  expect(end(SLOTS, 40).at(-1)).toBe(SLOTS);
  expect(new Set(end(10 * SLOTS, 1500))).toEqual(new Set([SLOTS]));
  expect(end(SLOTS, 300).at(-1)).toBe(0);
  expect(new Set(end(10 * SLOTS, 800))).toEqual(new Set([0]));
});
