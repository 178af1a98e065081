// The seam of serializers and compressors: bytes in, values out, and nothing about messages but where a chain is. registry.ts picks by name
// or MIME type.
import type { ChainText } from '../protocol/index.ts';

/** Turns values into bytes and back. Throws EncodeError or DecodeError, nothing else. */
export interface Serializer {
  /** As options and settings name it: `json`. */
  readonly name: string;
  readonly contentType: string;
  /** `utf-8` or `binary`. */
  readonly contentEncoding: string;
  encode(value: unknown): Uint8Array;
  decode(body: Uint8Array, contentEncoding: string): unknown;
  /** Bodies of tasks whose chain stays text but for its next step. */
  readonly chains?: {
    /** `behind` is absent when all was read. */
    decode(body: Uint8Array): BodyRead;
    /** Writes a body as writeTaskBody makes it, with `behind` in the place of its chain, which is null. */
    encode(value: readonly unknown[], behind: ChainText): Uint8Array;
  };
}

/** What was read of a body: its chain has one element where others are `behind` it. */
export interface BodyRead {
  readonly value: unknown;
  readonly behind?: ChainText;
}

/** Makes bytes fewer. */
export interface Compression {
  /** First the name, then its aliases. */
  readonly names: readonly string[];
  /** What the header `compression` says. */
  readonly mime: string;
  compress(body: Uint8Array): Uint8Array;
  /** Must stop at `maxBytes` of output; whatever it throws is reported as a DecodeError. */
  decompress(body: Uint8Array, maxBytes: number): Uint8Array;
}

/** A type of its own in tagged JSON: `{"__type__": marker, "__value__": …}`, kombu's `register_type`. */
export interface JsonType<T = unknown> {
  readonly marker: string;
  /** Is this value one of them? Asked for objects only, never for plain ones and arrays. */
  is(value: object): value is T & object;
  encode(value: T): unknown;
  /** Throws when the value is no good; it is reported as a DecodeError. */
  decode(value: unknown): T;
}

/** A value on the wire. */
export interface Encoded {
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly contentEncoding: string;
  /** MIME name for the header `compression`; undefined: not compressed. */
  readonly compression: string | undefined;
}

/** What decode needs to know of a message; absent parts mean what kombu takes them for. */
export interface EncodedInput {
  readonly body: Uint8Array;
  /** @default 'application/data' */
  readonly contentType?: string | undefined;
  /** @default 'utf-8' */
  readonly contentEncoding?: string | undefined;
  /** MIME name or alias. */
  readonly compression?: string | undefined;
}

/** How deep values may nest, in every serializer: as deep as Python reads without running out of stack, and we too. */
export const MAX_DEPTH = 500;
