// The serializer `yaml`, as PyYAML's safe loader and dumper understand it: version 1.1, plain data, timestamps. The library is
// loaded at first use: most programs never need it.
import { Buffer } from 'node:buffer';
import { createRequire } from 'node:module';
import type { CST, Document, Pair } from 'yaml';
import { Float, PlainDate } from '../protocol/index.ts';
import { DecodeError } from '../util/index.ts';
import { at, encoding, tooDeep, unwritableObject, unwritablePrimitive } from './fault.ts';
import { setOwn } from './json-read.ts';
import { MAX_DEPTH, type Serializer } from './seam.ts';
import { decodeUtf8 } from './text.ts';
import { pythonTags } from './yaml-scalars.ts';

type Yaml = typeof import('yaml');
let loaded: Yaml | undefined;
function yaml(): Yaml {
  loaded ??= createRequire(import.meta.url)('yaml') as Yaml;
  return loaded;
}

/** Integers written by JavaScript as such; all other numbers with a point. */
function lowerNumber(value: number): unknown {
  return Number.isSafeInteger(value) && !Object.is(value, -0) ? value : new Float(value);
}

/** Plain data out of whatever may be sent, with the path of what may not; `undefined` stays and is dropped by what holds it. */
function lower(value: unknown, depth: number): unknown {
  if (typeof value === 'number') return lowerNumber(value);
  if (typeof value === 'object' && value !== null) return lowerObject(value, depth);
  if (typeof value === 'function' || typeof value === 'symbol') throw unwritablePrimitive(value);
  return value;
}

function lowerObject(value: object, depth: number): unknown {
  if (depth >= MAX_DEPTH) throw tooDeep(MAX_DEPTH);
  if (Array.isArray(value)) return lowerArray(value, depth + 1);
  if (value instanceof Float || value instanceof Date || value instanceof PlainDate) return value;
  if (value instanceof Uint8Array) return Buffer.from(value);
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === 'function') return lower(Reflect.apply(toJSON, value, ['']), depth + 1);
  if (Object.prototype.toString.call(value) !== '[object Object]') throw unwritableObject(value);
  const members: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    try {
      const plain = lower(item, depth + 1);
      if (plain !== undefined) setOwn(members, key, plain);
    } catch (error) {
      throw at(error, key);
    }
  }
  return members;
}

function lowerArray(value: readonly unknown[], depth: number): unknown[] {
  return Array.from(value, (item, index) => {
    try {
      return lower(item, depth) ?? null;
    } catch (error) {
      throw at(error, index);
    }
  });
}

function lowered(value: unknown): unknown {
  const plain = lower(value, 0);
  if (plain === undefined) throw unwritablePrimitive(plain);
  return plain;
}

/** Keys in Python's order, as PyYAML writes them. */
function byCodePoints(a: Pair, b: Pair): number {
  return Buffer.compare(Buffer.from(String(a.key)), Buffer.from(String(b.key)));
}

const OPTIONS = { version: '1.1', schema: 'yaml-1.1', customTags: pythonTags } as const;

/** Keys are text, as JSON has them: Python's `None` is `null`. */
function keyText(key: unknown): string {
  if (typeof key === 'object' && key !== null) throw new TypeError('a key is neither text nor number');
  return String(key);
}

/** Integers that a number holds become numbers again, maps objects and sets arrays; nesting (or an alias to itself) is limited. */
function settle(value: unknown, depth: number): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (typeof value !== 'object' || value === null) return value;
  if (depth === 0) throw new RangeError(`it is nested deeper than ${MAX_DEPTH} levels, or contains itself`);
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (Array.isArray(value) || value instanceof Set) return Array.from(value, (item) => settle(item, depth - 1));
  if (!(value instanceof Map)) return value;
  const members: Record<string, unknown> = {};
  for (const [key, item] of value) setOwn(members, keyText(settle(key, depth - 1)), settle(item, depth - 1));
  return members;
}

/** What the parser holds open besides the collections: the document, and a scalar. */
const BESIDES = 2;

/**
 * The syntax of a text, token by token. The library's own way from text to document gathers every error and looks for its line, which
 * takes a hostile megabyte minutes; here the first error ends it, and so does the first level too deep.
 */
function* syntaxOf(text: string): Generator<CST.Token, void> {
  const parser = new (yaml().Parser)();
  for (const lexeme of new (yaml().Lexer)().lex(text)) {
    for (const token of parser.next(lexeme)) {
      if (token.type === 'error') throw new SyntaxError(`${token.message} (near character ${token.offset})`);
      yield token;
    }
    if (parser.stack.length > MAX_DEPTH + BESIDES) throw new RangeError(`it is nested deeper than ${MAX_DEPTH} levels`);
  }
  yield* parser.end();
}

/** The one document of a text. */
function documentOf(text: string): Document {
  const composer = new (yaml().Composer)({ ...OPTIONS, intAsBigInt: true, uniqueKeys: false });
  let only: Document | undefined;
  for (const document of composer.compose(syntaxOf(text), true, text.length)) {
    if (only !== undefined) throw new SyntaxError('it holds more than one document');
    only = document;
  }
  if (only === undefined) throw new SyntaxError('it holds no document');
  return only;
}

function read(text: string): unknown {
  const document = documentOf(text);
  // A warning is a tag that nobody knows (`!!python/object…`): the safe loader refuses those.
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) throw problem;
  return settle(document.toJS({ mapAsMap: true }), MAX_DEPTH);
}

export const yamlSerializer: Serializer = {
  name: 'yaml',
  contentType: 'application/x-yaml',
  contentEncoding: 'utf-8',
  encode: (value) =>
    encoding('yaml', () =>
      // No block scalars: a text that begins with a blank and holds only line ends does not survive them.
      Buffer.from(
        yaml().stringify(lowered(value), {
          ...OPTIONS,
          aliasDuplicateObjects: false,
          lineWidth: 0,
          blockQuote: false,
          sortMapEntries: byCodePoints,
        }),
        'utf8',
      ),
    ),
  decode: (body) => {
    const text = decodeUtf8(body);
    try {
      return read(text);
    } catch (error) {
      throw new DecodeError(`The body is not readable as yaml: ${(error as Error).message}`, { cause: error });
    }
  },
};
