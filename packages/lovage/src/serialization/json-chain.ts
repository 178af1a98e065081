// The chain in the JSON text of a task's body: found without reading it, so that all but its next step can stay text (see
// protocol/chain-text.ts). Called by json.ts.
import { MAX_DEPTH } from './seam.ts';

/** Shorter texts are read as quickly as they are cut. */
const SHORT = 2000;
const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [LIST, LIST_END, OBJECT, OBJECT_END] = [0x5b, 0x5d, 0x7b, 0x7d];

const isSpace = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;

function skipSpace(text: string, from: number): number {
  let at = from;
  while (isSpace(text.charCodeAt(at))) at++;
  return at;
}

/** Behind the string that begins at `from`. */
function skipString(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at + 1;
    if (code === BACKSLASH) at++;
  }
  return -1;
}

/** Behind the value that begins at `from`; -1 when it does not end, or nests too deep. */
function skipValue(text: string, from: number): number {
  let depth = 0;
  let at = from;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = skipString(text, at);
      if (at < 0 || depth === 0) return at;
      continue;
    }
    if (code === LIST || code === OBJECT) depth++;
    else if (code === LIST_END || code === OBJECT_END) {
      // A word that ends with what it stands in.
      if (depth === 0) return at;
      depth--;
      if (depth === 0) return at + 1;
    } else if (depth === 0 && (code === COMMA || isSpace(code))) return at;
    if (depth > MAX_DEPTH) return -1;
    at++;
  }
  return -1;
}

/** Behind the value from `from` on and the mark that must follow it; -1 when another does. */
function past(text: string, from: number, mark: number): number {
  const end = from < 0 ? -1 : skipValue(text, skipSpace(text, from));
  if (end < 0) return -1;
  const at = skipSpace(text, end);
  return text.charCodeAt(at) === mark ? at + 1 : -1;
}

/** Behind the `[` of the member `chain` of the third part of a body; -1 when there is none. */
function chainStart(text: string): number {
  const open = skipSpace(text, 0);
  if (text.charCodeAt(open) !== LIST) return -1;
  let at = skipSpace(text, past(text, past(text, open + 1, COMMA), COMMA));
  if (at < 0 || text.charCodeAt(at) !== OBJECT) return -1;
  for (at++; at > 0; at = past(text, at, COMMA)) {
    const key = skipSpace(text, at);
    const colon = past(text, key, COLON);
    if (colon < 0) return -1;
    at = skipSpace(text, colon);
    if (text.startsWith('"chain"', key)) return text.charCodeAt(at) === LIST ? at + 1 : -1;
  }
  return -1;
}

/** Where the string begins whose closing quote is at `close`; -1 when it does not. A quote inside of it stands behind an odd number of backslashes. */
function stringBefore(text: string, close: number): number {
  for (let at = close; at > 0; ) {
    at = text.lastIndexOf('"', at - 1);
    let before = at;
    while (before > 0 && text.charCodeAt(before - 1) === BACKSLASH) before--;
    if (at < 0 || (at - before) % 2 === 0) return at;
  }
  return -1;
}

function skipSpaceBack(text: string, from: number): number {
  let at = from;
  while (at > 0 && isSpace(text.charCodeAt(at - 1))) at--;
  return at;
}

/** Where the value begins that ends before `end`, of a text that is JSON; -1 when it does not. */
function valueBefore(text: string, end: number): number {
  let depth = 0;
  let at = end;
  while (at > 0) {
    const code = text.charCodeAt(at - 1);
    if (code === QUOTE) {
      at = stringBefore(text, at - 1);
      if (at < 0 || depth === 0) return at;
    } else if (code === LIST_END || code === OBJECT_END) {
      depth++;
      at--;
    } else if (code === LIST || code === OBJECT) {
      if (depth === 0) return at;
      depth--;
      at--;
      if (depth === 0) return at;
    } else if (depth === 0 && (code === COMMA || code === COLON || isSpace(code))) return at;
    else at--;
  }
  return -1;
}

/** Before the mark that stands there, spaces apart; -1 when another does. */
function before(text: string, from: number, mark: number): number {
  const at = from < 0 ? -1 : skipSpaceBack(text, from);
  return at > 0 && text.charCodeAt(at - 1) === mark ? at - 1 : -1;
}

/** Before the `]` of a chain with which a body ends but for its chord, the order of both languages; -1 when it does not. */
function chainEnd(text: string): number {
  const chord = before(text, before(text, text.length, LIST_END), OBJECT_END);
  const colon = chord < 0 ? -1 : before(text, valueBefore(text, skipSpaceBack(text, chord)), COLON);
  const key = skipSpaceBack(text, colon);
  if (colon < 0 || !text.endsWith('"chord"', key)) return -1;
  return before(text, before(text, key - '"chord"'.length, COMMA), LIST_END);
}

/**
 * A body's text with the last element of its chain alone, and the list of the others. Undefined when all of it must be read: its chain is
 * short, it holds tagged types, or it is not what it should be. It is cut from its end, so that a step costs no more the more steps are
 * behind it; what is wrong with those is found by whoever reads them.
 */
export function cutChain(text: string): { readonly text: string; readonly behind: string } | undefined {
  if (text.length < SHORT || !/"chain": ?\[/.test(text) || text.includes('__type__') || text.includes('\\u005')) return undefined;
  const end = chainEnd(text);
  const last = end < 0 ? -1 : valueBefore(text, skipSpaceBack(text, end));
  const comma = before(text, last, COMMA);
  const start = comma < 0 ? -1 : chainStart(text);
  if (start < 0 || comma - start < SHORT / 2) return undefined;
  return { text: text.slice(0, start) + text.slice(last), behind: `[${text.slice(start, comma)}]` };
}
