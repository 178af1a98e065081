// Celery's grammar of one crontab field: parts joined by commas, each `*`, `*/n`, a value, a range, or a range with a step. Pure.
// Wider than Celery nowhere, stricter where it is silent: a name belongs to its own field, and nothing may follow what was understood.
import { ConfigurationError } from '../../util/index.ts';

/** One field of a crontab. */
export interface FieldKind {
  /** As settings and errors call it. */
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** Three letters each, from `min` on. */
  readonly names?: readonly string[];
}

/** The fields by name. */
export const FIELDS: Readonly<Record<'minute' | 'hour' | 'dayOfWeek' | 'dayOfMonth' | 'monthOfYear', FieldKind>> = {
  minute: { name: 'minute', min: 0, max: 59 },
  hour: { name: 'hour', min: 0, max: 23 },
  dayOfWeek: { name: 'dayOfWeek', min: 0, max: 6, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
  dayOfMonth: { name: 'dayOfMonth', min: 1, max: 31 },
  monthOfYear: {
    name: 'monthOfYear',
    min: 1,
    max: 12,
    names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
  },
};

/** What a field may be given as. */
export type FieldValue = number | string | Iterable<number>;

/** An error that shows the whole field and points at the part that it is about. */
function wrong(kind: FieldKind, text: string, at: number, what: string): ConfigurationError {
  const place = `${text}\n${' '.repeat(at)}^`;
  return new ConfigurationError(`The crontab field ${kind.name} cannot be '${text}': ${what}\n${place}`);
}

function rangeText({ min, max, names }: FieldKind): string {
  const named = names === undefined ? '' : `, or ${names[0]} to ${names.at(-1)}`;
  return `${min} to ${max}${named}`;
}

/** A number or a name. `at` is where it stands in the whole field. */
function readValue(kind: FieldKind, whole: string, given: string, at: number): number {
  const { min, max, names } = kind;
  // As Python's int() does: digits of any alphabet that are wide forms of ours.
  const word = given.trim().normalize('NFKC');
  if (/^\d+$/.test(word)) {
    const number = Number(word);
    if (number >= min && number <= max) return number;
    const hint = kind.name === 'dayOfWeek' && number === 7 ? ' Sunday is 0.' : '';
    throw wrong(kind, whole, at, `${word} is not within ${rangeText(kind)}.${hint}`);
  }
  // The first three letters count, whatever follows: sunday, SUN and sundays are one.
  const found = /^[a-z]{3,}$/i.test(word) ? (names?.indexOf(word.slice(0, 3).toLowerCase()) ?? -1) : -1;
  if (found >= 0) return min + found;
  if (/^-\d/.test(word)) throw wrong(kind, whole, at, `negative numbers mean nothing here; a value is ${rangeText(kind)}.`);
  throw wrong(kind, whole, at, `'${word}' is no value; write ${rangeText(kind)}.`);
}

function readStep(kind: FieldKind, whole: string, text: string, at: number): number {
  if (text.trim() === '') throw wrong(kind, whole, at, "a number is missing after '/'.");
  if (!/^\s*\d+\s*$/.test(text)) throw wrong(kind, whole, at, `'${text.trim()}' is no step; write a whole number of 1 or more.`);
  const step = Number(text);
  if (step === 0) throw wrong(kind, whole, at, 'a step of 0 would never move on; write 1 or more.');
  return step;
}

/** All values from `first` to `last`, over the end of the scale when `last` comes before it. */
function stretch({ min, max }: FieldKind, first: number, last: number): readonly number[] {
  const size = max - min + 1;
  const length = ((last - first + size) % size) + 1;
  return Array.from({ length }, (_, index) => min + ((first - min + index) % size));
}

function readPart(kind: FieldKind, whole: string, part: string, at: number): readonly number[] {
  if (part.trim() === '') throw wrong(kind, whole, at, 'a part is empty.');
  const slash = part.indexOf('/');
  const body = slash < 0 ? part : part.slice(0, slash);
  const step = slash < 0 ? 1 : readStep(kind, whole, part.slice(slash + 1), at + slash + 1);
  const every = (values: readonly number[]): readonly number[] => values.filter((_, index) => index % step === 0);
  if (body.trim() === '*') return every(stretch(kind, kind.min, kind.max));
  // From the second letter on, so that a negative number is told as what it is.
  const dash = body.trimStart().startsWith('-') ? -1 : body.indexOf('-');
  if (dash < 0) {
    const value = readValue(kind, whole, body, at);
    if (slash < 0) return [value];
    throw wrong(kind, whole, at + slash, `a step needs a range or '*' before it: ${body.trim()}-${kind.max}/${step}.`);
  }
  const rest = body.slice(dash + 1);
  if (rest.trim() === '') throw wrong(kind, whole, at + dash + 1, "a value is missing after '-'.");
  const first = readValue(kind, whole, body.slice(0, dash), at);
  return every(stretch(kind, first, readValue(kind, whole, rest, at + dash + 1)));
}

function readText(kind: FieldKind, text: string): readonly number[] {
  const values: number[] = [];
  let at = 0;
  for (const part of text.split(',')) {
    values.push(...readPart(kind, text, part, at));
    at += part.length + 1;
  }
  return values;
}

/** The values that a field stands for, in order. Throws ConfigurationError that points at the place. */
export function readField(kind: FieldKind, value: FieldValue): readonly number[] {
  const values = typeof value === 'string' ? readText(kind, value) : numbersOf(kind, value);
  return Object.freeze([...new Set(values)].sort((a, b) => a - b));
}

function numbersOf(kind: FieldKind, value: unknown): readonly number[] {
  const isList = typeof value === 'object' && value !== null && Symbol.iterator in value;
  const numbers = isList ? [...(value as Iterable<unknown>)] : [value];
  if (numbers.length === 0)
    throw new ConfigurationError(`The crontab field ${kind.name} is an empty list: it would never match.`);
  return numbers.map((number) => {
    if (typeof number === 'number' && Number.isInteger(number) && number >= kind.min && number <= kind.max) return number;
    throw new ConfigurationError(
      `The crontab field ${kind.name} takes a whole number, a text such as '*/5', or a list of whole numbers from ${rangeText(kind)}; ` +
        `${typeof number === 'number' ? number : `a value of type ${number === null ? 'null' : typeof number}`} was given.`,
    );
  });
}

/** As the field was written, for people and for storing. */
export function fieldText(value: FieldValue): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' ? String(value) : [...value].join(',');
}
