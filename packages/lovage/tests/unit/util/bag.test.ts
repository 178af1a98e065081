import { expect, test } from 'vitest';
import { Bag } from '../../../src/util/index.ts';

const items = (count: number): { readonly n: number }[] => Array.from({ length: count }, (_, n) => ({ n }));

test('a bag holds each object once, in the order in which they came', () => {
  const bag = new Bag<{ readonly n: number }>();
  const [a, b, c] = items(3) as [{ n: number }, { n: number }, { n: number }];
  for (const item of [b, a, b, c]) bag.add(item);
  expect([...bag]).toEqual([b, a, c]);
  expect(bag.size).toBe(3);
});

test('deleting says whether the object was there', () => {
  const bag = new Bag<object>();
  const item = {};
  expect(bag.delete(item)).toBe(false);
  bag.add(item);
  expect([bag.delete(item), bag.delete(item), bag.size]).toEqual([true, false, 0]);
});

test('a copy of an object that lies in it does not', () => {
  const bag = new Bag<object>();
  const item = { n: 1 };
  bag.add(item);
  expect([bag.has({ ...item }), bag.delete({ ...item }), bag.size]).toEqual([false, false, 1]);
});

test('whatever came and went, it holds what a Set holds', () => {
  const all = items(500);
  const bag = new Bag<object>();
  const set = new Set<object>();
  let random = 1;
  for (let step = 0; step < 20_000; step++) {
    random = (random * 48_271) % 2_147_483_647;
    const item = all[random % all.length] as object;
    if (step % 3 === 0) expect(bag.delete(item)).toBe(set.delete(item));
    else if (set.size < 200) {
      bag.add(item);
      set.add(item);
    }
  }
  expect([...bag]).toEqual([...set]);
  bag.clear();
  expect([bag.size, [...bag]]).toEqual([0, []]);
});

test('what comes while it is looked through is not seen', () => {
  const bag = new Bag<object>();
  bag.add({});
  for (const _ of bag) if (bag.size < 5) bag.add({});
  expect(bag.size).toBe(2);
});
