// Bytes that say they are text.
import { Buffer, isUtf8 } from 'node:buffer';
import { DecodeError } from '../util/index.ts';

/** UTF-8, strictly: a replacement character in the outcome is looked into. Throws DecodeError. */
export function decodeUtf8(body: Uint8Array): string {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
  // Looking for U+FFFD costs nothing in an ASCII text, which most are.
  if (text.includes('\ufffd') && !isUtf8(body))
    throw new DecodeError('The body is not valid UTF-8, as its content encoding says');
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}

/** Text in any encoding that the platform knows. Throws DecodeError. */
export function decodeText(body: Uint8Array, contentEncoding: string): string {
  if (/^utf-?8$/i.test(contentEncoding)) return decodeUtf8(body);
  if (/^(latin|iso)[-_]?(8859[-_])?1$/i.test(contentEncoding)) return Buffer.from(body).toString('latin1');
  try {
    return new TextDecoder(contentEncoding.replaceAll('_', '-'), { fatal: true }).decode(body);
  } catch (error) {
    throw new DecodeError(`The body is not readable as text in ${JSON.stringify(contentEncoding)}`, { cause: error });
  }
}
