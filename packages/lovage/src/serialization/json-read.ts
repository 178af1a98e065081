// Reading JSON as Python writes it: NaN and Infinity, integers of any size. JSON.parse does nearly everything; this reader is for
// the texts that it would refuse or change, which one look tells apart.

/** Longest integer read, in digits: Python's own limit, for the same reason (converting takes quadratic time). */
const MAX_DIGITS = 4300;
const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const SPACE = /[ \t\n\r]*/y;
const WORDS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['true', true],
  ['false', false],
  ['null', null],
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]);

/** Words that JSON.parse refuses, and runs of 16 digits that may be an integer beyond what a number holds exactly. */
const UNUSUAL = /NaN|Infinity|(?<![.\d])\d{16}/;

interface Cursor {
  readonly text: string;
  at: number;
}

function broken(cursor: Cursor, expected: string): SyntaxError {
  return new SyntaxError(`${expected} expected at position ${cursor.at}`);
}

function skipSpace(cursor: Cursor): string {
  SPACE.lastIndex = cursor.at;
  SPACE.exec(cursor.text);
  cursor.at = SPACE.lastIndex;
  return cursor.text[cursor.at] ?? '';
}

function readNumber(cursor: Cursor): unknown {
  NUMBER.lastIndex = cursor.at;
  const match = NUMBER.exec(cursor.text);
  if (match === null) throw broken(cursor, 'a value');
  cursor.at = NUMBER.lastIndex;
  const [source] = match;
  const value = Number(source);
  if (match[1] !== undefined || match[2] !== undefined || Number.isSafeInteger(value)) return value;
  if (source.length > MAX_DIGITS) throw new SyntaxError(`an integer of ${source.length} digits is longer than ${MAX_DIGITS}`);
  return BigInt(source);
}

function readString(cursor: Cursor): string {
  const { text } = cursor;
  let end = cursor.at + 1;
  for (;;) {
    end = text.indexOf('"', end);
    if (end < 0) throw broken(cursor, 'the end of a string');
    let backslashes = 0;
    while (text[end - 1 - backslashes] === '\\') backslashes++;
    end++;
    if (backslashes % 2 === 0) break;
  }
  const source = text.slice(cursor.at, end);
  cursor.at = end;
  // Escapes and control characters are JSON.parse's business.
  return JSON.parse(source) as string;
}

function readWord(cursor: Cursor): unknown {
  for (const [word, value] of WORDS) {
    if (cursor.text.startsWith(word, cursor.at)) {
      cursor.at += word.length;
      return value;
    }
  }
  return readNumber(cursor);
}

function readArray(cursor: Cursor, depth: number): unknown[] {
  const items: unknown[] = [];
  cursor.at++;
  if (skipSpace(cursor) === ']') {
    cursor.at++;
    return items;
  }
  for (;;) {
    items.push(readValue(cursor, depth));
    const next = skipSpace(cursor);
    if (next !== ',' && next !== ']') throw broken(cursor, "',' or ']'");
    cursor.at++;
    if (next === ']') return items;
  }
}

function readMembers(cursor: Cursor, depth: number): Record<string, unknown> {
  const members: Record<string, unknown> = {};
  cursor.at++;
  if (skipSpace(cursor) === '}') {
    cursor.at++;
    return members;
  }
  for (;;) {
    if (skipSpace(cursor) !== '"') throw broken(cursor, 'a key');
    const key = readString(cursor);
    if (skipSpace(cursor) !== ':') throw broken(cursor, "':'");
    cursor.at++;
    setOwn(members, key, readValue(cursor, depth));
    const next = skipSpace(cursor);
    if (next !== ',' && next !== '}') throw broken(cursor, "',' or '}'");
    cursor.at++;
    if (next === '}') return members;
  }
}

/** Sets an own property, also one called `__proto__`, which a plain assignment would turn into a prototype. */
export function setOwn(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
  else target[key] = value;
}

function readValue(cursor: Cursor, depth: number): unknown {
  const first = skipSpace(cursor);
  if (first === '"') return readString(cursor);
  if (first !== '[' && first !== '{') return readWord(cursor);
  if (depth === 0) throw new SyntaxError('nested too deep');
  return first === '[' ? readArray(cursor, depth - 1) : readMembers(cursor, depth - 1);
}

function readUnusual(text: string, maxDepth: number): unknown {
  const cursor: Cursor = { text, at: 0 };
  const value = readValue(cursor, maxDepth);
  skipSpace(cursor);
  if (cursor.at < text.length) throw broken(cursor, 'the end');
  return value;
}

/** The value of a JSON text. Throws SyntaxError. Nesting of usual texts is not limited here: whoever walks the value does that. */
export function readJson(text: string, maxDepth: number): unknown {
  return UNUSUAL.test(text) ? readUnusual(text, maxDepth) : JSON.parse(text);
}
