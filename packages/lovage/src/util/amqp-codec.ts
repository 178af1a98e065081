// AMQP field tables as py-amqp and RabbitMQ write and read them; takes the place of amqplib's own two functions.
// amqplib writes small integers with tags that py-amqp reads as strings, and cannot read tag `L`, which py-amqp writes.
// Called by amqp-client.ts, which loads amqplib with this codec.

/** A value of a kind that JavaScript has not: `{ '!': 'decimal', value: { places: 2, digits: 314 } }`. */
export interface TypedField {
  readonly '!': string;
  readonly value: unknown;
}

/** Under this key stands why the rest of a table could not be read; such a message must not end a worker. */
export const UNREADABLE_HEADERS = 'x-lovage-unreadable';

const MAX_INT32 = 2 ** 31 - 1;
const MAX_INT64 = 2n ** 63n - 1n;
/** The last second that a JavaScript Date can hold. */
const MAX_DATE_SECONDS = 8.64e12;

function need(buffer: Buffer, offset: number, size: number): void {
  if (offset + size <= buffer.length) return;
  throw new RangeError(`The headers of a message (or the arguments of a declaration) do not fit into ${buffer.length} bytes.`);
}

function writeTag(buffer: Buffer, tag: string, offset: number, size: number): number {
  need(buffer, offset, 1 + size);
  buffer[offset] = tag.charCodeAt(0);
  return offset + 1;
}

function writeText(buffer: Buffer, text: string, offset: number): number {
  const size = Buffer.byteLength(text);
  const at = writeTag(buffer, 'S', offset, 4 + size);
  buffer.writeUInt32BE(size, at);
  buffer.write(text, at + 4, size, 'utf8');
  return at + 4 + size;
}

function writeBytes(buffer: Buffer, bytes: Uint8Array, offset: number): number {
  const at = writeTag(buffer, 'x', offset, 4 + bytes.length);
  buffer.writeUInt32BE(bytes.length, at);
  buffer.set(bytes, at + 4);
  return at + 4 + bytes.length;
}

function writeDouble(buffer: Buffer, value: number, offset: number): number {
  // RabbitMQ cannot read these and closes the connection, with all that is under way on it.
  if (!Number.isFinite(value)) throw new RangeError(`The header value ${value} has no form on RabbitMQ.`);
  return buffer.writeDoubleBE(value, writeTag(buffer, 'd', offset, 8));
}

function writeLong(buffer: Buffer, value: bigint, offset: number): number {
  if (value > MAX_INT64 || value < -MAX_INT64 - 1n) throw new RangeError(`The header value ${value} does not fit into 64 bits.`);
  return buffer.writeBigInt64BE(value, writeTag(buffer, 'L', offset, 8));
}

/** Exactly py-amqp's choice: `I` within ±(2^31 − 1), else `L`; what is no 64-bit integer is a double. */
function writeNumber(buffer: Buffer, value: number, offset: number): number {
  if (!Number.isInteger(value) || Math.abs(value) >= 2 ** 63) return writeDouble(buffer, value, offset);
  if (Math.abs(value) <= MAX_INT32) return buffer.writeInt32BE(value, writeTag(buffer, 'I', offset, 4));
  return writeLong(buffer, BigInt(value), offset);
}

function writeTimestamp(buffer: Buffer, seconds: number, offset: number): number {
  return buffer.writeBigUInt64BE(BigInt(Math.floor(seconds)), writeTag(buffer, 'T', offset, 8));
}

function writeDecimal(buffer: Buffer, value: { readonly places: number; readonly digits: number }, offset: number): number {
  const at = writeTag(buffer, 'D', offset, 5);
  return buffer.writeInt32BE(value.digits, buffer.writeUInt8(value.places, at));
}

function writeTyped(buffer: Buffer, field: TypedField, offset: number): number {
  if (field['!'] === 'timestamp') return writeTimestamp(buffer, Number(field.value), offset);
  if (field['!'] === 'decimal') return writeDecimal(buffer, field.value as { places: number; digits: number }, offset);
  if (field['!'] === 'double' || field['!'] === 'float') return writeDouble(buffer, Number(field.value), offset);
  if (field['!'] === 'long' || field['!'] === 'int64') return writeLong(buffer, BigInt(field.value as number), offset);
  return writeValue(buffer, field.value, offset);
}

function writeArray(buffer: Buffer, items: readonly unknown[], offset: number): number {
  const start = writeTag(buffer, 'A', offset, 4) + 4;
  let at = start;
  for (const item of items) at = writeValue(buffer, item, at);
  buffer.writeUInt32BE(at - start, start - 4);
  return at;
}

function writeObject(buffer: Buffer, value: object, offset: number): number {
  if (Array.isArray(value)) return writeArray(buffer, value, offset);
  if (value instanceof Uint8Array) return writeBytes(buffer, value, offset);
  if (value instanceof Date) return writeTimestamp(buffer, value.getTime() / 1000, offset);
  if (Object.hasOwn(value, '!')) return writeTyped(buffer, value as TypedField, offset);
  const at = writeTag(buffer, 'F', offset, 4);
  return at + encodeTable(buffer, value as Record<string, unknown>, at);
}

