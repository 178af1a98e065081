// Parsers that several commands share.
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { optional } from '@optique/core/modifiers';
import type { Parser } from '@optique/core/parser';
import { option } from '@optique/core/primitives';
import { choice, float, string, type ValueParser } from '@optique/core/valueparser';
import type { GlobalOptions } from './define.ts';
import { type LevelName, levels } from './levels.ts';

export const globalOptions: Parser<'sync', GlobalOptions, unknown> = object('Global options', {
  app: optional(
    option('-A', '--app', file('APP', 'file'), {
      description: message`Module that exports the app: a path, or path:export.`,
    }),
  ),
  broker: optional(
    option('-b', '--broker', string({ metavar: 'URL' }), { description: message`Broker URL; outranks every setting.` }),
  ),
  resultBackend: optional(option('--result-backend', string({ metavar: 'URL' }), { description: message`Result backend URL.` })),
  workdir: optional(option('--workdir', file('FOLDER', 'directory'), { description: message`Work in this folder.` })),
  config: optional(
    option('--config', file('FILE', 'file'), { description: message`Configuration file: a path, or path:export.` }),
  ),
  dotenv: optional(
    option('--dotenv', file('FILE', 'file'), {
      description: message`Read environment variables from this file first; those that are set already stay.`,
    }),
  ),
  json: option('-j', '--json', { description: message`Print one JSON value, for programs.` }),
  quiet: option('-q', '--quiet', { description: message`Print less.` }),
  noColor: option('-C', '--no-color', { description: message`No colours.` }),
});

export interface LogOptions {
  readonly loglevel: LevelName | undefined;
  readonly logFormat: 'text' | 'json' | undefined;
  readonly logfile: string | undefined;
}

/** How programs that run by themselves log. */
export const logOptions: Parser<'sync', LogOptions, unknown> = object('Logging', {
  loglevel: optional(option('-l', '--loglevel', levels(), { description: message`How much to log (INFO).` })),
  logFormat: optional(
    option('--log-format', choice(['text', 'json'], { metavar: 'FORMAT' }), {
      description: message`Lines for people, or one JSON object a line.`,
    }),
  ),
  logfile: optional(
    option('-f', '--logfile', string({ metavar: 'FILE' }), {
      description: message`Write the log to this file; %n name and %h host of the node. Opened anew when rotated away.`,
    }),
  ),
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

/** A path, completed by the shell. A function declaration: the options above use it. */
function file(metavar: string, type: 'file' | 'directory'): ValueParser<'sync', string> {
  return {
    ...string({ metavar: metavar as `${string}X` }),
    *suggest(pattern) {
      yield { kind: 'file', type, pattern };
    },
  };
}

/** Seconds: a number of at least 0. */
export function seconds(): ValueParser<'sync', number> {
  return float({ metavar: 'SECONDS', min: 0 });
}

/** Seconds from now, or an ISO 8601 time. */
export function secondsOrTime(): ValueParser<'sync', number | string> {
  return {
    mode: 'sync',
    metavar: 'SECONDS|TIME',
    placeholder: 0,
    parse: (input) => {
      if (input.trim() !== '' && Number.isFinite(Number(input))) return { success: true, value: Number(input) };
      if (/^\d{4}-/.test(input) && !Number.isNaN(Date.parse(input))) return { success: true, value: input };
      return { success: false, error: message`${input} is neither a number of seconds nor an ISO 8601 time.` };
    },
    format: String,
  };
}

/** An ISO 8601 time. */
export function time(): ValueParser<'sync', string> {
  return {
    mode: 'sync',
    metavar: 'TIME',
    placeholder: '',
    parse: (input) =>
      /^\d{4}-/.test(input) && !Number.isNaN(Date.parse(input))
        ? { success: true, value: input }
        : { success: false, error: message`${input} is no ISO 8601 time, such as 2026-11-23T18:00:00Z.` },
    format: (value) => value,
  };
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
