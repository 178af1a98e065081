// When a crontab is due: the moments whose time on the wall of its zone matches all five fields. At a change of the clock:
// - a time that is skipped runs once, at the moment as if the clock had not changed (02:30 is 03:30 then);
// - a time that comes twice runs the first time only; both times when the hours are `*` or `*/n`, so that what runs every half hour
//   goes on running every half hour.
import type { CrontabSchedule } from '../app/index.ts';
import { FIELDS, readField } from '../app/index.ts';
import { type Zone, zoneOf } from './zone.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** 29 February on one day of the week comes after 40 years at most, over the end of a century. */
const MAX_DAYS = 41 * 366;

/** A crontab, ready to be asked. */
export interface Crontab {
  /** The first due moment after this one; undefined when there is none. Epoch milliseconds. */
  next(after: number): number | undefined;
}

interface Fields {
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly days: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  readonly weekdays: ReadonlySet<number>;
  /** What comes twice runs twice. */
  readonly twice: boolean;
}

function fieldsOf(schedule: CrontabSchedule): Fields {
  const hours = readField(FIELDS.hour, schedule.hour);
  const isStar = schedule.hour.split(',').every((part) => part.trim().startsWith('*'));
  return {
    minutes: readField(FIELDS.minute, schedule.minute),
    hours,
    days: new Set(readField(FIELDS.dayOfMonth, schedule.dayOfMonth)),
    months: new Set(readField(FIELDS.monthOfYear, schedule.monthOfYear)),
    weekdays: new Set(readField(FIELDS.dayOfWeek, schedule.dayOfWeek)),
    twice: isStar || hours.length === 24,
  };
}

/** Reads a crontab that was checked before. `timezone` is for those without one of their own. */
export function createCrontab(schedule: CrontabSchedule, timezone: string): Crontab {
  const fields = fieldsOf(schedule);
  const zone = zoneOf(schedule.timezone ?? timezone);
  return {
    next: (after) => {
      // A day early: where the clock jumps over midnight, what was skipped yesterday runs today.
      let day = Math.floor((after + zone.offsetAt(after)) / DAY) * DAY - DAY;
      for (let count = 0; count < MAX_DAYS; count++, day += DAY) {
        const found = isDue(fields, day) ? firstOf(fields, zone, day, after) : undefined;
        if (found === undefined) continue;
        if (zone.isPlain(day)) return found;
        // Around a change a later day may come first.
        const nextDay = isDue(fields, day + DAY) ? firstOf(fields, zone, day + DAY, after) : undefined;
        return Math.min(found, nextDay ?? found);
      }
      return undefined;
    },
  };
}

function isDue({ days, months, weekdays }: Fields, day: number): boolean {
  const date = new Date(day);
  return months.has(date.getUTCMonth() + 1) && days.has(date.getUTCDate()) && weekdays.has(date.getUTCDay());
}

/** The first due moment of a wall day that lies after `after`. */
function firstOf(fields: Fields, zone: Zone, day: number, after: number): number | undefined {
  return zone.isPlain(day) ? firstOfPlain(fields, day, after + zone.offsetAt(day), zone) : firstOfAny(fields, zone, day, after);
}

function firstOfPlain({ hours, minutes }: Fields, day: number, wallAfter: number, zone: Zone): number | undefined {
  for (const hour of hours) {
    const start = day + hour * HOUR;
    if (start + HOUR <= wallAfter) continue;
    for (const minute of minutes) {
      const wall = start + minute * MINUTE;
      if (wall > wallAfter) return wall - zone.offsetAt(day);
    }
  }
  return undefined;
}

function firstOfAny({ hours, minutes, twice }: Fields, zone: Zone, day: number, after: number): number | undefined {
  let first: number | undefined;
  for (const hour of hours) {
    for (const minute of minutes) {
      const wall = day + hour * HOUR + minute * MINUTE;
      const moments = zone.momentsOf(wall);
      const due = moments.length === 0 ? [zone.shifted(wall)] : twice ? moments : moments.slice(0, 1);
      for (const moment of due) if (moment > after && (first === undefined || moment < first)) first = moment;
    }
  }
  return first;
}
