// Ids: every id that Lovage makes is a UUID; randomness comes from here alone.

import { randomFillSync } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** Ids made at a time. Node's own randomUUID puts each together of twenty short texts, which is a sixth of a publish. */
const AT_ONCE = 128;
/** The first time: a short program needs few. */
const AT_FIRST = 8;
const LENGTH = 36;
const HEX = Buffer.from('0123456789abcdef', 'latin1');
const DASH = 0x2d;

const random = new Uint8Array(AT_ONCE * 16);
const texts = Buffer.alloc(AT_ONCE * LENGTH);
let count = AT_FIRST;
let next = texts.length;

/**
 * Randomness of the system itself, where it gives it out as a file: the first use of `node:crypto` takes four milliseconds, a tenth of what
 * a short program lives. False where it does not.
 */
function fillFromSystem(bytes: number): boolean {
  let file: number | undefined;
  try {
    file = openSync('/dev/urandom', 'r');
    return fstatSync(file).isCharacterDevice() && readSync(file, random, 0, bytes, null) === bytes;
  } catch {
    return false;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Fills the end of `texts` with new ids (RFC 9562, version 4). */
function refill(): void {
  const bytes = count * 16;
  if (count !== AT_FIRST || !fillFromSystem(bytes)) randomFillSync(random, 0, bytes);
  const first = texts.length - count * LENGTH;
  let at = first;
  for (let index = 0; index < bytes; index++) {
    const place = index % 16;
    let byte = random[index] ?? 0;
    if (place === 6) byte = (byte & 0x0f) | 0x40;
    else if (place === 8) byte = (byte & 0x3f) | 0x80;
    if (place === 4 || place === 6 || place === 8 || place === 10) texts[at++] = DASH;
    texts[at++] = HEX[byte >> 4] ?? 0;
    texts[at++] = HEX[byte & 0x0f] ?? 0;
  }
  next = first;
  count = AT_ONCE;
}

/** A new lower-case UUID version 4. */
export function uuid(): string {
  if (next === texts.length) refill();
  const at = next;
  next += LENGTH;
  return texts.toString('latin1', at, next);
}
