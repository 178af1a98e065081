// Python's values that JavaScript has no literal for: small, immutable, lossless both ways (docs/decisions/0002-values.md).
// They live here because argsRepr prints them; serialization/ writes and reads them.
import { fractionText, type Moment, momentText, offsetText, parseMoment } from './moments.ts';

function broken(what: string, text: string): RangeError {
  return new RangeError(`${JSON.stringify(text)} is not ${what}`);
}

/** A number that Python must see as a float: `new Float(1)` is written `1.0`. Arrives as a plain number. */
export class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = Number(value);
  }
  valueOf(): number {
    return this.value;
  }
  toString(): string {
    return String(this.value);
  }
  toJSON(): number {
    return this.value;
  }
}

/**
 * A Date that keeps what a Date cannot: microseconds, and whether and where Python's clock stood. Python's `datetime` arrives as a plain
 * Date when that says it all, else as this. A naive datetime is read as UTC.
 */
export class DateTime extends Date {
  /** Microseconds below the millisecond, 0 to 999. */
  readonly micros: number;
  /** Seconds east of UTC; undefined: naive. */
  readonly offset: number | undefined;
  readonly #epoch: number;
  constructor(text: string) {
    const moment = parseMoment(text);
    if (moment === undefined) throw broken('an ISO 8601 datetime', text);
    super(moment.faceMs - (moment.offset ?? 0) * 1000);
    this.micros = moment.micros;
    this.offset = moment.offset;
    this.#epoch = this.getTime();
  }
  /** As Python writes it. A date changed by a setter since has no microseconds any more. */
  isoFormat(): string {
    return momentText(this.moment());
  }
  /** The face of the clock that this shows, with its offset. */
  moment(): Moment {
    const same = this.getTime() === this.#epoch;
    return { faceMs: this.getTime() + (this.offset ?? 0) * 1000, micros: same ? this.micros : 0, offset: this.offset };
  }
}

/** A day of the calendar without a time: `2024-02-29`. Python's `date`. */
export class PlainDate {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  /** Exactly as it came. */
  readonly text: string;
  constructor(text: string) {
    const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
    if (match === null || parseMoment(text) === undefined) throw broken('an ISO 8601 date', text);
    this.year = Number(match[1]);
    this.month = Number(match[2]);
    this.day = Number(match[3]);
    this.text = text;
  }
  toString(): string {
    return this.text;
  }
  toJSON(): string {
    return this.text;
  }
}

const TIME = /^\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:?\d{2}(?::?\d{2})?)?$/;

/** A time of day without a date: `23:59:58.000001`. Python's `time`. */
export class PlainTime {
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  /** 0 to 999,999. */
  readonly microsecond: number;
  /** Seconds east of UTC; undefined: naive. */
  readonly offset: number | undefined;
  constructor(text: string) {
    const moment = TIME.test(text) ? parseMoment(`2000-01-01T${text}`) : undefined;
    if (moment === undefined) throw broken('an ISO 8601 time', text);
    const face = new Date(moment.faceMs);
    this.hour = face.getUTCHours();
    this.minute = face.getUTCMinutes();
    this.second = face.getUTCSeconds();
    this.microsecond = face.getUTCMilliseconds() * 1000 + moment.micros;
    this.offset = moment.offset;
  }
  toString(): string {
    const two = (value: number): string => String(value).padStart(2, '0');
    const fraction = fractionText(Math.floor(this.microsecond / 1000), this.microsecond % 1000);
    return `${two(this.hour)}:${two(this.minute)}:${two(this.second)}${fraction}${offsetText(this.offset)}`;
  }
  toJSON(): string {
    return this.toString();
  }
}

const DECIMAL = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[Ii]nf(?:inity)?|s?[Nn]a[Nn]\d*)$/;

/** A decimal number as its digits: `1.50` keeps its last zero. Python's `Decimal`. It does not calculate: hand the text to a library that does. */
export class Decimal {
  /** Exactly as it came. */
  readonly text: string;
  constructor(value: string | number | bigint) {
    const text = String(value);
    if (!DECIMAL.test(text)) throw broken('a decimal number', text);
    this.text = text;
  }
  /** The nearest number. */
  toNumber(): number {
    return Number(this.text.replace(/^([+-]?)inf(inity)?$/i, '$1Infinity'));
  }
  toString(): string {
    return this.text;
  }
  toJSON(): string {
    return this.text;
  }
}

/** A UUID as a value of its own, in Python's form: 36 characters, lower case. A UUID that travels as text stays a string. */
export class Uuid {
  /** Exactly as it came. */
  readonly text: string;
  constructor(text: string) {
    const hex = text.replaceAll('-', '').toLowerCase();
    if (!/^[0-9a-f]{32}$/.test(hex)) throw broken('a UUID', text);
    this.text = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }
  /** The 32 digits without dashes. */
  get hex(): string {
    return this.text.replaceAll('-', '');
  }
  toString(): string {
    return this.text;
  }
  toJSON(): string {
    return this.text;
  }
}

/** A datetime from its text: a plain Date when nothing is lost by it (UTC, milliseconds), else a DateTime. Throws RangeError. */
export function parseDateTime(text: string): Date {
  const value = new DateTime(text);
  return value.offset === 0 && value.micros === 0 ? new Date(value.getTime()) : value;
}

/** The ISO text of a Date, DateTime or not: `2026-01-02T03:04:05.678+00:00`. Throws RangeError for an invalid Date. */
export function dateTimeText(value: Date): string {
  return momentText(momentOf(value));
}

/** A Date as a header or an option of a signature says it: with six digits or none, because old Celerys misread three. */
export function timeHeader(value: Date): string {
  return dateTimeText(value).replace(/(\.\d{3})(?!\d)/, '$1000');
}

/** The clock face of a Date; a plain one is UTC. Throws RangeError for an invalid Date. */
export function momentOf(value: Date): Moment {
  const ms = value.getTime();
  if (Number.isNaN(ms)) throw new RangeError('an invalid Date has no text');
  return value instanceof DateTime ? value.moment() : { faceMs: ms, micros: 0, offset: 0 };
}

/** The text of a number as Python's `repr(float)` writes it: `1.0`, `1e-07`, `1e+22`, `nan`, `inf`. */
export function floatRepr(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  // Between these both languages write the same shortest digits; beyond them they differ in where an exponent begins and how it looks.
  const size = Math.abs(value);
  if (size >= 1e-4 && size < 1e16) return Number.isInteger(value) ? `${value}.0` : String(value);
  const [digits = '', power = '0'] = value.toExponential().split('e');
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 16) {
    // toFixed is exact here: below 1e16 the shortest digits are all there are, and small numbers need exponent + digits places.
    const places = Math.max(0, digits.replace(/^-?\d\.?/, '').length - exponent);
    const text = places > 0 ? plainDecimal(digits, exponent) : value.toFixed(0);
    return text.includes('.') ? text : `${text}.0`;
  }
  return `${digits}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

/** Shifts the point of the shortest digits, so that no rounding happens twice. */
function plainDecimal(digits: string, exponent: number): string {
  const sign = digits.startsWith('-') ? '-' : '';
  const bare = digits.replace('-', '').replace('.', '');
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${bare}`;
  return `${sign}${bare.slice(0, exponent + 1)}.${bare.slice(exponent + 1)}`;
}
