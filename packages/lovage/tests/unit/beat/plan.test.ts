// Which runs are sent, dropped and put off.
import { describe, expect, test } from 'vitest';
import { readEntry } from '../../../src/app/index.ts';
import { dueTimes } from '../../../src/beat/next.ts';
import { type Misfires, plan, type Round, runId } from '../../../src/beat/plan.ts';
import type { EntryState } from '../../../src/beat/state.ts';

const SETTINGS: Misfires = {
  beatMisfirePolicy: 'latest',
  beatMisfireGrace: 30,
  beatMisfireMaxAge: null,
  beatCronStartingDeadline: null,
};
const start = Date.parse('2026-01-01T00:00:00Z');
const minute = 60_000;

interface Asked {
  readonly entry: Readonly<Record<string, unknown>>;
  /** Minutes after the start. */
  readonly now: number;
  readonly settings?: Partial<Misfires>;
  readonly state?: Partial<EntryState>;
}

function round({ entry: given, now, settings, state }: Asked): Round {
  const entry = readEntry('e', { task: 't', schedule: 60, ...given });
  const all: EntryState = { lastDue: start, lastRunAt: undefined, totalRuns: 0, timezone: 'UTC', pending: [], ...state };
  return plan({ entry, times: dueTimes(entry, 'UTC'), state: all }, 'shop', { ...SETTINGS, ...settings }, start + now * minute);
}

/** Minutes after the start. */
const dues = ({ runs }: Round): readonly number[] => runs.map(({ due }) => (due - start) / minute);

describe('runs', () => {
  test('nothing before its time', () => {
    const { runs, wakeAt } = round({ entry: {}, now: 0.5 });
    expect([runs, wakeAt]).toEqual([[], start + minute]);
  });

  test('one at its time; a late one does not shift the next', () => {
    const answer = round({ entry: {}, now: 1.3 });
    expect([dues(answer), answer.wakeAt, answer.dropped]).toEqual([[1], start + 2 * minute, undefined]);
  });

  test('the id follows from app, entry and due time', () => {
    const [run] = round({ entry: {}, now: 1 }).runs;
    expect(run?.id).toBe(runId('shop', 'e', start + minute));
    expect(
      new Set([run?.id, runId('shop', 'e', start), runId('shop', 'f', start + minute), runId('shop2', 'e', start + minute)]).size,
    ).toBe(4);
  });

  test('jitter puts off each run by its own share, the same each time', () => {
    const asked = { entry: { jitter: 30 }, now: 0.5 };
    const { wakeAt = 0 } = round(asked);
    expect(wakeAt).toBe(round(asked).wakeAt);
    expect(wakeAt - start - minute).toBeGreaterThan(0);
    expect(wakeAt - start - minute).toBeLessThan(30_000);
  });

  test('paused and over: nothing more', () => {
    expect(round({ entry: { enabled: false }, now: 5 }).wakeAt).toBeUndefined();
    expect(round({ entry: { maxRuns: 2 }, now: 5, state: { totalRuns: 2 } }).runs).toEqual([]);
    expect(round({ entry: { maxRuns: 1 }, now: 5 }).wakeAt).toBeUndefined();
    expect(dues(round({ entry: { endAt: '2026-01-01T00:03:30Z' }, now: 60 }))).toEqual([3]);
  });

  test('a clock that was put back starts an interval anew, without a run', () => {
    const answer = round({ entry: {}, now: 0, state: { lastDue: start + 60 * minute } });
    expect([answer.runs, answer.lastDue, answer.wakeAt]).toEqual([[], start, start + minute]);
  });
});

test('due times on the calendar that were handled are not handled again after the clock was put back, unless that is a day and more', () => {
  const ahead = (hours: number, entry: Readonly<Record<string, unknown>>): Round =>
    round({ entry, now: 0, state: { lastDue: start + hours * 60 * minute } });
  expect(ahead(20, { schedule: '0 * * * *' }).wakeAt).toBe(start + 21 * 60 * minute);
  expect(ahead(20, { schedule: 3600, relative: true }).wakeAt).toBe(start + 21 * 60 * minute);
  expect(ahead(25, { schedule: '0 * * * *' })).toMatchObject({ lastDue: start, wakeAt: start + 60 * minute, runs: [] });
  expect(ahead(25, { schedule: new Date(start + 720 * minute) }).wakeAt).toBeUndefined();
  // Where its author said that it begins.
  const lastRunAt = new Date(start + 48 * 60 * minute);
  expect(ahead(48, { schedule: '0 * * * *', lastRunAt }).wakeAt).toBe(start + 49 * 60 * minute);
});

describe('missed runs', () => {
  test('latest', () => {
    const answer = round({ entry: {}, now: 10.5 });
    expect([dues(answer), answer.lastDue, answer.dropped]).toEqual([[10], start + 10 * minute, start + minute]);
  });

  test('all, in their order, and no more than are left', () => {
    expect(dues(round({ entry: { misfirePolicy: 'all' }, now: 4.5 }))).toEqual([1, 2, 3, 4]);
    expect(dues(round({ entry: { misfirePolicy: 'all', maxRuns: 3 }, now: 4.5 }))).toEqual([1, 2, 3]);
    const many = round({ entry: { misfirePolicy: 'all' }, now: 2000 });
    expect([many.runs.length, many.wakeAt]).toEqual([500, start + 501 * minute]);
  });

  test('skip, but for the moment that another beat needs to take over', () => {
    const late = round({ entry: { misfirePolicy: 'skip' }, now: 10.9 });
    expect([dues(late), late.lastDue, late.wakeAt]).toEqual([[], start + 10 * minute, start + 11 * minute]);
    expect(dues(round({ entry: { misfirePolicy: 'skip' }, now: 10.4 }))).toEqual([10]);
  });

  test('a greatest age, of the setting or of the entry', () => {
    const settings = { beatMisfireMaxAge: 120 };
    expect(dues(round({ entry: { misfirePolicy: 'all' }, now: 10.5, settings }))).toEqual([9, 10]);
    expect(dues(round({ entry: { misfirePolicy: 'all', misfireMaxAge: 60 }, now: 10.5, settings }))).toEqual([10]);
    expect(
      dues(round({ entry: { misfirePolicy: 'all', misfireMaxAge: null }, now: 3, settings: { beatMisfireMaxAge: 1 } })),
    ).toEqual([1, 2, 3]);
    expect(dues(round({ entry: { schedule: 3600, misfireMaxAge: 60 }, now: 62 }))).toEqual([]);
  });

  test("Celery's deadline is for crontabs", () => {
    const settings = { beatCronStartingDeadline: 1800 };
    expect(dues(round({ entry: { schedule: '0 4 * * *' }, now: 300, settings }))).toEqual([]);
    expect(dues(round({ entry: { schedule: '0 4 * * *' }, now: 250, settings }))).toEqual([240]);
    expect(dues(round({ entry: { schedule: 4 * 3600 }, now: 300, settings }))).toEqual([240]);
  });
});

test('beatCronStartingDeadline drops late runs of crontabs, and of nothing else', () => {
  const settings = { beatCronStartingDeadline: 60 };
  const late = { entry: { schedule: '* * * * *' }, now: 3.5, settings };
  expect(dues(round(late))).toEqual([3]);
  expect(dues(round({ entry: { schedule: '0 * * * *' }, now: 62.5, settings }))).toEqual([]);
  expect(dues(round({ entry: { schedule: '0 * * * *' }, now: 62.5 }))).toEqual([60]);
  expect(dues(round({ entry: { schedule: 3600 }, now: 62.5, settings }))).toEqual([60]);
});
