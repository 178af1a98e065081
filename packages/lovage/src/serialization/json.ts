// The serializer `json`: kombu's tagged types both ways, or the plain texts that kombu before 5.3 wrote.
import { Buffer, isUtf8 } from 'node:buffer';
import {
  ChainText,
  DateTime,
  Decimal,
  dateTimeText,
  isRecord,
  PlainDate,
  PlainTime,
  parseDateTime,
  Uuid,
} from '../protocol/index.ts';
import { DecodeError } from '../util/index.ts';
import { encoding } from './fault.ts';
import { cutChain } from './json-chain.ts';
import { readJson } from './json-read.ts';
import { type Replace, type Tags, writeJson } from './json-write.ts';
import { type JsonType, MAX_DEPTH, type Serializer } from './seam.ts';
import { decodeUtf8 } from './text.ts';

/** How values without a JSON form are written. `plain` is what kombu before 5.3 wrote (and all that it can read). */
export type JsonTypes = 'tagged' | 'plain';

function text(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError('a text was expected');
  return value;
}

function byText<T extends object>(
  marker: string,
  type: abstract new (...args: never[]) => T,
  decode: (value: string) => T,
): JsonType<T> {
  return { marker, is: (value): value is T => value instanceof type, encode: String, decode: (value) => decode(text(value)) };
}

const isBytes = (value: object): value is Uint8Array => value instanceof Uint8Array;
const view = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
/** A copy that owns its memory: a slice of Buffer's shared pool would leak other people's bytes through `.buffer`. */
const copy = (bytes: Buffer): Uint8Array => Uint8Array.from(bytes);

const hexOf = (value: unknown): string => text(isRecord(value) ? value.hex : value);

const BUILT_IN: readonly JsonType<never>[] = [
  {
    marker: 'datetime',
    is: (value): value is Date => value instanceof Date,
    encode: dateTimeText,
    decode: (value) => parseDateTime(text(value)),
  } satisfies JsonType<Date>,
  byText('date', PlainDate, (value) => new PlainDate(value)),
  byText('time', PlainTime, (value) => new PlainTime(value)),
  byText('decimal', Decimal, (value) => new Decimal(value)),
  {
    marker: 'uuid',
    is: (value): value is Uuid => value instanceof Uuid,
    encode: (value) => ({ hex: value.hex }),
    decode: (value) => new Uuid(hexOf(value)),
  } satisfies JsonType<Uuid>,
  {
    marker: 'bytes',
    is: (value): value is Uint8Array => isBytes(value) && isUtf8(value),
    encode: (value) => view(value).toString('utf8'),
    decode: (value) => copy(Buffer.from(text(value), 'utf8')),
  } satisfies JsonType<Uint8Array>,
  {
    marker: 'base64',
    is: isBytes,
    encode: (value) => view(value).toString('base64'),
    decode: (value) => copy(Buffer.from(text(value), 'base64')),
  } satisfies JsonType<Uint8Array>,
] as unknown as readonly JsonType<never>[];

/** What kombu 5.2 made of the same values: texts that nobody turns back. */
function plainForm(value: object): { readonly value: unknown } | undefined {
  if (value instanceof DateTime || value instanceof Date) return { value: dateTimeText(value).replace(/\+00:00$/, 'Z') };
  if (value instanceof PlainDate) return { value: `${value}T00:00:00` };
  if (value instanceof PlainTime || value instanceof Decimal || value instanceof Uuid) return { value: String(value) };
  return undefined;
}

/** The hint for one look at the text: is there a tag, also one written with escapes? */
const TAGGED = /__type__|\\u005[fF]/;

/** Revives tagged objects in place and holds the limit of depth. */
function revive(value: unknown, depth: number, types: ReadonlyMap<string, JsonType<never>>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth === 0) throw new SyntaxError(`it is nested deeper than ${MAX_DEPTH} levels`);
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const item: unknown = value[index];
      if (typeof item === 'object' && item !== null) value[index] = revive(item, depth - 1, types);
    }
    return value;
  }
  return isRecord(value) ? reviveMembers(value, depth, types) : value;
}

