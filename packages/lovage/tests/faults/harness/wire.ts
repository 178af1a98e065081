// Reads along what passes on a line, without touching it: AMQP frames and Redis commands and replies, cut out of a stream of chunks.
// The proxy asks these readers where in the stream something begins and ends, so that it can act at that very byte.

/** One thing that passed, with its place in the stream of its direction. */
export interface Passed {
  /** AMQP: `60.40` (class and method). Redis: the command's name, on both directions. */
  readonly name: string;
  /** Place of its first byte and of the byte behind its last. */
  readonly start: number;
  readonly end: number;
  /** Its bytes. */
  readonly bytes: Buffer;
}

/** Takes chunks, gives back what is complete by now. */
export type Reader = (chunk: Buffer) => readonly Passed[];

export const PUBLISH = '60.40';
export const ACK = '60.80';
export const DELIVER = '60.60';

/** Properties and headers of a message, which follow its publish. */
export const HEADER = 'header';

const METHOD_FRAME = 1;
const HEADER_FRAME = 2;
const FRAME_OVERHEAD = 8;

/** Cuts a stream into pieces whose length `measure` tells (0: not complete yet). */
function cutter(measure: (bytes: Buffer, at: number) => number, name: (piece: Buffer) => string | undefined): Reader {
  let rest: Buffer = Buffer.alloc(0);
  let place = 0;
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const passed: Passed[] = [];
    let at = 0;
    for (let length = measure(rest, at); length > 0; length = measure(rest, at)) {
      const bytes = rest.subarray(at, at + length);
      const what = name(bytes);
      if (what !== undefined) passed.push({ name: what, start: place + at, end: place + at + length, bytes });
      at += length;
    }
    rest = rest.subarray(at);
    place += at;
    return passed;
  };
}

/** The methods and headers in a stream of AMQP 0-9-1; other frames pass unseen. */
export function amqpReader(): Reader {
  let isFirst = true;
  return cutter(
    (bytes, at) => {
      // The client opens with eight bytes that are no frame.
      if (isFirst && bytes.length - at >= 8) {
        isFirst = false;
        if (bytes.toString('latin1', at, at + 4) === 'AMQP') return 8;
      }
      if (bytes.length - at < FRAME_OVERHEAD) return 0;
      const length = bytes.readUInt32BE(at + 3) + FRAME_OVERHEAD;
      return bytes.length - at >= length ? length : 0;
    },
    (frame) => {
      if (frame[0] === HEADER_FRAME) return HEADER;
      return frame[0] === METHOD_FRAME && frame.length >= 12 ? `${frame.readUInt16BE(7)}.${frame.readUInt16BE(9)}` : undefined;
    },
  );
}

const CR = 13;

/** How long the value at `at` is, in Redis' protocol; 0 when it is not complete. */
export function respLength(bytes: Buffer, at: number): number {
  const line = bytes.indexOf(CR, at);
  if (line < 0 || line + 1 >= bytes.length) return 0;
  const head = line + 2 - at;
  const kind = String.fromCharCode(bytes[at] ?? 0);
  if (!'$*%~>='.includes(kind)) return head;
  const count = Number(bytes.toString('latin1', at + 1, line));
  if (count < 0) return head;
  if (kind === '$' || kind === '=') return bytes.length - at >= head + count + 2 ? head + count + 2 : 0;
  let length = head;
  for (let left = kind === '%' ? 2 * count : count; left > 0; left--) {
    const more = at + length < bytes.length ? respLength(bytes, at + length) : 0;
    if (more === 0) return 0;
    length += more;
  }
  return length;
}

/** The name of a command that is an array of bulk strings. */
function commandName(bytes: Buffer): string {
  const parts = bytes.toString('latin1', 0, 64).split('\r\n');
  return (parts[2] ?? '').toUpperCase();
}

/** Both directions of a Redis line; a reply bears the name of its command. Lines that subscribe are not followed. */
export function redisReaders(): { readonly up: Reader; readonly down: Reader } {
  const asked: string[] = [];
  const up = cutter(respLength, commandName);
  const down = cutter(respLength, () => asked.shift());
  return {
    up: (chunk) => {
      const passed = up(chunk);
      for (const { name } of passed) asked.push(name);
      return passed;
    },
    down,
  };
}
