// Who starts next where suspects have a process of their own, beside the slots or as one of them.
import { expect, test } from 'vitest';
import type { Entry } from '../../../src/consumer/request.ts';
import { Slots, type SlotsOptions } from '../../../src/consumer/slots.ts';

const entry = (name: string, alone = false): Entry => ({ name, alone, state: 'received' }) as unknown as Entry;

function slots(more: Partial<SlotsOptions>): { readonly slots: Slots; readonly started: string[] } {
  const started: string[] = [];
  const start = (one: Entry): void => void started.push((one as unknown as { readonly name: string }).name);
  return { slots: new Slots({ limit: () => 2, start, ...more }), started };
}

test('a suspect that has one of the slots fills it: no other starts in its place, and one more slot makes room', () => {
  let whole = 1;
  const { slots: s, started } = slots({ ward: 'inside', limit: () => whole, whole: () => whole });
  const suspect = entry('suspect', true);
  s.add(suspect);
  s.add(entry('a'));
  expect([started, s.running, s.waiting, s.aside]).toEqual([['suspect'], 1, 1, 0]);
  whole = 2;
  s.grown();
  expect([started, s.running, s.waiting]).toEqual([['suspect', 'a'], 2, 0]);
  s.free(suspect);
  expect(s.running).toBe(1);
});

test('a suspect waits for a whole slot, not for a place in one behind a short task; only one of them ever counts as load', () => {
  const { slots: s, started } = slots({ ward: 'inside', limit: () => 3, whole: () => 2 });
  const [a, b] = [entry('a'), entry('b')];
  for (const one of [a, b, entry('suspect', true), entry('another', true)]) s.add(one);
  expect([started, s.running, s.waiting, s.aside]).toEqual([['a', 'b'], 2, 1, 2]);
  s.free(a);
  expect([started, s.running, s.waiting, s.aside]).toEqual([['a', 'b', 'suspect'], 2, 0, 1]);
});

test('a suspect finds its slot although there are always short tasks', () => {
  const { slots: s, started } = slots({ ward: 'inside', limit: () => 4, whole: () => 2 });
  const short = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => entry(name));
  for (const one of [...short.slice(0, 4), entry('suspect', true), ...short.slice(4)]) s.add(one);
  for (const one of short.slice(0, 3)) s.free(one);
  expect(started).toEqual(['a', 'b', 'c', 'd', 'suspect', 'e', 'f']);
});

test('a suspect with a process beside the slots leaves all of them to the others', () => {
  const { slots: s, started } = slots({ ward: 'beside' });
  const suspect = entry('suspect', true);
  for (const one of [suspect, entry('a'), entry('b'), entry('c')]) s.add(one);
  expect([started, s.running, s.waiting, s.aside]).toEqual([['suspect', 'a', 'b'], 2, 1, 1]);
  s.free(suspect);
  expect([s.running, s.aside]).toEqual([2, 0]);
});
