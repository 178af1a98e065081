// Options that an app adds to commands: their parsers. Called by parse.ts; an app is loaded for them only when a command line is not
// understood without, or asks for help.
import { object } from '@optique/core/constructs';
import { message, text } from '@optique/core/message';
import { multiple, optional } from '@optique/core/modifiers';
import type { Parser } from '@optique/core/parser';
import { option } from '@optique/core/primitives';
import { choice, float, integer, string, type ValueParser } from '@optique/core/valueparser';
import type { UserOption, UserOptions } from '../app/index.ts';
import { ConfigurationError } from '../util/index.ts';
import type { OptionFacts } from './environment.ts';

type Values = Readonly<Record<string, unknown>>;

/** Programs that may have options of their own, by the name of their command. */
const PROGRAMS: ReadonlySet<string> = new Set(['worker', 'beat', 'events']);

/** The app's options for one command, without those of all. */
export function userOptionsOf(user: UserOptions, command: string): readonly UserOption[] {
  return PROGRAMS.has(command) ? user[command as 'worker' | 'beat' | 'events'] : [];
}

function valueParser({ type, choices, metavar, name }: UserOption): ValueParser<'sync', unknown> {
  const shown = { metavar: (metavar ?? name.toUpperCase()) as 'VALUE' };
  if (choices !== undefined) return choice(choices, shown);
  if (type === 'integer') return integer(shown);
  return type === 'number' ? float(shown) : string(shown);
}

function namesOf({ name, short }: UserOption): readonly string[] {
  const long = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`).replaceAll('_', '-')}`;
  return short === undefined ? [long] : [`-${short}`, long];
}

function optionParser(definition: UserOption): Parser<'sync', unknown, unknown> {
  // One name or two: which, the types cannot see.
  const names = namesOf(definition) as readonly string[] as [`--${string}`];
  const shown = { description: message`${text(definition.description ?? 'An option of the app.')}` };
  if (definition.type === 'flag') return optional(option(...names, shown));
  const one = option(...names, valueParser(definition), shown);
  return definition.multiple === true ? multiple(one) : optional(one);
}

/** One parser for all of them, whose value has those that were given. */
export function userParser(options: readonly UserOption[]): Parser<'sync', Values, unknown> {
  const fields = Object.fromEntries(options.map((definition) => [definition.name, optionParser(definition)]));
  return object('Options of the app', fields);
}

/** Throws ConfigurationError for an option that cannot be one: a name that is none, or that is taken. */
export function checkUserOptions(options: readonly UserOption[], taken: readonly OptionFacts[], command: string): void {
  const used = new Set([...taken.flatMap(({ names }) => names), '-h', '--help', '-V', '--version']);
  for (const definition of options) {
    const { name, short } = definition;
    if (typeof name !== 'string' || !/^[a-z]\w*$/i.test(name) || (short !== undefined && !/^[a-z]$/i.test(short))) {
      throw new ConfigurationError(
        `The app's option '${String(name)}' for ${command} has no usable name: write it in camelCase, such as dryRun, and a short one as one letter.`,
      );
    }
    const twice = namesOf(definition).find((word) => used.has(word));
    if (twice !== undefined)
      throw new ConfigurationError(`The app's option '${twice}' for ${command} exists already. Give it another name.`);
    for (const word of namesOf(definition)) used.add(word);
  }
}
