// argsrepr and kwargsrepr: values as Python would print them, bounded in length and depth. The rules are Celery's, their quirks too,
// because Flower and people's greps know these texts: each piece costs its length, a piece that starts when nothing is left is
// dropped for `, ...`, and after that only closing brackets are written.
import { Buffer, isUtf8 } from 'node:buffer';
import { numberRepr, objectRepr, textRepr } from './python-repr.ts';
import { isRecord } from './record.ts';

export interface SafereprOptions {
  /** Characters, about; undefined: no limit. */
  readonly maxLength?: number | undefined;
  /** Containers deeper than this are shown as `[...]`; 0: no limit. @default 3 */
  readonly maxLevels?: number;
  /** Show the outermost array as a tuple. @default false */
  readonly tuple?: boolean;
}

/** Celery's limit for task arguments. */
export const REPR_MAX_LENGTH = 1024;

interface Printer {
  text: string;
  /** Characters left; Infinity without a limit. */
  left: number;
  stopped: boolean;
  readonly maxLevels: number;
  readonly open: Set<object>;
}

interface Brackets {
  readonly start: string;
  readonly end: string;
}
const LIST: Brackets = { start: '[', end: ']' };
const DICT: Brackets = { start: '{', end: '}' };
const TUPLE: Brackets = { start: '(', end: ')' };
const TUPLE_OF_ONE: Brackets = { start: '(', end: ',)' };

const HAS_PAIRS = /[\ud800-\udbff]/;

/** Characters as Python counts them. */
function lengthOf(text: string): number {
  if (!HAS_PAIRS.test(text)) return text.length;
  let length = 0;
  for (const _ of text) length++;
  return length;
}

/** Cut to `limit` characters, then back to the last space. */
function truncate(text: string, limit: number): string {
  if (text.length < limit) return text;
  const characters = Array.from(text.slice(0, limit * 2));
  if (characters.length < limit) return text;
  const cut = characters.slice(0, limit).join('');
  const space = cut.lastIndexOf(' ');
  return `${space < 0 ? cut : cut.slice(0, space)}...`;
}

function bytesRepr(bytes: Uint8Array, limit: number): string {
  const cut = bytes.byteLength > limit;
  const shown = Buffer.from(bytes.buffer, bytes.byteOffset, cut ? limit : bytes.byteLength);
  return `b'${shown.toString(isUtf8(shown) ? 'utf8' : 'hex')}${cut ? '...' : ''}'`;
}

/** Writes one piece, or stops. `make` gets the characters left. */
function emit(printer: Printer, make: string | ((left: number) => string)): void {
  if (printer.stopped) return;
  if (printer.left <= 0) {
    printer.text += ', ...';
    printer.stopped = true;
    return;
  }
  const piece = typeof make === 'string' ? make : make(printer.left);
  printer.text += piece;
  printer.left -= lengthOf(piece);
}

/** Closing brackets are written after the stop, too; the one at which it stopped is lost. */
function close(printer: Printer, bracket: string): void {
  if (printer.stopped) printer.text += bracket;
  else emit(printer, bracket);
}

const plain = (text: string) => (left: number) => truncate(text, left);

/** Shows an object within brackets, unless it is too deep or contains itself. */
function printContainer(printer: Printer, value: object, brackets: Brackets, level: number, items: () => void): void {
  if (printer.maxLevels > 0 && level >= printer.maxLevels) emit(printer, plain(`${brackets.start}...${brackets.end}`));
  else
    printOnce(printer, value, () => {
      emit(printer, brackets.start);
      items();
      close(printer, brackets.end);
    });
}

/** Marks an object as open while its inside is printed. */
function printOnce(printer: Printer, value: object, inside: () => void): void {
  if (printer.open.has(value)) {
    emit(printer, plain(`<Recursion on ${Array.isArray(value) ? 'list' : 'dict'}>`));
    return;
  }
  printer.open.add(value);
  inside();
  printer.open.delete(value);
}

function printItems(printer: Printer, items: Iterable<unknown>, level: number): void {
  let first = true;
  for (const item of items) {
    if (!first) emit(printer, ', ');
    first = false;
    // A container that was not begun has no bracket to close.
    if (printer.stopped) return;
    print(printer, item, level);
  }
}

function printEntries(printer: Printer, entries: Iterable<readonly [unknown, unknown]>, level: number): void {
  let first = true;
  for (const [key, value] of entries) {
    if (!first) emit(printer, ', ');
    first = false;
    // A key is printed apart, within what is left for the whole.
    emit(printer, (left) => saferepr(key, { maxLength: left, maxLevels: printer.maxLevels }));
    emit(printer, ': ');
    if (printer.stopped) return;
    print(printer, value, level);
  }
}

function printSet(printer: Printer, value: ReadonlySet<unknown>, level: number): void {
  if (value.size === 0) emit(printer, plain('set()'));
  else printContainer(printer, value, DICT, level, () => printItems(printer, value, level + 1));
}

function printArray(printer: Printer, value: readonly unknown[], brackets: Brackets, level: number): void {
  printContainer(printer, value, brackets, level, () => printItems(printer, value, level + 1));
}

function printObject(printer: Printer, value: object, level: number): void {
  if (Array.isArray(value)) printArray(printer, value, LIST, level);
  else if (value instanceof Uint8Array) emit(printer, (left) => bytesRepr(value, left));
  else if (value instanceof Set) printSet(printer, value, level);
  else if (value instanceof Map) printDict(printer, value, value, level);
  else if (isRecord(value) && typeof value.toJSON !== 'function') printDict(printer, value, writtenEntries(value), level);
  else printInstance(printer, value, level);
}

