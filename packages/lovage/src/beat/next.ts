// When an entry is due next, whatever its schedule. Pure: epoch milliseconds in, epoch milliseconds out.
import { isCustom, type ScheduleEntry } from '../app/index.ts';
import { ConfigurationError } from '../util/index.ts';
import { createCrontab } from './crontab.ts';
import { nextSolar } from './solar.ts';

const UNITS = [86_400_000, 3_600_000, 60_000, 1000];

/** An entry's due times. */
export interface DueTimes {
  /** The first after `last`; undefined: never again. `now` is for schedules of the user's own. */
  next(last: number, now: number): number | undefined;
  /** The last one up to `now` that comes after `last`; undefined when there is none. Quick, however long `last` is ago. */
  latest(last: number, now: number): number | undefined;
}

type Next = DueTimes['next'];

/** Due times of an entry within its start and its end. `timezone` is for crontabs without one of their own. Throws ConfigurationError. */
export function dueTimes(entry: ScheduleEntry, timezone: string): DueTimes {
  const { schedule, startAt, endAt } = entry;
  const plain = timesOf(entry, timezone);
  const isInterval = !isCustom(schedule) && schedule.kind === 'interval';
  /** An interval begins with its start; others may be due at that very moment. */
  const begun = (last: number): number => {
    if (startAt === undefined || last >= startAt) return last;
    return isInterval ? startAt - milliseconds(schedule.every) : startAt - 1;
  };
  const within = (due: number | undefined): number | undefined => (due === undefined || due > (endAt ?? due) ? undefined : due);
  return {
    next: (last, now) => within(plain.next(begun(last), now)),
    latest: (last, now) => plain.latest(begun(last), Math.min(now, endAt ?? now)),
  };
}

function timesOf({ schedule, name }: ScheduleEntry, timezone: string): DueTimes {
  if (isCustom(schedule)) {
    const next: Next = (last, now) => checkedNext(name, schedule.next(new Date(last), new Date(now)), last);
    return { next, latest: (last, now) => walked(next, last, now) };
  }
  switch (schedule.kind) {
    case 'interval':
      return schedule.relative === true
        ? relativeTimes(milliseconds(schedule.every))
        : intervalTimes(milliseconds(schedule.every));
    case 'crontab':
      return searched(createCrontab(schedule, timezone).next);
    case 'solar':
      return searched((last) => nextSolar(schedule, last));
    case 'clocked': {
      const at = Date.parse(schedule.at);
      const next: Next = (last) => (last < at ? at : undefined);
      return { next, latest: (last, now) => (last < at && at <= now ? at : undefined) };
    }
  }
}

const milliseconds = (seconds: number): number => Math.round(seconds * 1000);

function checkedNext(name: string, due: Date | undefined, last: number): number | undefined {
  if (due === undefined || due === null) return undefined;
  const at = due instanceof Date ? due.getTime() : Number.NaN;
  if (at > last) return at;
  throw new ConfigurationError(
    `The schedule of the entry '${name}' answered ${String(due)} for the time after ${new Date(last).toISOString()}: next(last, now) must return a later Date, or undefined.`,
  );
}

function intervalTimes(every: number): DueTimes {
  return {
    next: (last) => last + every,
    latest: (last, now) => (now - last < every ? undefined : last + Math.floor((now - last) / every) * every),
  };
}

/** As Celery rounds: the end of the interval is cut to days, hours, minutes or seconds, whichever the interval is as long as. */
function relativeTimes(every: number): DueTimes {
  const unit = UNITS.find((each) => every >= each);
  const cut = (at: number): number => (unit === undefined ? at : Math.floor(at / unit) * unit);
  const next: Next = (last) => cut(last + every);
  // Once on the clock, all steps are alike.
  const step = cut(every);
  return {
    next,
    latest: (last, now) => {
      const first = cut(last + every);
      return first > now ? undefined : first + Math.floor((now - first) / step) * step;
    },
  };
}

/** Due times that do not depend on when the last one was: the latest is looked for backwards, in ever larger steps. */
function searched(next: (after: number) => number | undefined): DueTimes {
  return {
    next,
    latest: (last, now) => {
      for (let back = 60_000; ; back *= 4) {
        const from = Math.max(last, now - back);
        const found = next(from);
        if (found !== undefined && found <= now) return walked(next, from, now);
        if (from === last) return undefined;
      }
    },
  };
}

/** From one to the next until now. */
function walked(next: Next, last: number, now: number): number | undefined {
  let latest: number | undefined;
  for (let due = next(last, now); due !== undefined && due <= now; due = next(due, now)) latest = due;
  return latest;
}
