// What a plain word of YAML means, by the very rules of PyYAML. The library follows YAML 1.1 itself, under which `y`, `n`, `1e5`, `08`
// and `09:30` are no texts; Python writes them bare and means texts.
import type { ScalarTag, Tags } from 'yaml';
import { dateTimeText, Float, floatRepr, PlainDate, parseDateTime } from '../protocol/index.ts';

const core = (name: string): string => `tag:yaml.org,2002:${name}`;
const NEVER = /(?!)/;
const never = (): boolean => false;

function floatText(value: number): string {
  const text = floatRepr(value);
  if (text === 'nan' || text === 'inf' || text === '-inf') return text.replace(/(nan|inf)$/, '.$1');
  // PyYAML takes `1e+22` for a text: a float has a point in YAML 1.1.
  return text.includes('.') ? text : text.replace('e', '.0e');
}

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const STAMP =
  /^(\d{4})-(\d{1,2})-(\d{1,2})(?:[Tt]|[ \t]+)(\d{1,2}):(\d{2}):(\d{2})(?:\.(\d*))?(?:[ \t]*(Z|[-+]\d{1,2}(?::\d{2})?))?$/;

/** A moment, as a Date, or as a DateTime when it has more to say. */
function readStamp(text: string): Date {
  const match = STAMP.exec(text);
  if (match === null) throw new RangeError(`${JSON.stringify(text)} is not a timestamp`);
  const two = (group: number): string => (match[group] ?? '').padStart(2, '0');
  const zone = (match[8] ?? '').replace(/^([-+])(\d)(?=$|:)/, '$10$2');
  const fraction = match[7] === undefined || match[7] === '' ? '' : `.${match[7].slice(0, 6)}`;
  return parseDateTime(`${match[1]}-${two(2)}-${two(3)}T${two(4)}:${match[5]}:${match[6]}${fraction}${zone}`);
}

/** `1:30:00` is 5400: numbers to the base of sixty. */
function sexagesimal<T>(text: string, digits: (part: string) => T, sum: (whole: T, part: T) => T): T {
  return text
    .split(':')
    .map(digits)
    .reduce((whole, part) => sum(whole, part));
}

function readInteger(source: string): bigint {
  const text = source.replaceAll('_', '');
  const negative = text.startsWith('-');
  const bare = text.replace(/^[-+]/, '');
  const size = bare.includes(':')
    ? sexagesimal(bare, BigInt, (whole, part) => whole * 60n + part)
    : BigInt(/^0[0-7]+$/.test(bare) ? `0o${bare.slice(1)}` : bare);
  return negative ? -size : size;
}

function readFloat(source: string): number {
  const text = source.replaceAll('_', '').toLowerCase();
  if (text.endsWith('.nan')) return Number.NaN;
  const negative = text.startsWith('-');
  const bare = text.replace(/^[-+]/, '');
  const size = bare === '.inf' ? Number.POSITIVE_INFINITY : sexagesimal(bare, Number, (whole, part) => whole * 60 + part);
  return negative ? -size : size;
}

/** In quotes, always, and with escapes for all that PyYAML takes for the end of a line: a bare text may mean something else there. */
function quoted(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const read = (name: string, test: RegExp, resolve: (text: string) => unknown): ScalarTag => ({
  identify: never,
  default: true,
  tag: core(name),
  test,
  resolve,
});
const write = <T>(name: string, is: (value: unknown) => value is T, text: (value: T) => string): ScalarTag => ({
  identify: is,
  default: true,
  tag: core(name),
  test: NEVER,
  resolve: (source) => source,
  stringify: ({ value }) => text(value as T),
});

const instance =
  <T>(type: abstract new (...args: never[]) => T) =>
  (value: unknown): value is T =>
    value instanceof type;
const ofType =
  <T>(type: string) =>
  (value: unknown): value is T =>
    typeof value === type;

const SCALARS: readonly ScalarTag[] = [
  write(
    'null',
    (value): value is null => value === null,
    () => 'null',
  ),
  write('bool', ofType<boolean>('boolean'), String),
  write('int', (value): value is number | bigint => typeof value === 'number' || typeof value === 'bigint', String),
  write('float', instance(Float), ({ value }) => floatText(value)),
  write('timestamp', instance(Date), (value) => dateTimeText(value).replace('T', ' ')),
  write('timestamp', instance(PlainDate), String),
  write('str', ofType<string>('string'), quoted),
  read('null', /^(?:~|null|Null|NULL)?$/, () => null),
  read('bool', /^(?:yes|Yes|YES|true|True|TRUE|on|On|ON)$/, () => true),
  read('bool', /^(?:no|No|NO|false|False|FALSE|off|Off|OFF)$/, () => false),
  read('int', /^[-+]?(?:0b[01_]+|0[0-7_]+|0|[1-9][\d_]*|0x[\da-fA-F_]+|[1-9][\d_]*(?::[0-5]?\d)+)$/, readInteger),
  read(
    'float',
    /^(?:[-+]?\d[\d_]*\.[\d_]*(?:[eE][-+]\d+)?|\.\d[\d_]*(?:[eE][-+]\d+)?|[-+]?\d[\d_]*(?::[0-5]?\d)+\.[\d_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/,
    readFloat,
  ),
  read('timestamp', DAY, (text) => new PlainDate(text)),
  read('timestamp', STAMP, readStamp),
];

const REPLACED: ReadonlySet<string> = new Set(['null', 'bool', 'int', 'float', 'timestamp', 'str'].map(core));

/** The tags of YAML 1.1 with PyYAML's scalars in place of the library's. */
export function pythonTags(tags: Tags): Tags {
  return [...SCALARS, ...tags.filter((tag) => typeof tag === 'string' || !REPLACED.has(tag.tag)), TEXT];
}

/** What no other rule takes; a text by its tag, too. */
const TEXT: ScalarTag = { identify: never, default: true, tag: core('str'), resolve: (text) => text };
