// Writing JSON as kombu reads it. Most bodies are plain data and go through JSON.stringify after one look; only what it would lose
// or change (dates, bytes, big integers, NaN, Float …) takes the slow way, which is several times slower.
import { Float, floatRepr } from '../protocol/index.ts';
import { at, tooDeep, unwritableObject, unwritablePrimitive } from './fault.ts';
import { MAX_DEPTH } from './seam.ts';

/** Gives the replacement for an object that is not plain data, or undefined when it has none. */
export type Replace = (value: object) => { readonly value: unknown } | undefined;

/** How the tagged types of JSON are replaced and restored. */
export interface Tags {
  readonly replace: Replace;
  /** The value of a tagged object; undefined: no such tag, or no good value of it. */
  restore(marker: string, value: unknown): { readonly value: unknown } | undefined;
}

function isNative(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return isNativeNumber(value);
    case 'object':
      return value === null || (depth > 0 && isNativeObject(value, depth - 1));
    case 'undefined':
      return true;
    default:
      return false;
  }
}

/** Integers that JavaScript holds exactly, and fractions. The rest is written with a point or an exponent, so that it is read as a float. */
function isNativeNumber(value: number): boolean {
  if (Number.isSafeInteger(value)) return value !== 0 || !Object.is(value, -0);
  return value % 1 !== 0 && Number.isFinite(value);
}

function isNativeObject(value: object, depth: number): boolean {
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) if (!isNative(value[index], depth)) return false;
    return true;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  // for-in is the fastest walk; an inherited key can only come from a polluted Object.prototype, and is then looked at for nothing.
  for (const key in value) if (!isNative((value as Record<string, unknown>)[key], depth)) return false;
  return true;
}

function writeNumber(value: number): string {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) return String(value);
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  return floatRepr(value);
}

/** The slow way: one text, with the path of whatever cannot be written. `undefined` has none, also when it is what a toJSON answers. */
function write(value: unknown, depth: number, replace: Replace): string | undefined {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'number':
      return writeNumber(value);
    case 'bigint':
      return String(value);
    case 'object':
      return value === null ? 'null' : writeObject(value, depth, replace);
    case 'undefined':
      return undefined;
    default:
      throw unwritablePrimitive(value);
  }
}

function writeObject(value: object, depth: number, replace: Replace): string | undefined {
  if (depth >= MAX_DEPTH) throw tooDeep(MAX_DEPTH);
  if (Array.isArray(value)) return writeArray(value, depth + 1, replace);
  if (value instanceof Float) return Number.isFinite(value.value) ? floatRepr(value.value) : writeNumber(value.value);
  const { toJSON } = value as { toJSON?: unknown };
  const prototype: unknown = Object.getPrototypeOf(value);
  const plain = prototype === Object.prototype || prototype === null;
  if (!plain) {
    const replaced = replace(value);
    if (replaced !== undefined) return write(replaced.value, depth + 1, replace);
  }
  if (typeof toJSON === 'function') return write(Reflect.apply(toJSON, value, ['']), depth + 1, replace);
  // Objects of users' classes are their own properties, as JSON.stringify has it; built-in classes would come out empty.
  if (!plain && Object.prototype.toString.call(value) !== '[object Object]') throw unwritableObject(value);
  return writeMembers(value as Record<string, unknown>, depth + 1, replace);
}

function writeArray(value: readonly unknown[], depth: number, replace: Replace): string {
  let text = '[';
  for (let index = 0; index < value.length; index++) {
    if (index > 0) text += ',';
    try {
      text += write(value[index], depth, replace) ?? 'null';
    } catch (error) {
      throw at(error, index);
    }
  }
  return `${text}]`;
}

function writeMembers(value: Readonly<Record<string, unknown>>, depth: number, replace: Replace): string {
  let text = '';
  for (const key of Object.keys(value)) {
    try {
      const item = write(value[key], depth, replace);
      if (item !== undefined) text += `${text === '' ? '{' : ','}${JSON.stringify(key)}:${item}`;
    } catch (error) {
      throw at(error, key);
    }
  }
  return text === '' ? '{}' : `${text}}`;
}

/** The JSON text of a value. Throws Unwritable (see fault.ts). */
export function writeJson(value: unknown, replace: Replace): string {
  const text = isNative(value, MAX_DEPTH) ? (JSON.stringify(value) as string | undefined) : write(value, 0, replace);
  if (text === undefined) throw unwritablePrimitive(undefined);
  return text;
}
