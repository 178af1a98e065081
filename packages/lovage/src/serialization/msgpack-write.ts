// Writing MessagePack as Python's msgpack does: bin for bytes, str for text, integers to 64 bits, no extension types. Our own, for the
// reasons in docs/decisions/0003-msgpack.md.
import { Buffer } from 'node:buffer';
import { Float } from '../protocol/index.ts';
import { at, tooDeep, Unwritable, unwritableObject, unwritablePrimitive } from './fault.ts';
import { MAX_DEPTH } from './seam.ts';

interface Sink {
  bytes: Buffer;
  at: number;
}

const MAX_INT64 = 2n ** 63n;
const MAX_UINT64 = 2n ** 64n;

/** Makes room for `size` more bytes and steps over them; returns where they begin. */
function reserve(sink: Sink, size: number): number {
  const start = sink.at;
  sink.at += size;
  if (sink.at > sink.bytes.length) {
    const grown = Buffer.allocUnsafe(Math.max(sink.at, sink.bytes.length * 2));
    sink.bytes.copy(grown, 0, 0, start);
    sink.bytes = grown;
  }
  return start;
}

function writeFloat(sink: Sink, value: number): void {
  const start = reserve(sink, 9);
  sink.bytes[start] = 0xcb;
  sink.bytes.writeDoubleBE(value, start + 1);
}

function writeByte(sink: Sink, byte: number): void {
  // Reserve first: it may put another buffer in place.
  const start = reserve(sink, 1);
  sink.bytes[start] = byte;
}

/** A type byte followed by a number of 1, 2 or 4 bytes. */
function writeSized(sink: Sink, type: number, size: 1 | 2 | 4, value: number): void {
  const start = reserve(sink, 1 + size);
  sink.bytes[start] = type;
  sink.bytes.writeUIntBE(value, start + 1, size);
}

function writeInteger(sink: Sink, value: number): void {
  if (value >= 0) {
    if (value < 0x80) writeByte(sink, value);
    else if (value < 0x100) writeSized(sink, 0xcc, 1, value);
    else if (value < 0x10000) writeSized(sink, 0xcd, 2, value);
    else if (value < 0x1_0000_0000) writeSized(sink, 0xce, 4, value);
    else writeBigInt(sink, BigInt(value));
  } else if (value >= -0x20) writeByte(sink, value + 0x100);
  else if (value >= -0x80) writeSized(sink, 0xd0, 1, value + 0x100);
  else if (value >= -0x8000) writeSized(sink, 0xd1, 2, value + 0x10000);
  else if (value >= -0x8000_0000) writeSized(sink, 0xd2, 4, value + 0x1_0000_0000);
  else writeBigInt(sink, BigInt(value));
}

function writeBigInt(sink: Sink, value: bigint): void {
  if (value >= -0x8000_0000n && value < 0x1_0000_0000n) writeInteger(sink, Number(value));
  else if (value < MAX_UINT64 && value >= -MAX_INT64) {
    const start = reserve(sink, 9);
    sink.bytes[start] = value < 0n ? 0xd3 : 0xcf;
    sink.bytes.writeBigUInt64BE(BigInt.asUintN(64, value), start + 1);
  } else throw new Unwritable('an integer of more than 64 bits has no form there; use json');
}

function writeNumber(sink: Sink, value: number): void {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) writeInteger(sink, value);
  else writeFloat(sink, value);
}

/** Type bytes by size: the short form (its base and how many fit), then those with 1, 2 and 4 bytes of length. */
interface Sizes {
  readonly short: readonly [base: number, below: number];
  readonly byte: number | undefined;
  readonly two: number;
  readonly four: number;
}
const TEXT: Sizes = { short: [0xa0, 32], byte: 0xd9, two: 0xda, four: 0xdb };
const BYTES: Sizes = { short: [0, 0], byte: 0xc4, two: 0xc5, four: 0xc6 };
const ARRAY: Sizes = { short: [0x90, 16], byte: undefined, two: 0xdc, four: 0xdd };
const MAP: Sizes = { short: [0x80, 16], byte: undefined, two: 0xde, four: 0xdf };

