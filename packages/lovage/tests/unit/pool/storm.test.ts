// Slots that die: how soon another is started, and when there is no point in it any more. The slots here do what the test says.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { OpenLink } from '../../../src/pool/link.ts';
import { openSlotPool } from '../../../src/pool/slot-pool.ts';
import { StormGuard } from '../../../src/pool/storm.ts';
import { jobOf, outcomeOf } from '../../support/jobs.ts';
import { never, program, puppets } from './puppets.ts';

describe('the guard', () => {
  it('lets the first slot start at once, and each after a death later than the one before, up to ten seconds', () => {
    const guard = new StormGuard();
    const delays = Array.from({ length: 10 }, () => {
      const { delay } = guard;
      guard.death();
      return delay;
    });
    expect(delays).toEqual([0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]);
  });

  it('gives up after a hundred deaths in a row, and not before', () => {
    const guard = new StormGuard();
    for (let death = 1; death < 100; death++) guard.death();
    expect(guard.hopeless).toBe(false);
    guard.death();
    expect(guard.hopeless).toBe(true);
  });

  it('begins anew when a task has begun between them', () => {
    const guard = new StormGuard();
    for (let death = 1; death < 100; death++) guard.death();
    guard.calm();
    expect(guard.delay).toBe(0);
    for (let death = 1; death < 100; death++) guard.death();
    expect(guard.hopeless).toBe(false);
  });
});

describe('a pool whose slots die before they begin a task', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it.each([
    ['while they start', false, 'No slot of the pool .prefork. can start: it ended with .exitcode 1.'],
    ['when they are up', true, 'No slot of the pool .prefork. lives long enough to begin a task: it ended with .exitcode 1.'],
  ])('(%s) starts others ever later, and breaks after a hundred', async (_, comeUp, why) => {
    const { started, open } = puppets();
    const onBroken = vi.fn();
    const opening = openSlotPool('prefork', { limit: 1, program, ended: async () => outcomeOf('FAILURE'), onBroken }, open);
    started[0]?.up();
    const pool = await opening;
    for (let death = 1; death <= 100; death++) {
      expect([started.length, onBroken.mock.calls.length]).toEqual([death, 0]);
      if (comeUp && death > 1) started.at(-1)?.up();
      started.at(-1)?.die();
      await vi.advanceTimersByTimeAsync(10_000);
    }
    const [first, second, third, fourth] = started.map(({ at }) => at);
    expect([(second ?? 0) - (first ?? 0), (third ?? 0) - (second ?? 0), (fourth ?? 0) - (third ?? 0)]).toEqual([
      100, 10_100, 10_200,
    ]);
    expect(started).toHaveLength(100);
    expect(onBroken.mock.calls).toEqual([[expect.objectContaining({ message: expect.stringMatching(why) as unknown })]]);
    expect(() => pool.run(jobOf('t'), { signal: never })).toThrow(new RegExp(why));
    await pool[Symbol.asyncDispose]();
  });

  it('starts the next one at once again when a task has begun', async () => {
    const { started, open } = puppets();
    const opening = openSlotPool('prefork', { limit: 1, program, ended: async () => outcomeOf('FAILURE') }, open);
    started[0]?.up();
    await using pool = await opening;
    for (let death = 1; death <= 5; death++) {
      started.at(-1)?.die();
      await vi.advanceTimersByTimeAsync(10_000);
    }
    started.at(-1)?.up();
    expect(await pool.run(jobOf('t'), { signal: never })).toMatchObject({ state: 'SUCCESS' });
    const before = started.length;
    started.at(-1)?.die();
    expect(started).toHaveLength(before + 1);
    started.at(-1)?.up();
  });

  it('starts the next one at once when one died of its first task', async () => {
    const { started, open } = puppets();
    const ended = async () => outcomeOf('FAILURE');
    const opening = openSlotPool('prefork', { limit: 1, program, ended }, (link, events) => ({
      ...open(link, events),
      send: () => undefined,
    }));
    started[0]?.up();
    await using pool = await opening;
    for (let death = 1; death <= 8; death++) {
      const outcome = pool.run(jobOf(`t${death}`), { signal: never });
      started.at(-1)?.die();
      expect(await outcome).toMatchObject({ state: 'LOST', died: true });
      expect(started).toHaveLength(death + 1);
      started.at(-1)?.up();
    }
    const closed = pool[Symbol.asyncDispose]();
    started.at(-1)?.die();
    await closed;
  });

  it('tries again where the system has no process for another', async () => {
    const { started, open } = puppets();
    let refused = 0;
    const scarce: OpenLink = (link, events) => {
      if (started.length === 0 || refused === 3) return open(link, events);
      refused++;
      throw new Error('spawn ENOMEM');
    };
    const opening = openSlotPool('prefork', { limit: 1, program, ended: async () => outcomeOf('FAILURE') }, scarce);
    started[0]?.up();
    await using pool = await opening;
    expect(await pool.run(jobOf('t'), { signal: never })).toMatchObject({ state: 'SUCCESS' });
    started[0]?.die();
    const outcome = pool.run(jobOf('u'), { signal: never });
    expect([refused, started.length]).toEqual([1, 1]);
    await vi.advanceTimersByTimeAsync(700);
    expect([refused, started.length]).toEqual([3, 2]);
    started[1]?.up();
    expect(await outcome).toMatchObject({ state: 'SUCCESS' });
  });

  it('says so where the system has none for the first', async () => {
    const none: OpenLink = () => {
      throw new Error('spawn ENOMEM');
    };
    const opening = openSlotPool('prefork', { limit: 2, program, ended: async () => outcomeOf('FAILURE') }, none);
    await expect(opening).rejects.toThrow("No slot of the pool 'prefork' can start: spawn ENOMEM");
  });
});
