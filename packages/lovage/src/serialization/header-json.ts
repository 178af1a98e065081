// JSON of headers and properties, for brokers that keep a message as text: what Python's writers put there (NaN, integers of any size,
// tagged types) is read as it was meant, and values that JSON has no form for are written as kombu writes them, or refused by name.
import { isRecord } from '../protocol/index.ts';
import { encoding } from './fault.ts';
import { BUILT_IN_TAGS } from './json.ts';
import { readJson, setOwn } from './json-read.ts';
import { writeJson } from './json-write.ts';
import { MAX_DEPTH } from './seam.ts';

/** The text of headers or properties. Throws EncodeError with the place of what cannot be written. */
export function writeHeaderJson(value: unknown): string {
  return encoding('headers', () => writeJson(value, BUILT_IN_TAGS.replace));
}

/** The value of such a text. Throws SyntaxError. */
export function readHeaderJson(text: string): unknown {
  const value = readJson(text, MAX_DEPTH);
  return text.includes('"__type__"') ? restored(value, MAX_DEPTH) : value;
}

function restored(value: unknown, depth: number): unknown {
  if (depth === 0 || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => restored(item, depth - 1));
  if (!isRecord(value)) return value;
  const copy: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) setOwn(copy, key, restored(item, depth - 1));
  const marker = copy.__type__;
  if (typeof marker !== 'string' || Object.keys(copy).length !== 2 || !Object.hasOwn(copy, '__value__')) return copy;
  const known = BUILT_IN_TAGS.restore(marker, copy.__value__);
  return known === undefined ? copy : known.value;
}
