import { expect, it } from 'vitest';
import { Pace } from '../../../src/consumer/pace.ts';

const after = (seconds: number, times = 200, pace = new Pace()): Pace => {
  for (let n = 0; n < times; n++) pace.note(seconds);
  return pace;
};

it('asks ahead for as many as there are slots when all of them are over in a moment', () => {
  expect(new Pace().ahead(100)).toBe(0);
  expect(after(0.0001).ahead(100)).toBe(100);
  expect(after(0.01).ahead(2)).toBe(2);
});

it('takes nothing from others when tasks are slow, also when they become so', () => {
  expect(after(0.01).ahead(100)).toBe(0);
  const pace = after(0.0001);
  expect(pace.ahead(100)).toBe(100);
  expect(after(0.1, 3, pace).ahead(100)).toBe(0);
});

it('does not change its mind at each task', () => {
  const pace = after(0.0004);
  expect(pace.ahead(100)).toBe(100);
  expect(after(0.0008, 200, pace).ahead(100)).toBe(100);
  expect(after(0.002, 200, pace).ahead(100)).toBe(0);
  expect(after(0.0008, 200, pace).ahead(100)).toBe(0);
});