function writeValue(buffer: Buffer, value: unknown, offset: number): number {
  switch (typeof value) {
    case 'string':
      return writeText(buffer, value, offset);
    case 'number':
      return writeNumber(buffer, value, offset);
    case 'boolean':
      return buffer.writeUInt8(value ? 1 : 0, writeTag(buffer, 't', offset, 1));
    case 'bigint':
      return value >= -BigInt(MAX_INT32) && value <= BigInt(MAX_INT32)
        ? writeNumber(buffer, Number(value), offset)
        : writeLong(buffer, value, offset);
    case 'object':
      return value === null ? writeTag(buffer, 'V', offset, 0) : writeObject(buffer, value, offset);
    case 'undefined':
      return writeTag(buffer, 'V', offset, 0);
    default:
      throw new TypeError(`A ${typeof value} cannot stand in the headers of a message.`);
  }
}

/** Writes `table` at `offset` and returns how many bytes it took. Inherited keys count: amqplib hands over its defaults so. */
export function encodeTable(buffer: Buffer, table: Readonly<Record<string, unknown>>, offset: number): number {
  need(buffer, offset, 4);
  let at = offset + 4;
  for (const key in table) {
    const value = table[key];
    if (value === undefined) continue;
    const size = Buffer.byteLength(key);
    if (size > 255) throw new RangeError(`The header name "${key.slice(0, 40)}…" is longer than 255 bytes.`);
    need(buffer, at, 1 + size);
    buffer[at] = size;
    buffer.write(key, at + 1, size, 'utf8');
    at = writeValue(buffer, value, at + 1 + size);
  }
  buffer.writeUInt32BE(at - offset - 4, offset);
  return at - offset;
}

interface Reader {
  readonly bytes: Buffer;
  at: number;
}

function skip(reader: Reader, size: number): number {
  const at = reader.at;
  if (at + size > reader.bytes.length) throw new RangeError('ends too early');
  reader.at = at + size;
  return at;
}

function readLong(reader: Reader): number | bigint {
  const value = reader.bytes.readBigInt64BE(skip(reader, 8));
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function readTimestamp(reader: Reader): Date | TypedField {
  const seconds = Number(reader.bytes.readBigUInt64BE(skip(reader, 8)));
  return seconds <= MAX_DATE_SECONDS ? new Date(seconds * 1000) : { '!': 'timestamp', value: seconds };
}

function readDecimal(reader: Reader): TypedField {
  const at = skip(reader, 5);
  return { '!': 'decimal', value: { places: reader.bytes.readUInt8(at), digits: reader.bytes.readInt32BE(at + 1) } };
}

function readSlice(reader: Reader): Buffer {
  const size = reader.bytes.readUInt32BE(skip(reader, 4));
  const at = skip(reader, size);
  return reader.bytes.subarray(at, at + size);
}

function readArray(reader: Reader): unknown[] {
  const inner: Reader = { bytes: readSlice(reader), at: 0 };
  const items: unknown[] = [];
  while (inner.at < inner.bytes.length) items.push(readValue(inner));
  return items;
}

// Tags as RabbitMQ writes them (https://www.rabbitmq.com/amqp-0-9-1-errata), and `L` and `U` as py-amqp means them.
const READERS: Readonly<Record<string, (reader: Reader) => unknown>> = {
  S: (reader) => readSlice(reader).toString('utf8'),
  I: (reader) => reader.bytes.readInt32BE(skip(reader, 4)),
  V: () => null,
  t: (reader) => reader.bytes[skip(reader, 1)] !== 0,
  F: (reader) => readTable({ bytes: readSlice(reader), at: 0 }),
  A: readArray,
  L: readLong,
  l: readLong,
  d: (reader) => reader.bytes.readDoubleBE(skip(reader, 8)),
  f: (reader) => reader.bytes.readFloatBE(skip(reader, 4)),
  T: readTimestamp,
  D: readDecimal,
  x: (reader) => Buffer.from(readSlice(reader)),
  b: (reader) => reader.bytes.readInt8(skip(reader, 1)),
  B: (reader) => reader.bytes.readUInt8(skip(reader, 1)),
  s: (reader) => reader.bytes.readInt16BE(skip(reader, 2)),
  U: (reader) => reader.bytes.readInt16BE(skip(reader, 2)),
  u: (reader) => reader.bytes.readUInt16BE(skip(reader, 2)),
  i: (reader) => reader.bytes.readUInt32BE(skip(reader, 4)),
};

function readValue(reader: Reader): unknown {
  const tag = String.fromCharCode(reader.bytes.readUInt8(skip(reader, 1)));
  const read = READERS[tag];
  if (read === undefined) throw new TypeError(`has a value of the unknown type "${tag}"`);
  return read(reader);
}

function set(table: Record<string, unknown>, key: string, value: unknown): void {
  // A header named __proto__ is a header, not a prototype.
  if (key === '__proto__') Object.defineProperty(table, key, { value, enumerable: true, configurable: true, writable: true });
  else table[key] = value;
}

function readTable(reader: Reader, table: Record<string, unknown> = {}): Record<string, unknown> {
  while (reader.at < reader.bytes.length) {
    const size = reader.bytes.readUInt8(skip(reader, 1));
    const at = skip(reader, size);
    set(table, reader.bytes.toString('utf8', at, at + size), readValue(reader));
  }
  return table;
}

/** Reads the fields of a table (its length cut off). Never throws: what came before the unreadable place is kept and marked. */
export function decodeFields(bytes: Buffer): Record<string, unknown> {
  const table: Record<string, unknown> = {};
  try {
    return readTable({ bytes, at: 0 }, table);
  } catch (error) {
    return { ...table, [UNREADABLE_HEADERS]: `the table ${error instanceof Error ? error.message : String(error)}` };
  }
}
