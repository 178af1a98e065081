// Schedules as data: what users write, checked when it is written. Beat works out when they are due (beat/next.ts).
import { ConfigurationError, didYouMean } from '../../util/index.ts';
import { FIELDS, type FieldValue, fieldText, readField } from './field.ts';

/** Again and again, so many seconds apart. */
export interface IntervalSchedule {
  readonly kind: 'interval';
  /** Seconds. */
  readonly every: number;
  /** Due times lie on whole days, hours or minutes (UTC), whichever `every` is at least as long as. @default false */
  readonly relative?: boolean;
}

/** At the minutes that match all five fields. */
export interface CrontabSchedule {
  readonly kind: 'crontab';
  readonly minute: string;
  readonly hour: string;
  readonly dayOfMonth: string;
  readonly monthOfYear: string;
  readonly dayOfWeek: string;
  /** IANA name. @default the setting timezone */
  readonly timezone?: string;
}

const SOLAR_EVENTS = [
  'dawn_astronomical',
  'dawn_civil',
  'dawn_nautical',
  'dusk_astronomical',
  'dusk_civil',
  'dusk_nautical',
  'solar_noon',
  'sunrise',
  'sunset',
] as const;

/** What the sun does, as Celery names it. */
export type SolarEvent = (typeof SOLAR_EVENTS)[number];

/** When the sun does something at a place. */
export interface SolarSchedule {
  readonly kind: 'solar';
  readonly event: SolarEvent;
  /** Degrees, north is positive. */
  readonly latitude: number;
  /** Degrees, east is positive. */
  readonly longitude: number;
}

/** Once. */
export interface ClockedSchedule {
  readonly kind: 'clocked';
  /** ISO 8601. */
  readonly at: string;
}

/** A schedule of your own. It lives in code: entries with one cannot be added by the command line. */
export interface CustomSchedule {
  /** The first due time after `last`; undefined: never again. Must not depend on anything but its arguments, so that every beat answers alike. */
  next(last: Date, now: Date): Date | undefined;
  /** For lists. */
  toString?(): string;
}

/** A schedule that is plain data. */
export type PlainSchedule = IntervalSchedule | CrontabSchedule | SolarSchedule | ClockedSchedule;
export type Schedule = PlainSchedule | CustomSchedule;

/** What can stand for a schedule: seconds, a crontab as five fields in one text, a moment for once, or a schedule. */
export type ScheduleLike = number | string | Date | Schedule;

/** Is it code, not data? */
export function isCustom(schedule: Schedule): schedule is CustomSchedule {
  return !('kind' in schedule);
}

/** Every so many seconds: `every(30)`. */
export function every(seconds: number, options: { readonly relative?: boolean } = {}): IntervalSchedule {
  if (typeof seconds !== 'number' || !Number.isFinite(seconds) || seconds < 0.001)
    throw new ConfigurationError(`An interval of ${String(seconds)} s cannot be kept: give a number of seconds, at least 0.001.`);
  return Object.freeze({ kind: 'interval', every: seconds, ...(options.relative === true ? { relative: true } : {}) });
}

/** Celery's name of `every`. */
export const schedule: typeof every = every;

/** The fields of `crontab({ … })`; each a number, a text in Celery's grammar, or a list of numbers. What is absent matches always. */
export interface CrontabFields {
  readonly minute?: FieldValue;
  readonly hour?: FieldValue;
  readonly dayOfMonth?: FieldValue;
  readonly monthOfYear?: FieldValue;
  readonly dayOfWeek?: FieldValue;
  /** IANA name. @default the setting timezone */
  readonly timezone?: string;
}

const CRON_ORDER = ['minute', 'hour', 'dayOfMonth', 'monthOfYear', 'dayOfWeek'] as const;
/** The longest that each month can be. */
const MONTH_DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** A crontab: `crontab({ hour: 4, minute: 30, dayOfWeek: 'mon-fri' })`, or in cron's order `crontab('30 4 * * mon-fri')`. All fields must match. */
export function crontab(fields: CrontabFields | string = {}, options: { readonly timezone?: string } = {}): CrontabSchedule {
  const given = typeof fields === 'string' ? fieldsOf(fields) : fields;
  const unknown = Object.keys(given).find((name) => name !== 'timezone' && !Object.hasOwn(FIELDS, name));
  if (unknown !== undefined)
    throw new ConfigurationError(
      `A crontab has no field '${unknown}'.${didYouMean(unknown, CRON_ORDER)} It has ${CRON_ORDER.join(', ')} and timezone.`,
    );
  const texts = Object.fromEntries(CRON_ORDER.map((name) => [name, checked(name, given[name])])) as Record<
    (typeof CRON_ORDER)[number],
    string
  >;
  const days = readField(FIELDS.dayOfMonth, texts.dayOfMonth);
  const months = readField(FIELDS.monthOfYear, texts.monthOfYear);
  if (!months.some((month) => days.some((day) => day <= (MONTH_DAYS[month - 1] ?? 0))))
    throw new ConfigurationError(
      `The crontab '${texts.dayOfMonth}' for dayOfMonth and '${texts.monthOfYear}' for monthOfYear names a day that no year has.`,
    );
  const timezone = options.timezone ?? given.timezone;
  if (timezone !== undefined) checkZone(timezone);
  return Object.freeze({ kind: 'crontab', ...texts, ...(timezone === undefined ? {} : { timezone }) });
}

