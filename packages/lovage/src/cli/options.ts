// Parsers that several commands share.
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { optional } from '@optique/core/modifiers';
import type { Parser } from '@optique/core/parser';
import { option } from '@optique/core/primitives';
import { string, type ValueParser } from '@optique/core/valueparser';
import type { GlobalOptions } from './define.ts';

export const globalOptions: Parser<'sync', GlobalOptions, unknown> = object('Global options', {
  app: optional(
    option('-A', '--app', string({ metavar: 'APP' }), {
      description: message`Module that exports the app: a path, or path:export.`,
    }),
  ),
  broker: optional(
    option('-b', '--broker', string({ metavar: 'URL' }), { description: message`Broker URL; outranks every setting.` }),
  ),
  resultBackend: optional(option('--result-backend', string({ metavar: 'URL' }), { description: message`Result backend URL.` })),
  workdir: optional(option('--workdir', string({ metavar: 'FOLDER' }), { description: message`Work in this folder.` })),
  config: optional(
    option('--config', string({ metavar: 'FILE' }), { description: message`Configuration file: a path, or path:export.` }),
  ),
  json: option('--json', { description: message`Print one JSON value, for programs.` }),
  quiet: option('-q', '--quiet', { description: message`Print less.` }),
  noColor: option('-C', '--no-color', { description: message`No colours.` }),
});

/** `a,b,c` as a list. */
export function commaList(metavar: string): ValueParser<'sync', readonly string[]> {
  return {
    mode: 'sync',
    metavar: metavar as `${string}X`,
    placeholder: [],
    parse: (input) => {
      const parts = input
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== '');
      return parts.length > 0 ? { success: true, value: parts } : { success: false, error: message`Give at least one name.` };
    },
    format: (value) => value.join(','),
  };
}

/** JSON of a kind. */
export function json<T>(metavar: string, is: (value: unknown) => value is T, expected: string): ValueParser<'sync', T> {
  return {
    mode: 'sync',
    metavar: metavar as `${string}X`,
    placeholder: undefined as T,
    parse: (input) => {
      try {
        const value: unknown = JSON.parse(input);
        if (is(value)) return { success: true, value };
      } catch {
        // told below
      }
      return { success: false, error: message`${input} is not ${expected}.` };
    },
    format: (value) => JSON.stringify(value),
  };
}

export const isArray = (value: unknown): value is readonly unknown[] => Array.isArray(value);
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
