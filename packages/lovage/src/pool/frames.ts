// The bytes between a worker and its slots, the same over a pipe and over a message port: u32 length of what follows, u8 type, u32 number
// of the job, u8 how the head is written, u32 length of the head, head, body. What one turn of the loop says is written together.

import type { Writable } from 'node:stream';

/** What a frame says; the comment names who says it. */
export const FRAME = {
  /** Worker: all that the slot's program needs to begin. */
  init: 1,
  /** Worker: run this. */
  job: 2,
  /** Worker: ask that job to stop. */
  abort: 3,
  /** Worker: no more jobs; leave when the last one has ended. */
  leave: 4,
  /** Slot: ready for jobs. */
  up: 5,
  /** Slot: could not begin. */
  failed: 6,
  /** Slot: the task of that job has begun. Not said of one that has ended by then, whose end says it. */
  accept: 7,
  /** Slot: how that job ended. */
  done: 8,
  /** Slot: what was left running of that job has ended, too. */
  free: 9,
  /** Slot: a line of its log. */
  log: 10,
  /** Slot: that job was taken back and is not run. */
  skipped: 11,
  /** Slot: it ends because of the task with the id in the head, an error of which nobody caught, or which left the process. */
  culprit: 12,
  /** Slot: the body of that job, whose hard limit is near or has passed, is over; its handlers and errbacks may not be. */
  ending: 13,
} as const;

export type FrameType = (typeof FRAME)[keyof typeof FRAME];

/** Bytes before the head. */
const PREFIX = 14;

/** How a head is written. */
export type HeadKind = 0 | 1;
export const JSON_HEAD: HeadKind = 0;
/** V8's own format, for what JSON has no form for; both ends run the same program. */
export const V8_HEAD: HeadKind = 1;

/** A frame as it came. Its parts are views of what was read at once. */
export class Frame {
  readonly type: number;
  readonly seq: number;
  readonly kind: number;
  readonly #bytes: Buffer;
  readonly #head: number;
  readonly #body: number;
  readonly #end: number;

  /** The frame in `bytes`, which begins at `at`, behind its length, and ends at `end`. */
  constructor(bytes: Buffer, at: number, end: number) {
    this.type = bytes[at] ?? 0;
    this.seq = bytes.readUInt32BE(at + 1);
    this.kind = bytes[at + 5] ?? 0;
    this.#bytes = bytes;
    this.#head = at + PREFIX - 4;
    this.#body = this.#head + bytes.readUInt32BE(at + 6);
    this.#end = end;
  }

  /** Bytes of head and body. */
  get size(): number {
    return this.#end - this.#head;
  }

  get text(): string {
    return this.#bytes.toString('utf8', this.#head, this.#body);
  }

  get head(): Buffer {
    return this.#bytes.subarray(this.#head, this.#body);
  }

  get body(): Buffer {
    return this.#bytes.subarray(this.#body, this.#end);
  }
}

const BATCH = 65_536;
/** What has been collected is written once it is so much: the other side works on it while the rest comes. */
const PIECE = 16_384;
/** Text takes at most three bytes for each of its units. */
const WIDEST = 3;
/** A part of this size is written as it is instead of being copied into the batch. */
const LARGE = 16_384;
const NOTHING = Buffer.alloc(0);

/** Sends one frame. */
export type SendFrame = (type: FrameType, seq: number, head?: string | Uint8Array, body?: Uint8Array) => void;

/** Takes bytes. Says whether it still reads them: else their memory is used again. */
export type WriteBytes = (bytes: Buffer) => boolean;

