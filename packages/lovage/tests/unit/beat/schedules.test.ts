// Intervals and the sun against what Celery 5.6.2 answered; the others against the calendar.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { clocked, every, readEntry, readSchedule, type SolarEvent, solar } from '../../../src/app/index.ts';
import { dueTimes } from '../../../src/beat/next.ts';
import { nextSolar } from '../../../src/beat/solar.ts';

function cases<T>(name: string): readonly T[] {
  const text = readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly cases: readonly T[] }).cases;
}

interface IntervalCase {
  readonly run_every_seconds: number;
  readonly relative: boolean;
  readonly last_run_at: string;
  readonly now: string;
  readonly is_due: boolean;
  readonly next_seconds: number;
}

interface SolarCase {
  readonly place: string;
  readonly lat?: number;
  readonly lon?: number;
  readonly event: SolarEvent;
  readonly last_run_at: string;
  readonly remaining_seconds?: number;
}

const times = (schedule: unknown, more: object = {}) => dueTimes(readEntry('e', { task: 't', schedule, ...more }), 'UTC');
const at = (text: string): number => Date.parse(text);

describe('intervals', () => {
  test.each(cases<IntervalCase>('fn-interval-due').map((each, index) => [index, each] as const))('vector %i', (_, given) => {
    if (given.run_every_seconds <= 0) {
      expect(() => every(given.run_every_seconds)).toThrow('cannot be kept');
      return;
    }
    const now = at(given.now);
    const due = times(given.run_every_seconds, { relative: given.relative }).next(at(given.last_run_at), now) ?? Number.NaN;
    expect(due <= now).toBe(given.is_due);
    if (!given.is_due) expect((due - now) / 1000).toBeCloseTo(given.next_seconds, 6);
  });

  test('the latest of years is found at once', () => {
    const seconds = times(0.5);
    const start = at('2000-01-01T00:00:00Z');
    expect(seconds.latest(start, start + 1_000_000_000_250)).toBe(start + 1_000_000_000_000);
    expect(seconds.latest(start, start + 499)).toBeUndefined();
    expect(times(90, { relative: true }).latest(at('2026-01-02T03:04:05Z'), at('2026-01-02T03:09:00Z'))).toBe(
      at('2026-01-02T03:09:00Z'),
    );
    expect(times('*/5 4 * * *').latest(start, at('2026-01-02T03:00:00Z'))).toBe(at('2026-01-01T04:55:00Z'));
    expect(times('0 0 29 2 *').latest(start, at('2026-01-02T03:00:00Z'))).toBe(at('2024-02-29T00:00:00Z'));
  });
});

describe('the sun', () => {
  test.each(cases<SolarCase>('fn-solar-due').map((each) => [`${each.event} in ${each.place}`, each] as const))(
    '%s',
    (_, given) => {
      if (given.lat === undefined || given.lon === undefined || given.remaining_seconds === undefined) {
        // Where Celery fails because the sun does not go so far in June, the next time that it does is found.
        const place = given.place.startsWith('Stockholm') ? { lat: 59.33, lon: 18.06 } : { lat: 69.65, lon: 18.96 };
        const found = nextSolar(solar(given.event, place.lat, place.lon), at('2026-06-21T12:00:00Z')) ?? Number.NaN;
        expect(found).toBeGreaterThan(at('2026-07-01T00:00:00Z'));
        expect(found).toBeLessThan(at('2026-10-01T00:00:00Z'));
        return;
      }
      const last = at(given.last_run_at);
      const found = nextSolar(solar(given.event, given.lat, given.lon), last) ?? Number.NaN;
      expect(Math.abs((found - last) / 1000 - given.remaining_seconds)).toBeLessThan(60);
    },
  );

  test('goes on from one event to the next, at the pole too', () => {
    const schedule = solar('sunrise', 52.52, 13.4);
    const days: number[] = [];
    for (let last = at('2026-01-01T00:00:00Z'); days.length < 30; ) {
      last = nextSolar(schedule, last) ?? Number.NaN;
      days.push(new Date(last).getUTCDate());
    }
    expect(days).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
    const pole = nextSolar(solar('sunrise', 90, 0), at('2026-05-01T00:00:00Z')) ?? Number.NaN;
    expect(new Date(pole).toISOString()).toMatch(/^2027-03-1/);
  });

  test('refuses what is nowhere', () => {
    expect(() => solar('noon' as SolarEvent, 0, 0)).toThrow("'noon' must be one of dawn_astronomical, dawn_civil");
    expect(() => solar('sunset', 91, 0)).toThrow('latitude 91');
    expect(() => solar('sunset', 0, 181)).toThrow('longitude 181');
  });
});

describe('other schedules', () => {
  test('clocked is due once', () => {
    const once = times(new Date('2026-01-02T03:04:05Z'));
    expect(once.next(at('2026-01-01T00:00:00Z'), 0)).toBe(at('2026-01-02T03:04:05Z'));
    expect(once.next(at('2026-01-02T03:04:05Z'), 0)).toBeUndefined();
    expect(() => clocked('tomorrow')).toThrow('ISO 8601');
  });

  test('a custom one answers later moments only', () => {
    const good = times({ next: (last: Date) => new Date(last.getTime() + 1000) });
    expect(good.next(5000, 0)).toBe(6000);
    expect(good.latest(5000, 9500)).toBe(9000);
    expect(() => times({ next: (last: Date) => last }).next(5000, 0)).toThrow("the entry 'e' answered");
  });

  test('start and end bound every kind', () => {
    const bounds = { startAt: '2026-01-01T12:00:00Z', endAt: '2026-01-01T12:10:00Z' };
    const from = at('2026-01-01T00:00:00Z');
    expect(times(300, bounds).next(from, from)).toBe(at(bounds.startAt));
    expect(times(300, bounds).next(at('2026-01-01T12:05:00Z'), from)).toBe(at(bounds.endAt));
    expect(times(300, bounds).next(at(bounds.endAt), from)).toBeUndefined();
    expect(times('0 12 * * *', bounds).next(from, from)).toBe(at(bounds.startAt));
    expect(times('0 12 * * *', bounds).next(at(bounds.startAt), from)).toBeUndefined();
  });

  test('what is no schedule is told what one is', () => {
    for (const value of [null, {}, [], true]) expect(() => readSchedule(value)).toThrow('A schedule is a number of seconds');
  });
});
