// Jobs of which their slot does not say that they have begun. The slots here say what the test says.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { FRAME } from '../../../src/pool/index.ts';
import type { LinkEvents, OpenLink } from '../../../src/pool/link.ts';
import { openSlotPool, type SlotPoolOptions } from '../../../src/pool/slot-pool.ts';
import { jobOf, outcomeOf } from '../../support/jobs.ts';
import { toldBy } from '../../support/told.ts';
import { never, program, puppets } from './puppets.ts';

const told = toldBy('pool');
const options: SlotPoolOptions = { limit: 1, program, ended: async () => outcomeOf('FAILURE') };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Puppets of which the first `silent` do nothing with a job; `asked` are the lanes that were asked about. */
function dummies(silent: number): { readonly asked: number[]; readonly slots: LinkEvents[]; readonly open: OpenLink } {
  const { started, open: openPuppet } = puppets();
  const asked: number[] = [];
  const slots: LinkEvents[] = [];
  const open: OpenLink = (link, events) => {
    const puppet = openPuppet(link, events);
    const isSilent = slots.push(events) <= silent;
    queueMicrotask(() => started.at(-1)?.up());
    return {
      ...puppet,
      send: (type, seq, head, body) => {
        if (type !== FRAME.job || !isSilent) puppet.send(type, seq, head, body);
      },
      ask: (lane) => void asked.push(lane),
    };
  };
  return { asked, slots, open };
}

it('are asked about until they have', async () => {
  const { asked, slots, open } = dummies(1);
  await using pool = await openSlotPool('prefork', options, open);
  const onStart = vi.fn();
  const abort = new AbortController();
  const outcome = pool.run(jobOf('t'), { signal: abort.signal, onStart });
  await vi.advanceTimersByTimeAsync(160);
  expect([asked, onStart.mock.calls]).toEqual([[0, 0], []]);
  slots[0]?.begun(1);
  await vi.advanceTimersByTimeAsync(1000);
  expect(asked).toEqual([0, 0]);
  expect(onStart).toHaveBeenCalledExactlyOnceWith({ pid: 1, name: 'prefork-1' });
  abort.abort(new Error('enough'));
  await vi.advanceTimersByTimeAsync(2000);
  expect(await outcome).toMatchObject({ state: 'LOST', repr: 'enough' });
});

it('go to another slot when theirs does nothing else for five seconds', async () => {
  const { slots, open } = dummies(1);
  await using pool = await openSlotPool('prefork', options, open);
  const outcome = pool.run(jobOf('t'), { signal: never });
  await vi.advanceTimersByTimeAsync(4900);
  expect(slots).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1200);
  expect(await outcome).toMatchObject({ state: 'SUCCESS' });
  expect(told).toEqual([expect.stringContaining('prefork-1 did not begin')]);
});

it('are lost when three slots did not begin them', async () => {
  const { slots, open } = dummies(9);
  await using pool = await openSlotPool('prefork', options, open);
  const outcome = pool.run(jobOf('t'), { signal: never });
  await vi.advanceTimersByTimeAsync(20_000);
  const lost = await outcome;
  expect(lost).toMatchObject({ state: 'LOST', repr: 'No slot began it, whichever it was handed to.' });
  // Where a message is innocent, its starts are not counted, and it would come again without end.
  expect([lost.innocent, lost.died]).toEqual([undefined, undefined]);
  expect(slots).toHaveLength(4);
});

it('are not held to be stuck by a worker that stood still itself', async () => {
  const now = performance.now.bind(performance);
  let stood = 0;
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + stood);
  const { slots, open } = dummies(1);
  await using pool = await openSlotPool('prefork', options, open);
  await vi.advanceTimersByTimeAsync(3000);
  const onStart = vi.fn();
  const abort = new AbortController();
  const outcome = pool.run(jobOf('t'), { signal: abort.signal, onStart });
  await vi.advanceTimersByTimeAsync(100);
  stood = 60_000;
  await vi.advanceTimersByTimeAsync(1000);
  slots[0]?.begun(1);
  expect([slots.length, onStart.mock.calls.length]).toEqual([1, 1]);
  abort.abort(new Error('enough'));
  await vi.advanceTimersByTimeAsync(2000);
  expect(await outcome).toMatchObject({ repr: 'enough' });
  clock.mockRestore();
});