function checked(name: (typeof CRON_ORDER)[number], value: FieldValue = '*'): string {
  readField(FIELDS[name], value);
  return fieldText(value);
}

function fieldsOf(text: string): CrontabFields {
  const words = text.trim().split(/\s+/);
  if (words.length === 5) return Object.fromEntries(CRON_ORDER.map((name, index) => [name, words[index]]));
  const hint = text.trim().startsWith('@') ? ' Words such as @daily are not known: write 0 0 * * *.' : '';
  throw new ConfigurationError(
    `'${text}' is no crontab: it has ${text.trim() === '' ? 0 : words.length} fields and needs five, minute hour day-of-month month day-of-week.${hint}`,
  );
}

/** Throws ConfigurationError for a zone that this Node does not know. */
export function checkZone(timezone: string): void {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: timezone });
  } catch (cause) {
    throw new ConfigurationError(`There is no time zone '${timezone}'. Use an IANA name such as Europe/Berlin.`, { cause });
  }
}

function degrees(value: number, what: string, limit: number): number {
  if (typeof value === 'number' && Math.abs(value) <= limit) return value;
  throw new ConfigurationError(
    `The ${what} ${String(value)} of a solar schedule must be a number between -${limit} and ${limit}.`,
  );
}

/** When the sun does `event` at a place: `solar('sunset', 52.5, 13.4)`. Needs the package astronomy-engine. */
export function solar(event: SolarEvent, latitude: number, longitude: number): SolarSchedule {
  if (!SOLAR_EVENTS.includes(event))
    throw new ConfigurationError(
      `The solar event '${String(event)}' must be one of ${SOLAR_EVENTS.join(', ')}.${didYouMean(String(event), SOLAR_EVENTS)}`,
    );
  return Object.freeze({
    kind: 'solar',
    event,
    latitude: degrees(latitude, 'latitude', 90),
    longitude: degrees(longitude, 'longitude', 180),
  });
}

/** Once, at this moment. */
export function clocked(at: Date | string): ClockedSchedule {
  const date = typeof at === 'string' && /^\d{4}-/.test(at) ? new Date(at) : at;
  if (!(date instanceof Date) || Number.isNaN(date.getTime()))
    throw new ConfigurationError(`clocked() takes a Date or an ISO 8601 time, not '${String(at)}'.`);
  return Object.freeze({ kind: 'clocked', at: date.toISOString() });
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null;

/** Whatever stands for a schedule, checked. Throws ConfigurationError. */
export function readSchedule(value: unknown, relative?: boolean): Schedule {
  if (typeof value === 'number') return every(value, relative === true ? { relative } : {});
  if (typeof value === 'string') return crontab(value);
  if (value instanceof Date) return clocked(value);
  if (!isRecord(value)) throw noSchedule(value);
  if (!('kind' in value)) {
    if (typeof value.next === 'function') return value as unknown as CustomSchedule;
    throw noSchedule(value);
  }
  // Data may come from a file or a store: it is read as if it were written anew.
  const data = value as unknown as PlainSchedule;
  switch (data.kind) {
    case 'interval':
      return every(data.every, { relative: data.relative ?? relative ?? false });
    case 'crontab': {
      const { kind: _, ...fields } = data;
      return crontab(fields);
    }
    case 'solar':
      return solar(data.event, data.latitude, data.longitude);
    case 'clocked':
      return clocked(data.at);
    default:
      throw noSchedule(value);
  }
}

function noSchedule(value: unknown): ConfigurationError {
  const shown = isRecord(value) ? 'an object without next(last, now)' : `of type ${value === null ? 'null' : typeof value}`;
  return new ConfigurationError(
    `A schedule is a number of seconds, a crontab text such as '*/5 * * * *', a Date, what every(), crontab(), solar() or clocked() made, or an object with next(last, now); this one is ${shown}.`,
  );
}

/** A schedule in a few words, for lists and logs. */
export function scheduleText(schedule: Schedule): string {
  if (isCustom(schedule)) {
    const text = String(schedule);
    return text === '[object Object]' ? 'custom' : text;
  }
  switch (schedule.kind) {
    case 'interval':
      return `every ${schedule.every} s${schedule.relative === true ? ', on the clock' : ''}`;
    case 'crontab':
      return `${CRON_ORDER.map((name) => schedule[name].replaceAll(' ', '')).join(' ')}${schedule.timezone === undefined ? '' : ` (${schedule.timezone})`}`;
    case 'solar':
      return `${schedule.event} at ${schedule.latitude}, ${schedule.longitude}`;
    case 'clocked':
      return `once at ${schedule.at}`;
  }
}
