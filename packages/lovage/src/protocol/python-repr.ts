// Python's repr of single values (no containers), as monitors show them and people grep for them.
import type { Moment } from './moments.ts';
import { Decimal, Float, floatRepr, momentOf, PlainDate, PlainTime, Uuid } from './values.ts';

/** `tzinfo=…` of an offset, or nothing for a naive time. */
function zoneRepr(offset: number | undefined): readonly string[] {
  if (offset === undefined) return [];
  if (offset === 0) return ['tzinfo=datetime.timezone.utc'];
  const delta = offset < 0 ? `days=-1, seconds=${offset + 86_400}` : `seconds=${offset}`;
  return [`tzinfo=datetime.timezone(datetime.timedelta(${delta}))`];
}

/** Python leaves out what is zero at the end: microseconds, then seconds. */
function withoutZeros(seconds: number, micros: number): readonly number[] {
  if (micros !== 0) return [seconds, micros];
  return seconds === 0 ? [] : [seconds];
}

function dateTimeRepr(moment: Moment): string {
  const face = new Date(moment.faceMs);
  const day = [face.getUTCFullYear(), face.getUTCMonth() + 1, face.getUTCDate(), face.getUTCHours(), face.getUTCMinutes()];
  const rest = withoutZeros(face.getUTCSeconds(), face.getUTCMilliseconds() * 1000 + moment.micros);
  return `datetime.datetime(${[...day, ...rest, ...zoneRepr(moment.offset)].join(', ')})`;
}

function timeRepr(time: PlainTime): string {
  const parts = [time.hour, time.minute, ...withoutZeros(time.second, time.microsecond), ...zoneRepr(time.offset)];
  return `datetime.time(${parts.join(', ')})`;
}

/** A number as Python prints the value that the wire makes of it. */
export function numberRepr(value: number): string {
  return Number.isSafeInteger(value) && !Object.is(value, -0) ? String(value) : floatRepr(value);
}

/** The repr of an object that Python has a class for; undefined for all others. */
export function objectRepr(value: object): string | undefined {
  if (value instanceof Float) return floatRepr(value.value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : dateTimeRepr(momentOf(value));
  if (value instanceof PlainDate) return `datetime.date(${value.year}, ${value.month}, ${value.day})`;
  if (value instanceof PlainTime) return timeRepr(value);
  if (value instanceof Decimal) return `Decimal('${value}')`;
  if (value instanceof Uuid) return `UUID('${value}')`;
  if (value instanceof Error) return `${value.name}(${textRepr(value.message)})`;
  return undefined;
}

/** Text in quotes; only the quote itself is escaped. */
export function textRepr(text: string): string {
  return text.includes("'") ? `'${text.replaceAll("'", "\\'")}'` : `'${text}'`;
}