function reviveMembers(value: Record<string, unknown>, depth: number, types: ReadonlyMap<string, JsonType<never>>): unknown {
  const keys = Object.keys(value);
  for (const key of keys) {
    const item = value[key];
    // `__proto__` is an own property here, so assigning to it sets that property and no prototype.
    if (typeof item === 'object' && item !== null) value[key] = revive(item, depth - 1, types);
  }
  if (keys.length !== 2 || !Object.hasOwn(value, '__type__') || !Object.hasOwn(value, '__value__')) return value;
  const marker = value.__type__;
  const type = typeof marker === 'string' ? types.get(marker) : undefined;
  if (type === undefined)
    throw new SyntaxError(`the tagged type ${JSON.stringify(marker)} is not known; registerType teaches it`);
  return type.decode(value.__value__);
}

function tagOf(types: readonly JsonType<never>[]): Replace {
  return (value) => {
    const type = types.find((candidate) => candidate.is(value));
    return type && { value: { __type__: type.marker, __value__: type.encode(value as never) } };
  };
}

/** kombu's own tagged types, for headers: an unknown tag stays what it is. */
export const BUILT_IN_TAGS: Tags = {
  replace: tagOf(BUILT_IN),
  restore: (marker, value) => {
    const type = BUILT_IN.find((candidate) => candidate.marker === marker);
    try {
      return type && { value: type.decode(value) };
    } catch {
      return undefined;
    }
  },
};

/** The serializer `json`, with further types of the app's own. */
export function jsonSerializer(mode: JsonTypes, extra: readonly JsonType[]): Serializer {
  const types = [...(extra as unknown as readonly JsonType<never>[]), ...BUILT_IN];
  const byMarker = new Map(types.toReversed().map((type) => [type.marker, type]));
  const replace = mode === 'plain' ? plainForm : tagOf(types);
  return {
    name: 'json',
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    encode: (value) => encoding('json', () => Buffer.from(writeJson(value, replace), 'utf8')),
    decode: (body) => decodeJson(decodeUtf8(body), byMarker),
    chains: {
      decode: (body) => {
        const source = decodeUtf8(body);
        const cut = cutChain(source);
        if (cut === undefined) return { value: decodeJson(source, byMarker) };
        return { value: decodeJson(cut.text, byMarker), behind: new ChainText(cut.behind, readList) };
      },
      encode: (value, behind) => encoding('json', () => Buffer.from(writeBehind(value, behind, replace), 'utf8')),
    },
  };
  function readList(source: string): readonly unknown[] {
    return decodeJson(source, byMarker) as readonly unknown[];
  }
}

/** The text of a body, and of its chain in its place. */
function writeBehind(value: readonly unknown[], behind: ChainText, replace: Replace): string {
  const text = writeJson(value, replace);
  const embed = value[2];
  const chord = isRecord(embed) && embed.chord !== null ? writeJson(embed.chord, replace) : 'null';
  const end = `null,"chord":${chord}}]`;
  if (!text.endsWith(`"chain":${end}`))
    throw new TypeError('a body whose chain is null and stands before its chord was expected');
  return `${text.slice(0, text.length - end.length)}${behind.text}${end.slice(4)}`;
}

function decodeJson(source: string, types: ReadonlyMap<string, JsonType<never>>): unknown {
  try {
    const value = readJson(source, MAX_DEPTH);
    // A text of n characters nests no deeper than n / 2, so short ones need no second look.
    return source.length > MAX_DEPTH * 2 || TAGGED.test(source) ? revive(value, MAX_DEPTH, types) : value;
  } catch (error) {
    throw new DecodeError(`The body is not readable as json: ${(error as Error).message}`, { cause: error });
  }
}
