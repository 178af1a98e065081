// Writes plain values as Python's pickle, protocol 4 (Python 3.4 and later): none, booleans, numbers, text, bytes, lists, dictionaries.
// Nothing is ever written that would make its reader call something.
import { EncodeError } from '../../util/index.ts';

const MAX_DEPTH = 500;

/** A value as a pickle. Throws EncodeError for what is not plain. */
export function pickle(value: unknown): Buffer {
  const parts: Buffer[] = [Buffer.from([0x80, 4])];
  write(parts, value, 0);
  parts.push(Buffer.from('.'));
  return Buffer.concat(parts);
}

function write(parts: Buffer[], value: unknown, depth: number): void {
  if (depth > MAX_DEPTH) throw new EncodeError(`A result nested deeper than ${MAX_DEPTH} levels cannot be pickled.`);
  if (value === null || value === undefined) parts.push(Buffer.from('N'));
  else if (typeof value === 'boolean') parts.push(Buffer.from([value ? 0x88 : 0x89]));
  else if (typeof value === 'number')
    parts.push(Number.isSafeInteger(value) && !Object.is(value, -0) ? integer(BigInt(value)) : double(value));
  else if (typeof value === 'bigint') parts.push(integer(value));
  else if (typeof value === 'string') parts.push(...sized('X', Buffer.from(value, 'utf8')));
  else if (value instanceof Uint8Array) parts.push(...sized('B', Buffer.from(value)));
  else if (Array.isArray(value)) list(parts, value, depth);
  else if (isPlain(value)) dictionary(parts, value, depth);
  else
    throw new EncodeError(
      `A ${value.constructor?.name ?? typeof value} cannot be written to a result table that is shared with Python.`,
    );
}

function isPlain(value: object): value is Record<string, unknown> {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function list(parts: Buffer[], items: readonly unknown[], depth: number): void {
  parts.push(Buffer.from(']('));
  for (const item of items) write(parts, item, depth + 1);
  parts.push(Buffer.from('e'));
}

function dictionary(parts: Buffer[], value: Readonly<Record<string, unknown>>, depth: number): void {
  parts.push(Buffer.from('}('));
  for (const [key, item] of Object.entries(value)) {
    write(parts, key, depth + 1);
    write(parts, item, depth + 1);
  }
  parts.push(Buffer.from('u'));
}

/** BINUNICODE and BINBYTES: a letter, four bytes of length, the bytes. */
function sized(opcode: string, bytes: Buffer): readonly Buffer[] {
  const head = Buffer.alloc(5, opcode, 'latin1');
  head.writeUInt32LE(bytes.length, 1);
  return [head, bytes];
}

function double(value: number): Buffer {
  const bytes = Buffer.alloc(9, 'G', 'latin1');
  bytes.writeDoubleBE(value, 1);
  return bytes;
}

/** BININT for what fits four bytes, else LONG4: two's complement, the lowest byte first. */
function integer(value: bigint): Buffer {
  if (value >= -0x80000000n && value <= 0x7fffffffn) {
    const bytes = Buffer.alloc(5, 'J', 'latin1');
    bytes.writeInt32LE(Number(value), 1);
    return bytes;
  }
  const length = Math.floor(value.toString(16).length / 2) + 1;
  const digits = BigInt.asUintN(length * 8, value)
    .toString(16)
    .padStart(length * 2, '0');
  const head = Buffer.alloc(5, 0x8b);
  head.writeUInt32LE(length, 1);
  return Buffer.concat([head, Buffer.from(digits, 'hex').reverse()]);
}