function printDict(printer: Printer, value: object, entries: Iterable<readonly [unknown, unknown]>, level: number): void {
  printContainer(printer, value, DICT, level, () => printEntries(printer, entries, level + 1));
}

/** Objects of a class: as Python's twin of it, as what they send in their place, or as their own properties. */
function printInstance(printer: Printer, value: object, level: number): void {
  const known = objectRepr(value);
  const { toJSON } = value as { toJSON?: unknown };
  if (known !== undefined) emit(printer, plain(known));
  else if (typeof toJSON === 'function')
    printOnce(printer, value, () => print(printer, Reflect.apply(toJSON, value, ['']), level));
  else printDict(printer, value, writtenEntries(value), level);
}

/** The members that are sent: those that are `undefined` are not. */
function writtenEntries(value: object): [string, unknown][] {
  return Object.entries(value).filter(([, item]) => item !== undefined);
}

function print(printer: Printer, value: unknown, level: number): void {
  if (typeof value === 'string') emit(printer, (left) => textRepr(truncate(value, left)));
  else if (typeof value === 'object' && value !== null) printObject(printer, value, level);
  else emit(printer, plain(primitiveRepr(value)));
}

function primitiveRepr(value: unknown): string {
  if (value === null || value === undefined) return 'None';
  if (typeof value === 'number') return numberRepr(value);
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return typeof value === 'function' ? `<function ${value.name}>` : String(value);
}

/** Containers below these are looked at in the quick way. */
const QUICK_LEVELS = 3;

/**
 * The same text in one go, for plain values whose whole text stays below the limit; undefined for all others. Nearly every call has
 * such arguments, and to count piece by piece takes five times as long (bench row redis-enqueue-bulk). `outer` and `inner` are what
 * the value lies in.
 */
function quickRepr(value: unknown, limit: number, level: number, outer?: object, inner?: object): string | undefined {
  if (typeof value === 'string') return value.length < limit ? textRepr(value) : undefined;
  if (typeof value !== 'object' || value === null) return primitiveRepr(value);
  if (level >= QUICK_LEVELS || value === outer || value === inner) return undefined;
  const inside = level === 0 ? value : outer;
  const nested = level === 0 ? undefined : value;
  if (Array.isArray(value)) {
    const items = quickItems(value, limit, level, inside, nested);
    return items === undefined ? undefined : `[${items}]`;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return undefined;
  return quickDict(value as Readonly<Record<string, unknown>>, limit, level, inside, nested);
}

function quickItems(items: readonly unknown[], limit: number, level: number, outer?: object, inner?: object): string | undefined {
  let text = '';
  for (let index = 0; index < items.length; index++) {
    const item = quickRepr(items[index], limit, level + 1, outer, inner);
    if (item === undefined || text.length >= limit) return undefined;
    text += index === 0 ? item : `, ${item}`;
  }
  return text;
}

function quickDict(
  value: Readonly<Record<string, unknown>>,
  limit: number,
  level: number,
  outer?: object,
  inner?: object,
): string | undefined {
  if (typeof value.toJSON === 'function') return undefined;
  let text = '';
  for (const key of Object.keys(value)) {
    const member = value[key];
    if (member === undefined) continue;
    const item = quickRepr(member, limit, level + 1, outer, inner);
    if (item === undefined || key.length >= limit || text.length >= limit) return undefined;
    text += `${text === '' ? '' : ', '}${textRepr(key)}: ${item}`;
  }
  return `{${text}}`;
}

/** The quick text, where there is one that no rule would cut. */
function quickly(value: unknown, options: SafereprOptions, limit: number): string | undefined {
  if ((options.maxLevels ?? QUICK_LEVELS) < QUICK_LEVELS) return undefined;
  let text: string | undefined;
  if (options.tuple === true && Array.isArray(value)) {
    const items = quickItems(value, limit, 0, value);
    text = items === undefined ? undefined : `(${items}${value.length === 1 ? ',' : ''})`;
  } else text = quickRepr(value, limit, 0);
  return text !== undefined && text.length < limit ? text : undefined;
}

/** A value as Python prints it, bounded. Never throws: what cannot be looked at is shown as `<unrepresentable>`. */
export function saferepr(value: unknown, options: SafereprOptions = {}): string {
  const left = options.maxLength ?? Number.POSITIVE_INFINITY;
  try {
    const quick = quickly(value, options, left);
    if (quick !== undefined) return quick;
    const printer: Printer = { text: '', left, stopped: false, maxLevels: options.maxLevels ?? 3, open: new Set() };
    if (options.tuple === true && Array.isArray(value)) printArray(printer, value, value.length === 1 ? TUPLE_OF_ONE : TUPLE, 0);
    else print(printer, value, 0);
    return printer.text;
  } catch {
    // A getter or a toJSON of the user's threw; this text is for display, so it must not fail the call.
    return '<unrepresentable>';
  }
}

const ARGS: SafereprOptions = { maxLength: REPR_MAX_LENGTH, tuple: true };
const KWARGS: SafereprOptions = { maxLength: REPR_MAX_LENGTH };

/** The header `argsrepr`. */
export function argsRepr(args: readonly unknown[]): string {
  return saferepr(args, ARGS);
}

/** The header `argsrepr` of what beat sends: Celery's hands a list over, if there are any, and a list it says. */
export function listRepr(args: readonly unknown[]): string {
  return args.length === 0 ? argsRepr(args) : saferepr(args, KWARGS);
}

/** The header `kwargsrepr`. */
export function kwargsRepr(kwargs: Readonly<Record<string, unknown>>): string {
  return saferepr(kwargs, KWARGS);
}