function writeSize(sink: Sink, sizes: Sizes, size: number): void {
  if (size < sizes.short[1]) writeByte(sink, sizes.short[0] + size);
  else if (size < 0x100 && sizes.byte !== undefined) writeSized(sink, sizes.byte, 1, size);
  else if (size < 0x10000) writeSized(sink, sizes.two, 2, size);
  else writeSized(sink, sizes.four, 4, size);
}

function writeText(sink: Sink, value: string): void {
  const size = Buffer.byteLength(value, 'utf8');
  writeSize(sink, TEXT, size);
  const start = reserve(sink, size);
  sink.bytes.write(value, start, 'utf8');
}

function writeBytes(sink: Sink, value: Uint8Array): void {
  writeSize(sink, BYTES, value.byteLength);
  const start = reserve(sink, value.byteLength);
  sink.bytes.set(value, start);
}

function writeArray(sink: Sink, value: readonly unknown[], depth: number): void {
  writeSize(sink, ARRAY, value.length);
  for (let index = 0; index < value.length; index++) {
    try {
      const item = standIn(value[index]);
      write(sink, item === undefined ? null : item, depth);
    } catch (error) {
      throw at(error, index);
    }
  }
}

/** The size comes first, so members that are left out must be known before the first is written. */
function writeMembers(sink: Sink, value: Readonly<Record<string, unknown>>, depth: number): void {
  const members: [key: string, item: unknown][] = [];
  for (const key of Object.keys(value)) {
    try {
      const item = standIn(value[key]);
      if (item !== undefined) members.push([key, item]);
    } catch (error) {
      throw at(error, key);
    }
  }
  writeSize(sink, MAP, members.length);
  for (const [key, item] of members) {
    try {
      writeText(sink, key);
      write(sink, item, depth);
    } catch (error) {
      throw at(error, key);
    }
  }
}

/** What is written in place of a value: the answer of its toJSON, unless this format has a form (or an error) of its own for it. */
function standIn(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array || value instanceof Float || value instanceof Date) return value;
  const { toJSON } = value as { toJSON?: unknown };
  return typeof toJSON === 'function' ? Reflect.apply(toJSON, value, ['']) : value;
}

function writeObject(sink: Sink, value: object, depth: number): void {
  if (depth >= MAX_DEPTH) throw tooDeep(MAX_DEPTH);
  if (Array.isArray(value)) writeArray(sink, value, depth + 1);
  else if (value instanceof Uint8Array) writeBytes(sink, value);
  else if (value instanceof Float) writeFloat(sink, value.value);
  else writeInstance(sink, value, depth);
}

function writeInstance(sink: Sink, value: object, depth: number): void {
  // A Date's own toJSON would send text where Python sends a type that this format does not have: better said than guessed.
  if (value instanceof Date) throw new Unwritable('a Date has no form there; send value.toISOString(), or use json');
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === 'function') write(sink, Reflect.apply(toJSON, value, ['']), depth + 1);
  else if (Object.prototype.toString.call(value) === '[object Object]')
    writeMembers(sink, value as Record<string, unknown>, depth + 1);
  else throw unwritableObject(value);
}

function write(sink: Sink, value: unknown, depth: number): void {
  if (value === null) writeByte(sink, 0xc0);
  else if (typeof value === 'string') writeText(sink, value);
  else if (typeof value === 'number') writeNumber(sink, value);
  else if (typeof value === 'object') writeObject(sink, value, depth);
  else if (typeof value === 'boolean') writeByte(sink, value ? 0xc3 : 0xc2);
  else if (typeof value === 'bigint') writeBigInt(sink, value);
  else throw unwritablePrimitive(value);
}

/** The MessagePack bytes of a value. Throws Unwritable (see fault.ts). */
export function writeMsgpack(value: unknown): Uint8Array {
  const sink: Sink = { bytes: Buffer.allocUnsafe(512), at: 0 };
  write(sink, value, 0);
  return Uint8Array.prototype.slice.call(sink.bytes, 0, sink.at);
}
