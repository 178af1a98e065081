// A batch as the turn script packs it: for each list in turn its number and its envelopes, as one array of msgpack. The client's reader
// would spend more on each value of an answer than all else here does. A number in place of an envelope is one that the same turn pushed.

/** One envelope, and the number of the list from which it came, from 1. */
export interface Unpacked {
  readonly list: number;
  readonly raw: string;
  /** Known to be without a backslash. */
  readonly isPlain: boolean;
}

const BACKSLASH = 0x5c;

/** List numbers and arrays in turn. */
export type Packed = readonly (number | Buffer)[];

/** How many envelopes a batch has. */
export function countOf(packed: Packed): number {
  return packed.reduce<number>((count, part) => (typeof part === 'number' ? count : count + arrayHeader(part).length), 0);
}

/** The envelopes of a batch, in order. */
export function unpack(packed: Packed, pushed: readonly string[] = []): readonly Unpacked[] {
  const envelopes: Unpacked[] = [];
  let list = 0;
  for (const part of packed) {
    if (typeof part === 'number') list = part;
    else unpackInto(envelopes, list, part, pushed);
  }
  return envelopes;
}

function unpackInto(envelopes: Unpacked[], list: number, bytes: Buffer, pushed: readonly string[]): void {
  // Letters of one byte each need not be decoded, which is much quicker. Headers are no letters, so only one of all is asked.
  const isPlain = !bytes.includes(BACKSLASH);
  const { length } = arrayHeader(bytes);
  let { start } = arrayHeader(bytes);
  for (let n = 0; n < length; n++) {
    const own = numberAt(bytes, start);
    if (own !== undefined) {
      const raw = pushed[own.value - 1] ?? '';
      envelopes.push({ list, raw, isPlain: !raw.includes('\\') });
      start = own.end;
      continue;
    }
    const text = textHeader(bytes, start);
    const end = text.start + text.length;
    const letters = bytes.toString('latin1', text.start, end);
    const isAscii = Buffer.byteLength(letters) === text.length;
    envelopes.push({ list, raw: isAscii ? letters : bytes.toString('utf8', text.start, end), isPlain });
    start = end;
  }
}

/** Fixint, uint 8, uint 16, uint 32; undefined: no number. */
function numberAt(bytes: Buffer, at: number): { readonly value: number; readonly end: number } | undefined {
  const kind = bytes[at] ?? 0;
  if (kind < 0x80) return { value: kind, end: at + 1 };
  if (kind === 0xcc) return { value: bytes[at + 1] ?? 0, end: at + 2 };
  if (kind === 0xcd) return { value: bytes.readUInt16BE(at + 1), end: at + 3 };
  if (kind === 0xce) return { value: bytes.readUInt32BE(at + 1), end: at + 5 };
  return undefined;
}

interface Header {
  readonly start: number;
  readonly length: number;
}

/** Fixarray, array 16, array 32. */
function arrayHeader(bytes: Buffer): Header {
  const kind = bytes[0] ?? 0;
  if (kind === 0xdc) return { start: 3, length: bytes.readUInt16BE(1) };
  if (kind === 0xdd) return { start: 5, length: bytes.readUInt32BE(1) };
  return { start: 1, length: kind & 0x0f };
}

/** Fixstr, str 8, str 16, str 32. */
function textHeader(bytes: Buffer, at: number): Header {
  const kind = bytes[at] ?? 0;
  if (kind === 0xd9) return { start: at + 2, length: bytes[at + 1] ?? 0 };
  if (kind === 0xda) return { start: at + 3, length: bytes.readUInt16BE(at + 1) };
  if (kind === 0xdb) return { start: at + 5, length: bytes.readUInt32BE(at + 1) };
  return { start: at + 1, length: kind & 0x1f };
}
