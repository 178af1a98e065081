// The state of a result at rest, without decoding all of it: what a store that keeps only bytes (Redis) needs to know of them.
// Celery writes `status` first; other writers may not, so the quick look is followed by a thorough one.
import { isUtf8 } from 'node:buffer';

const HEAD = 64;
/** `{"status": "SUCCESS"` and msgpack's fixmap, fixstr "status", fixstr state. */
const JSON_HEAD = /^\s*\{\s*"status"\s*:\s*"([^"\\]*)"/;
const MSGPACK_STATUS = /\xa6status[\xa0-\xbf]([A-Za-z0-9_-]+)/;
/** At the margin only: what lies deeper is indented, and a line of text never begins there. Our writer quotes its keys, Celery's does not. */
const YAML_STATUS = /^(['"]?)status\1: *['"]?([^\s'"]+)/m;

/** The state that a stored record names. What cannot be read counts as an end, so that its reader gets the error instead of waiting for ever. */
export function stateOf(body: Uint8Array): string {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const head = bytes.toString('latin1', 0, HEAD);
  return JSON_HEAD.exec(head)?.[1] ?? thorough(bytes) ?? 'FAILURE';
}

function thorough(bytes: Buffer): string | undefined {
  const first = bytes[0] ?? 0;
  if (first >= 0x80) return MSGPACK_STATUS.exec(bytes.toString('latin1'))?.[1]?.slice(0, lengthOfState(bytes));
  if (!isUtf8(bytes)) return undefined;
  const text = bytes.toString('utf8');
  if (!text.trimStart().startsWith('{')) return YAML_STATUS.exec(text)?.[2];
  try {
    const meta: unknown = JSON.parse(text);
    const status: unknown = typeof meta === 'object' && meta !== null && 'status' in meta ? meta.status : undefined;
    return typeof status === 'string' ? status : undefined;
  } catch {
    return undefined;
  }
}

/** Msgpack's fixstr carries its length in the low five bits of the byte before it. */
function lengthOfState(bytes: Buffer): number {
  const at = bytes.indexOf('\xa6status', 0, 'latin1') + 7;
  return (bytes[at] ?? 0) & 0x1f;
}
