// From a given value to a checked one: texts (environment, command line, files) become what the setting's kind asks for.
import { ConfigurationError, redact } from '../../util/index.ts';
import type { SettingRow } from './row.ts';

const TRUE = new Set(['true', 'yes', 'on', '1']);
const FALSE = new Set(['false', 'no', 'off', '0']);

/** A value that does not fit, as an error that names the setting and where the value came from. */
function wrong(name: string, value: unknown, must: string, origin: string, secret: boolean | undefined): ConfigurationError {
  const shown = secret === true ? 'that value' : typeof value === 'string' ? `'${redact(value)}'` : describe(value);
  return new ConfigurationError(`The setting ${name} ${must}, but ${origin} says ${shown}.`);
}

function describe(value: unknown): string {
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  return Array.isArray(value) ? 'a list' : 'an object';
}

/** Whether `null` may be given: it unsets a setting that can be unset. */
export function isNullable(row: SettingRow): boolean {
  return row.default === null || row.nullable === true;
}

/** The value of one setting as the rest of Lovage sees it. Throws ConfigurationError. */
export function convert(name: string, row: SettingRow, value: unknown, origin: string): unknown {
  const refuse = (must: string): never => {
    throw wrong(name, value, must, origin, row.secret);
  };
  if (value === null || (typeof value === 'string' && isNullable(row) && /^(null|none)$/i.test(value))) {
    return isNullable(row) ? null : refuse('cannot be null');
  }
  const read = converters[row.kind](value, row, refuse);
  const converted = row.form === undefined ? read : row.form(read);
  const complaint = row.check?.(converted);
  return complaint === undefined ? converted : refuse(complaint);
}

type Refuse = (must: string) => never;
type Converter = (value: unknown, row: SettingRow, refuse: Refuse) => unknown;

function toNumber(value: unknown, row: SettingRow, refuse: Refuse, what: string): number {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number !== 'number' || Number.isNaN(number)) return refuse(`must be ${what}`);
  const least = row.min ?? 0;
  return number < least ? refuse(`must be ${least} or more`) : number;
}

const converters: Readonly<Record<SettingRow['kind'], Converter>> = {
  boolean: (value, _row, refuse) => {
    const text = String(value).toLowerCase();
    if (typeof value === 'boolean') return value;
    if (typeof value === 'string' && TRUE.has(text)) return true;
    if (typeof value === 'string' && FALSE.has(text)) return false;
    return refuse('must be true or false');
  },
  string: (value, _row, refuse) => (typeof value === 'string' ? value : refuse('must be a text')),
  integer: (value, row, refuse) => {
    const number = toNumber(value, row, refuse, 'a whole number');
    return Number.isInteger(number) ? number : refuse('must be a whole number');
  },
  number: (value, row, refuse) => toNumber(value, row, refuse, 'a number'),
  seconds: (value, row, refuse) => {
    const seconds = toNumber(value, row, refuse, 'a number of seconds');
    return Number.isFinite(seconds) ? seconds : refuse('must be a finite number of seconds');
  },
  strings: (value, _row, refuse) => {
    if (typeof value === 'string') return splitList(value);
    const list = value instanceof Set ? [...value] : value;
    if (Array.isArray(list) && list.every((item) => typeof item === 'string')) return Object.freeze([...list]);
    return refuse('must be a list of texts');
  },
  map: (value, _row, refuse) => {
    const map = parseJson(value, refuse);
    if (typeof map !== 'object' || map === null || Array.isArray(map)) return refuse('must be a map');
    return map;
  },
  choice: (value, row, refuse) => {
    const choices = row.choices ?? [];
    const found = choices.find((choice) => choice === value || (typeof choice === 'number' && String(choice) === value));
    return (
      found ??
      refuse(`must be one of ${choices.map((choice) => (typeof choice === 'string' ? `'${choice}'` : choice)).join(', ')}`)
    );
  },
  urls: (value, _row, refuse) => {
    const list = typeof value === 'string' ? value.split(';').filter((part) => part !== '') : value;
    if (!Array.isArray(list) || list.length === 0 || !list.every((item) => typeof item === 'string' && item !== '')) {
      return refuse('must be a URL, or a list of URLs');
    }
    return list.length === 1 ? list[0] : Object.freeze([...list]);
  },
  any: (value, _row, refuse) =>
    typeof value === 'string' && /^\s*[[{]/.test(value) ? parseJson(value, refuse) : fromText(value),
};

function splitList(text: string): readonly string[] {
  return Object.freeze(
    text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== ''),
  );
}

function parseJson(value: unknown, refuse: Refuse): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return refuse('must be JSON when it is given as a text');
  }
}

/** Plain words of a text that a setting without a kind may mean: numbers and booleans. */
function fromText(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  if (value === 'true' || value === 'false') return value === 'true';
  return /^-?\d+$/.test(value) ? Number(value) : value;
}