function bytesOf(data: Uint8Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

/** Writes to a stream. Never waits: a slot has few jobs, and each frame of them is there once. */
export function writingTo(stream: Writable): WriteBytes {
  return (bytes) => {
    if (stream.destroyed) return false;
    stream.write(bytes);
    // What the system took whole is written.
    return stream.writableLength > 0;
  };
}

/** Joins the frames of one turn. */
export class FrameWriter {
  readonly #write: WriteBytes;
  #batch = Buffer.allocUnsafeSlow(BATCH);
  #used = 0;
  #scheduled = false;
  readonly #flush = (): void => this.flush();

  constructor(write: WriteBytes) {
    this.#write = write;
  }

  send(type: FrameType, seq: number, head: string | Uint8Array = '', body: Uint8Array = NOTHING): void {
    if (typeof head === 'string' && head.length * WIDEST <= LARGE) this.#small(type, seq, head, body);
    else
      this.#any(
        type,
        seq,
        typeof head === 'string' ? Buffer.from(head) : head,
        body,
        typeof head === 'string' ? JSON_HEAD : V8_HEAD,
      );
    if (this.#used >= PIECE) this.#spill();
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#flush);
  }

  /** Writes what has been collected. */
  flush(): void {
    this.#scheduled = false;
    if (this.#used === 0) return;
    const kept = this.#write(this.#batch.subarray(0, this.#used));
    this.#used = 0;
    if (kept) this.#batch = Buffer.allocUnsafeSlow(BATCH);
  }

  #small(type: FrameType, seq: number, head: string, body: Uint8Array): void {
    const inline = body.length <= LARGE;
    this.#room(PREFIX + head.length * WIDEST + (inline ? body.length : 0));
    const length = this.#batch.write(head, this.#used + PREFIX);
    this.#prefix(type, seq, JSON_HEAD, length, body.length);
    this.#used += length;
    this.#append(body, inline);
  }

  #any(type: FrameType, seq: number, head: Uint8Array, body: Uint8Array, kind: HeadKind): void {
    this.#room(PREFIX);
    this.#prefix(type, seq, kind, head.length, body.length);
    for (const part of [head, body]) {
      const inline = part.length <= BATCH - this.#used;
      this.#append(part, inline);
    }
  }

  #room(bytes: number): void {
    if (this.#used + bytes > BATCH) this.#spill();
  }

  /** Writes what there is and keeps the turn open. */
  #spill(): void {
    const scheduled = this.#scheduled;
    this.flush();
    this.#scheduled = scheduled;
  }

  #prefix(type: FrameType, seq: number, kind: HeadKind, head: number, body: number): void {
    const batch = this.#batch;
    const at = this.#used;
    batch.writeUInt32BE(PREFIX - 4 + head + body, at);
    batch[at + 4] = type;
    batch.writeUInt32BE(seq, at + 5);
    batch[at + 9] = kind;
    batch.writeUInt32BE(head, at + 10);
    this.#used = at + PREFIX;
  }

  #append(part: Uint8Array, inline: boolean): void {
    if (part.length === 0) return;
    if (inline) {
      this.#batch.set(part, this.#used);
      this.#used += part.length;
      return;
    }
    this.#spill();
    this.#write(bytesOf(part));
  }
}

function lengthAt(bytes: Buffer, at: number): number {
  const length = bytes.readUInt32BE(at);
  if (length < PREFIX - 4) throw new RangeError(`A frame has ${PREFIX - 4} bytes at least, not ${length}.`);
  return length;
}

/** Cuts a stream of bytes into frames again, wherever it was cut. Throws for what is none. */
export class FrameReader {
  readonly #onFrame: (frame: Frame) => void;
  /** The beginning of a frame whose rest has not come. */
  #open: Buffer | undefined;
  #filled = 0;
  readonly #start = Buffer.alloc(4);
  #started = 0;

  constructor(onFrame: (frame: Frame) => void) {
    this.#onFrame = onFrame;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) at = this.#open === undefined ? this.#begin(chunk, at) : this.#fill(this.#open, chunk, at);
  }

  /** At the start of a frame. Returns how far it read. */
  #begin(chunk: Buffer, at: number): number {
    if (this.#started === 0 && chunk.length - at >= 4) {
      const length = lengthAt(chunk, at);
      const end = at + 4 + length;
      if (end <= chunk.length) {
        this.#onFrame(new Frame(chunk, at + 4, end));
        return end;
      }
      this.#open = Buffer.allocUnsafeSlow(length);
      this.#filled = 0;
      return at + 4;
    }
    const take = Math.min(4 - this.#started, chunk.length - at);
    chunk.copy(this.#start, this.#started, at, at + take);
    this.#started += take;
    if (this.#started === 4) {
      this.#started = 0;
      this.#open = Buffer.allocUnsafeSlow(lengthAt(this.#start, 0));
      this.#filled = 0;
    }
    return at + take;
  }

  #fill(open: Buffer, chunk: Buffer, at: number): number {
    const take = Math.min(open.length - this.#filled, chunk.length - at);
    chunk.copy(open, this.#filled, at, at + take);
    this.#filled += take;
    if (this.#filled === open.length) {
      this.#open = undefined;
      this.#onFrame(new Frame(open, 0, open.length));
    }
    return at + take;
  }
}

/** Reads frames up to what is none, or has nothing in it that can be read: nothing behind that is heard, and `broken` is told. */
export function readingFrames(onFrame: (frame: Frame) => void, broken: (error: unknown) => void): (bytes: Buffer) => void {
  const reader = new FrameReader(onFrame);
  let isBroken = false;
  return (bytes) => {
    if (isBroken) return;
    try {
      reader.push(bytes);
    } catch (error) {
      isBroken = true;
      broken(error);
    }
  };
}
