// Values to bytes and back: serializers, compression, the accept list. Comes in: a value and names from options or settings, or a
// body with its content headers. Goes out: bytes, or plain data; a broken, refused or too large body is a ContentError, never a crash.
export { DateTime, Decimal, Float, PlainDate, PlainTime, Uuid } from '../protocol/index.ts';
export { readHeaderJson, writeHeaderJson } from './header-json.ts';
export type { JsonTypes } from './json.ts';
export { createSerialization, type Serialization, type SerializationOptions } from './registry.ts';
export {
  type BodyRead,
  type Compression,
  type Encoded,
  type EncodedInput,
  type JsonType,
  MAX_DEPTH,
  type Serializer,
} from './seam.ts';
