// Due times in every zone of this Node and over 30 years, against a calculation by Temporal that walks day by day. A sample each time;
// LOVAGE_TEST_ZONES=all takes every zone and every change of its clock (ten seconds), LOVAGE_TEST_SEED another sample.

import { Temporal } from 'temporal-polyfill';
import { expect, test } from 'vitest';
import { crontab } from '../../../src/app/index.ts';
import { createCrontab } from '../../../src/beat/crontab.ts';

const FIRST = Date.UTC(2000, 0, 1);
const LAST = Date.UTC(2030, 0, 1);
const DAY = 86_400_000;
const isWhole = process.env.LOVAGE_TEST_ZONES === 'all';
const seed = Number(process.env.LOVAGE_TEST_SEED ?? 20260129);

/** A small generator with a seed (mulberry32). */
function randomOf(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const random = randomOf(seed);
const below = (limit: number): number => Math.floor(random() * limit);
const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;

/** Moments at which the clock of a zone changes. */
function changesOf(zone: string): readonly number[] {
  const found: number[] = [];
  let at: Temporal.ZonedDateTime | null = Temporal.Instant.fromEpochMilliseconds(FIRST).toZonedDateTimeISO(zone);
  while (at !== null) {
    at = at.getTimeZoneTransition('next');
    if (at === null || at.epochMilliseconds >= LAST) break;
    found.push(at.epochMilliseconds);
  }
  return found;
}

interface Case {
  readonly minutes: readonly number[];
  readonly hours: readonly number[] | '*';
  readonly zone: string;
}

/** All due moments of the days around `from`, by the rules of docs/guide-beat.md and nothing else. */
function expected({ minutes, hours, zone }: Case, from: number, days: number): readonly number[] {
  const due = new Set<number>();
  const start = Temporal.Instant.fromEpochMilliseconds(from).toZonedDateTimeISO(zone).toPlainDate().subtract({ days: 2 });
  for (let day = 0; day < days + 4; day++) {
    const date = start.add({ days: day });
    for (const hour of hours === '*' ? Array.from({ length: 24 }, (_, index) => index) : hours) {
      for (const minute of minutes) {
        const wall = date.toPlainDateTime({ hour, minute });
        due.add(wall.toZonedDateTime(zone, { disambiguation: 'compatible' }).epochMilliseconds);
        if (hours === '*') due.add(laterOf(wall, zone));
      }
    }
  }
  return [...due].sort((a, b) => a - b).filter((at) => at > from && at <= from + days * DAY);
}

/** The second of two times; where there is one only, or none, that of 'compatible'. */
function laterOf(wall: Temporal.PlainDateTime, zone: string): number {
  const [earlier, later] = (['earlier', 'later'] as const).map((disambiguation) =>
    wall.toZonedDateTime(zone, { disambiguation }),
  );
  const isTwice = earlier?.toPlainDateTime().equals(wall) === true && later?.toPlainDateTime().equals(wall) === true;
  return (isTwice ? later : wall.toZonedDateTime(zone, { disambiguation: 'compatible' }))?.epochMilliseconds ?? Number.NaN;
}

function found({ minutes, hours, zone }: Case, from: number, days: number): readonly number[] {
  const { next } = createCrontab(crontab({ minute: minutes, hour: hours }), zone);
  const due: number[] = [];
  for (let at = next(from); at !== undefined && at <= from + days * DAY; at = next(at)) due.push(at);
  return due;
}

function someCase(zone: string): Case {
  const minutes = pick([[0], [30], [0, 30], [15, 45], [below(60)], [59]]);
  const hours = pick<Case['hours']>(['*', [0], [1], [2], [3], [1, 2], [0, 23], [below(24)], [12]]);
  return { minutes, hours, zone };
}

function check(zone: string, from: number): void {
  const one = someCase(zone);
  const at = `${zone}, ${JSON.stringify(one)}, after ${new Date(from).toISOString()}, seed ${seed}`;
  expect(found(one, from, 3), at).toEqual(expected(one, from, 3));
}

test(
  'due times in all zones are those of the calendar',
  () => {
    for (const zone of Intl.supportedValuesOf('timeZone')) {
      check(zone, FIRST + below((LAST - FIRST) / 60_000) * 60_000);
      if (!isWhole && random() > 0.1) continue;
      const changes = changesOf(zone);
      const looked = isWhole ? changes : changes.length === 0 ? [] : [pick(changes)];
      for (const change of looked) check(zone, change - DAY - below(1440) * 60_000);
    }
  },
  // A second and a half of computing, on a machine that may have twenty others to do.
  isWhole ? 600_000 : 60_000,
);

test.each([
  ['America/New_York', '2026-03-08', '30 2 * * *', ['2026-03-08T07:30:00.000Z']],
  ['America/New_York', '2026-11-01', '30 1 * * *', ['2026-11-01T05:30:00.000Z']],
  ['America/New_York', '2026-11-01', '30 * * * *', 25],
  ['America/New_York', '2026-03-08', '30 * * * *', 23],
  ['Australia/Lord_Howe', '2026-10-04', '15 2 * * *', ['2026-10-03T15:45:00.000Z']],
  // A day that never was: the island went from the 29th to the 31st, where the run of both is one.
  ['Pacific/Apia', '2011-12-31', '0 12 * * *', ['2011-12-30T22:00:00.000Z']],
  ['Africa/Cairo', '2023-04-28', '10 0 * * *', ['2023-04-27T22:10:00.000Z']],
] as const)('%s on %s: %s', (zone, day, fields, runs) => {
  const start = Temporal.PlainDate.from(day).toZonedDateTime(zone).epochMilliseconds - 1;
  const end = Temporal.PlainDate.from(day).add({ days: 1 }).toZonedDateTime(zone).epochMilliseconds - 1;
  const { next } = createCrontab(crontab(fields), zone);
  const all: string[] = [];
  for (let at = next(start); at !== undefined && at <= end; at = next(at)) all.push(new Date(at).toISOString());
  if (typeof runs === 'number') expect(all).toHaveLength(runs);
  else expect(all).toEqual(runs);
});
