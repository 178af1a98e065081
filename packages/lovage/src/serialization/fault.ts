// Errors that say where in a value the trouble is. The path is put together while the error passes up, so that good values pay nothing.
import { EncodeError } from '../util/index.ts';

/** A value that cannot be written. Collects the keys above it, innermost first. */
export class Unwritable extends Error {
  readonly keys: (string | number)[] = [];
}

/** Adds one step of the path to a passing error; one that somebody's toJSON or getter threw is wrapped first. */
export function at(error: unknown, key: string | number): Unwritable {
  const fault = error instanceof Unwritable ? error : new Unwritable(messageOf(error), { cause: error });
  fault.keys.push(key);
  return fault;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const MAX_SHOWN_KEYS = 12;

function pathText(keys: readonly (string | number)[]): string {
  const shown = keys.slice(-MAX_SHOWN_KEYS).reverse();
  const text = shown.map((key) =>
    typeof key === 'number' ? `[${key}]` : /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`,
  );
  return `value${text.join('')}${keys.length > shown.length ? '…' : ''}`;
}

/** Runs a writer and turns whatever it throws into an EncodeError with the path. */
export function encoding<T>(name: string, write: () => T): T {
  try {
    return write();
  } catch (error) {
    if (error instanceof EncodeError) throw error;
    if (error instanceof Unwritable) {
      throw new EncodeError(`${pathText(error.keys)} cannot be written as ${name}: ${error.message}`, { cause: error.cause });
    }
    throw new EncodeError(`The value cannot be written as ${name}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

const HINTS: Readonly<Record<string, string>> = {
  Map: 'turn it into an object with Object.fromEntries',
  Set: 'turn it into an array',
  Promise: 'await it first',
  RegExp: 'send its source as text',
  Error: 'send its message',
  ArrayBuffer: 'send new Uint8Array(buffer)',
  Uint8Array: "send it as base64 text, or use msgpack, or json with the setting jsonTypes 'tagged'",
};

/** The error for an object of a class that has no form on the wire. */
export function unwritableObject(value: object): Unwritable {
  const kind = Object.prototype.toString.call(value).slice(8, -1);
  const hint = HINTS[kind] ?? (ArrayBuffer.isView(value) ? 'turn it into an array or a Uint8Array' : 'send plain data');
  return new Unwritable(`an object of type ${kind} has no form there; ${hint}`);
}

/** The error for a primitive that has no form on the wire. */
export function unwritablePrimitive(value: unknown): Unwritable {
  if (value === undefined) return new Unwritable('undefined alone has no form there; send null');
  return new Unwritable(`a ${typeof value} has no form there`);
}

/** The error for nesting without end. */
export function tooDeep(limit: number): Unwritable {
  return new Unwritable(`it is nested deeper than ${limit} levels, or contains itself`);
}
