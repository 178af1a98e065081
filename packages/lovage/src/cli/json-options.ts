// Parsers of options that are JSON.
import { message, text } from '@optique/core/message';
import type { ValueParser } from '@optique/core/valueparser';
import { createSerialization } from '../serialization/index.ts';

const serialization = createSerialization();
const ACCEPT = serialization.accept(['json']);

/** JSON as tasks get it: with big integers and kombu's tagged types. Throws DecodeError. */
export function readJson(source: string): unknown {
  return serialization.decode({ body: Buffer.from(source), contentType: 'application/json', contentEncoding: 'utf-8' }, ACCEPT);
}

/** JSON of a kind. */
export function json<T>(metavar: string, is: (value: unknown) => value is T, expected: string): ValueParser<'sync', T> {
  return {
    mode: 'sync',
    metavar: metavar as `${string}X`,
    placeholder: undefined as T,
    parse: (input) => {
      const shown = input.length > 60 ? `${input.slice(0, 60)}…` : input;
      try {
        const value = readJson(input);
        if (is(value)) return { success: true, value };
        return { success: false, error: message`${shown} is JSON, but not ${text(expected)}.` };
      } catch {
        return { success: false, error: message`${shown} is not ${text(expected)}: it cannot be read as JSON.` };
      }
    },
    format: (value) => JSON.stringify(value),
  };
}

export const isArray = (value: unknown): value is readonly unknown[] => Array.isArray(value);
