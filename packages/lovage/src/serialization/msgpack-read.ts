// Reading MessagePack. Our own because the body is hostile until shown otherwise: nothing is allocated on the word of a length
// that the bytes do not cover, depth is limited, `__proto__` is a key like any other, and integers keep their 64 bits.
import { Buffer } from 'node:buffer';
import { setOwn } from './json-read.ts';
import { MAX_DEPTH } from './seam.ts';

interface Source {
  readonly bytes: Buffer;
  at: number;
}

/** Steps over `size` bytes that must be there; returns where they begin. */
function take(source: Source, size: number): number {
  const start = source.at;
  if (size > source.bytes.length - start) throw new RangeError(`it ends ${start + size - source.bytes.length} bytes too early`);
  source.at += size;
  return start;
}

const uint = (source: Source, size: 1 | 2 | 4): number => source.bytes.readUIntBE(take(source, size), size);
const int = (source: Source, size: 1 | 2 | 4): number => source.bytes.readIntBE(take(source, size), size);

function big(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function readText(source: Source, size: number): string {
  const start = take(source, size);
  return source.bytes.toString('utf8', start, start + size);
}

function readBytes(source: Source, size: number): Uint8Array {
  const start = take(source, size);
  return Uint8Array.from(source.bytes.subarray(start, start + size));
}

/** Every item takes a byte at least, so a length beyond what is left is a lie. */
function covered(source: Source, count: number, bytesEach: number): void {
  if (count * bytesEach > source.bytes.length - source.at)
    throw new RangeError(`a length of ${count} is more than the bytes that follow`);
}

function readArray(source: Source, count: number, depth: number): unknown[] {
  covered(source, count, 1);
  const items: unknown[] = [];
  for (let index = 0; index < count; index++) items.push(read(source, depth));
  return items;
}

function readKey(source: Source, depth: number): string {
  const key = read(source, depth);
  if (typeof key === 'string') return key;
  if (typeof key === 'number' || typeof key === 'bigint' || typeof key === 'boolean') return String(key);
  throw new TypeError('a key is neither text nor number');
}

function readMembers(source: Source, count: number, depth: number): Record<string, unknown> {
  covered(source, count, 2);
  const members: Record<string, unknown> = {};
  for (let index = 0; index < count; index++) setOwn(members, readKey(source, depth), read(source, depth));
  return members;
}

type Reader = (source: Source, depth: number) => unknown;

const READERS: Readonly<Record<number, Reader>> = {
  192: () => null,
  194: () => false,
  195: () => true,
  196: (source) => readBytes(source, uint(source, 1)),
  197: (source) => readBytes(source, uint(source, 2)),
  198: (source) => readBytes(source, uint(source, 4)),
  202: (source) => source.bytes.readFloatBE(take(source, 4)),
  203: (source) => source.bytes.readDoubleBE(take(source, 8)),
  204: (source) => uint(source, 1),
  205: (source) => uint(source, 2),
  206: (source) => uint(source, 4),
  207: (source) => big(source.bytes.readBigUInt64BE(take(source, 8))),
  208: (source) => int(source, 1),
  209: (source) => int(source, 2),
  210: (source) => int(source, 4),
  211: (source) => big(source.bytes.readBigInt64BE(take(source, 8))),
  217: (source) => readText(source, uint(source, 1)),
  218: (source) => readText(source, uint(source, 2)),
  219: (source) => readText(source, uint(source, 4)),
  220: (source, depth) => readArray(source, uint(source, 2), depth),
  221: (source, depth) => readArray(source, uint(source, 4), depth),
  222: (source, depth) => readMembers(source, uint(source, 2), depth),
  223: (source, depth) => readMembers(source, uint(source, 4), depth),
};

function read(source: Source, depth: number): unknown {
  const type = source.bytes[take(source, 1)] ?? 0;
  if (type < 0x80) return type;
  if (type >= 0xe0) return type - 0x100;
  if (type >= 0xa0 && type < 0xc0) return readText(source, type - 0xa0);
  if (depth === 0) throw new RangeError(`it is nested deeper than ${MAX_DEPTH} levels`);
  if (type < 0x90) return readMembers(source, type - 0x80, depth - 1);
  if (type < 0xa0) return readArray(source, type - 0x90, depth - 1);
  const reader = READERS[type];
  if (reader === undefined) throw new TypeError(`the type byte 0x${type.toString(16)} (an extension) is not read`);
  return reader(source, depth - 1);
}

/** The value of MessagePack bytes. Throws RangeError or TypeError. */
export function readMsgpack(body: Uint8Array): unknown {
  const source: Source = { bytes: Buffer.from(body.buffer, body.byteOffset, body.byteLength), at: 0 };
  const value = read(source, MAX_DEPTH);
  if (source.at < body.byteLength) throw new RangeError(`${body.byteLength - source.at} bytes follow the value`);
  return value;
}
