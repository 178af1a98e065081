// What an entry has to send, how far it is afterwards, and a clock that is put back.
import { expect, test } from 'vitest';
import { readEntry } from '../../../src/app/index.ts';
import { ClockWatch } from '../../../src/beat/clock-watch.ts';
import { jobOf, progress, progressAfter, runsOf, settle } from '../../../src/beat/job.ts';
import { dueTimes } from '../../../src/beat/next.ts';
import type { Round, Run } from '../../../src/beat/plan.ts';
import type { Place } from '../../../src/beat/roster.ts';
import type { RunFailure } from '../../../src/beat/send.ts';

const entry = readEntry('e', { task: 't', schedule: 60 });
const run = (due: number): Run => ({ entry, id: `run-${due}`, due });

function place(pending: readonly number[] = []): Place {
  return {
    resolved: { entry, source: 'code' },
    times: dueTimes(entry, 'UTC'),
    state: {
      lastDue: 10,
      lastRunAt: 5,
      totalRuns: 7,
      timezone: 'UTC',
      pending: pending.map(run).map(({ id, due }) => ({ id, due })),
    },
    wakeAt: 10,
    tries: 3,
    isNew: false,
  };
}

function round(dues: readonly number[], lastDue = dues.at(-1) ?? 10): Round {
  return { runs: dues.map(run), lastDue, dropped: undefined, wakeAt: 99 };
}

test('nothing to send and nothing to note is no job; runs, claimed ones or what was dropped are', () => {
  expect(jobOf(place(), round([]), 'latest')).toBeUndefined();
  expect(jobOf(place(), round([], 20), 'latest')).toMatchObject({ repeated: [], runs: [], lastDue: 20 });
  expect(jobOf(place([8]), round([]), 'latest')).toMatchObject({ repeated: [run(8)], runs: [], lastDue: 10 });
});

test('a newer run takes the place of a claimed one, unless all are wanted', () => {
  expect(runsOf(jobOf(place([8]), round([20]), 'latest')!)).toEqual([run(20)]);
  expect(runsOf(jobOf(place([8]), round([20]), 'all')!)).toEqual([run(8), run(20)]);
});

test('claimed runs are pending; afterwards those that may go later, and only what was sent counts', () => {
  const job = jobOf(place([8]), round([20, 30, 40]), 'all')!;
  expect(progress(job, 0, runsOf(job), 50)).toEqual({
    lastDue: 40,
    lastRunAt: 5,
    totalRuns: 7,
    timezone: 'UTC',
    pending: [8, 20, 30, 40].map((due) => ({ id: `run-${due}`, due })),
  });
  const failures = new Map<Run, RunFailure>();
  const [again, first, second, third] = runsOf(job);
  failures.set(again!, undefined);
  failures.set(first!, { error: new Error('away'), transient: true });
  failures.set(second!, { error: new Error('wrong'), transient: false });
  failures.set(third!, undefined);
  const state = progressAfter(job, failures, 50);
  expect(state).toEqual({ lastDue: 40, lastRunAt: 50, totalRuns: 9, timezone: 'UTC', pending: [{ id: 'run-20', due: 20 }] });
  settle(job, state);
  expect(job.place).toMatchObject({ state, tries: 0, wakeAt: 99 });
});

test('a clock that is put back half a second or more is noticed once; one that is put forward is not', () => {
  const watch = new ClockWatch();
  expect(watch.look(100_000, 0)).toBe(0);
  expect(watch.look(101_000, 1000)).toBe(0);
  expect(watch.look(101_501, 2000)).toBe(0);
  expect(watch.look(102_001, 3000)).toBe(500);
  expect(watch.look(103_001, 4000)).toBe(0);
  expect(watch.look(999_001, 5000)).toBe(0);
});

test('a clock that went ahead and back between two looks is noticed by the times that somebody reckoned by', () => {
  const watch = new ClockWatch();
  expect(watch.look(100_000, 0)).toBe(0);
  watch.note(3_700_500, 500);
  watch.note(100_700, 700);
  expect(watch.look(101_000, 1000)).toBe(3_600_000);
  expect(watch.look(102_000, 2000)).toBe(0);
});
