// Moments as text: ISO 8601 in and out. Lenient when reading (headers come from anywhere), strict when writing (old Pythons read it).

/** What an ISO 8601 text says, before anybody asks what it means. */
export interface Moment {
  /** Milliseconds since the epoch of the clock face, as if it were UTC. */
  readonly faceMs: number;
  /** Microseconds below the millisecond, 0 to 999. */
  readonly micros: number;
  /** Seconds east of UTC; undefined for a naive time. */
  readonly offset: number | undefined;
}

const ISO =
  /^(\d{4})-?(\d{2})-?(\d{2})(?:[Tt ](\d{2})(?::?(\d{2})(?::?(\d{2})(?:[.,](\d{1,9}))?)?)?\s*([Zz]|[+-]\d{2}(?::?\d{2}(?::?\d{2})?)?)?)?$/;

function parseOffset(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (text === 'Z' || text === 'z') return 0;
  const digits = text.slice(1).replaceAll(':', '');
  const part = (at: number): number => Number(digits.slice(at, at + 2) || '0');
  const seconds = part(0) * 3600 + part(2) * 60 + part(4);
  return text.startsWith('-') ? -seconds : seconds;
}

/** Epoch milliseconds of a clock face; undefined when there is no such day or time. */
function faceOf(year: number, month: number, day: number, hour: number, minute: number, second: number): number | undefined {
  if (year < 1 || hour > 23 || minute > 59 || second > 59) return undefined;
  // Date.UTC takes the years 0 to 99 for 1900 to 1999, so the year is set apart.
  const date = new Date(Date.UTC(2000, 0, 1, hour, minute, second));
  date.setUTCFullYear(year, month - 1, day);
  const same = date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return same ? date.getTime() : undefined;
}

/** Reads ISO 8601, extended or basic, with `Z`, an offset or neither; undefined when it is not one. */
export function parseMoment(text: string): Moment | undefined {
  const match = ISO.exec(text);
  if (match === null) return undefined;
  const number = (group: number): number => Number(match[group] ?? 0);
  const face = faceOf(number(1), number(2), number(3), number(4), number(5), number(6));
  const offset = parseOffset(match[8]);
  if (face === undefined || (offset !== undefined && Math.abs(offset) >= 86_400)) return undefined;
  const fraction = Number((match[7] ?? '').padEnd(6, '0').slice(0, 6));
  return { faceMs: face + Math.floor(fraction / 1000), micros: fraction % 1000, offset };
}

const two = (value: number): string => String(value).padStart(2, '0');

/** `+02:00`, `-03:30`, with seconds only when there are some; nothing for a naive time. */
export function offsetText(offset: number | undefined): string {
  if (offset === undefined) return '';
  const size = Math.abs(offset);
  const seconds = size % 60 === 0 ? '' : `:${two(size % 60)}`;
  return `${offset < 0 ? '-' : '+'}${two(Math.floor(size / 3600))}:${two(Math.floor(size / 60) % 60)}${seconds}`;
}

/** Nothing or 6 digits: Pythons before 3.11 read no other fraction. */
export function fractionText(millis: number, micros: number): string {
  const whole = millis * 1000 + micros;
  // Six digits even for milliseconds, as Python writes: Celery before 5.3 takes the digits for a number of microseconds, so that
  // '.250' starts a task a quarter of a second early.
  return whole === 0 ? '' : `.${String(whole).padStart(6, '0')}`;
}

/** Writes a moment as Python's `isoformat` does, with 0 or 6 digits. */
export function momentText(moment: Moment): string {
  const face = new Date(moment.faceMs);
  const millis = face.getUTCMilliseconds();
  // Cut before the fraction: years beyond 9999 have a longer text and no Python can hold them, but they must not crash us.
  const seconds = face.toISOString().replace(/\.\d{3}Z$/, '');
  return seconds + fractionText(millis, moment.micros) + offsetText(moment.offset);
}

/** Epoch seconds as the ISO text of UTC, to the microsecond: `2026-01-02T03:04:15.678901+00:00`. */
export function formatTime(epochSeconds: number): string {
  const whole = Math.floor(epochSeconds);
  const micros = Math.round((epochSeconds - whole) * 1e6);
  return momentText({ faceMs: whole * 1000 + Math.floor(micros / 1000), micros: micros % 1000, offset: 0 });
}

/** Seconds by which the clocks of a zone are ahead of UTC at a moment; undefined names this machine's zone. */
function zoneOffset(epochSeconds: number, zone: string | undefined): number {
  const at = new Date(epochSeconds * 1000);
  if (zone === undefined) return at.getTimezoneOffset() * -60;
  const parts = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' }).formatToParts(at);
  return parseOffset(parts.find(({ type }) => type === 'timeZoneName')?.value.replace('GMT', '') || undefined) ?? 0;
}

/** Epoch seconds of a clock face in a zone, when that face as UTC is `face`. A face that the clocks skip or show twice is the earlier of its moments. */
export function inZone(face: number, zone: string | undefined): number {
  const guess = face - zoneOffset(face, zone);
  return face - zoneOffset(guess, zone);
}

/** Epoch seconds of an ISO text; a naive one is UTC. undefined when it is no moment. */
export function parseTime(text: string): number | undefined {
  const moment = parseMoment(text);
  if (moment === undefined) return undefined;
  return moment.faceMs / 1000 + moment.micros / 1e6 - (moment.offset ?? 0);
}
