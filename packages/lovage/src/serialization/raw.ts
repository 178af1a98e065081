// Bytes and texts as they are: `raw` (kombu's name for application/data) and plain text.
import { Buffer } from 'node:buffer';
import { EncodeError } from '../util/index.ts';
import type { Serializer } from './seam.ts';
import { decodeText } from './text.ts';

const BINARY: ReadonlySet<string> = new Set(['binary', 'ascii-8bit']);

function encodeRaw(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value === 'string') return Buffer.from(value, 'utf8');
  throw new EncodeError('The serializer raw takes a Uint8Array or a string and nothing else; use json for other values');
}

/** A body without a serializer: bytes when its encoding is binary, else text. */
export function decodeRaw(body: Uint8Array, contentEncoding: string): unknown {
  return BINARY.has(contentEncoding.toLowerCase()) ? body : decodeText(body, contentEncoding);
}

export const rawSerializer: Serializer = {
  name: 'raw',
  contentType: 'application/data',
  contentEncoding: 'binary',
  encode: encodeRaw,
  decode: decodeRaw,
};

export const textSerializer: Serializer = { ...rawSerializer, name: 'text', contentType: 'text/plain', contentEncoding: 'utf-8' };
