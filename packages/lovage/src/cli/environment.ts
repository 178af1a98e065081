// Options from the environment: LOVAGE_<OPTION> for the global ones, LOVAGE_<COMMAND>_<OPTION> for a command's. Each becomes a word of
// the command line, unless the command line already has that option.
import type { Usage, UsageTerm } from '@optique/core/usage';
import { ConfigurationError } from '../util/index.ts';
import type { Command } from './define.ts';
import { globalOptions } from './options.ts';

/** An option as a parser's usage tells it. */
export interface OptionFacts {
  readonly names: readonly string[];
  /** `--long-name` */
  readonly long: string;
  readonly takesValue: boolean;
}

/** One option that the environment gives. */
export interface EnvironmentOption {
  readonly variable: string;
  readonly words: readonly string[];
}

function optionsOfTerm(term: UsageTerm): readonly OptionFacts[] {
  if (term.type === 'option') {
    const long = term.names.find((name) => name.startsWith('--'));
    return long === undefined ? [] : [{ names: term.names, long, takesValue: term.metavar !== undefined }];
  }
  if (term.type === 'optional' || term.type === 'multiple') return optionsOf(term.terms);
  if (term.type === 'exclusive') return term.terms.flatMap(optionsOf);
  return [];
}

/** The options in a parser's usage. */
export function optionsOf(usage: Usage): readonly OptionFacts[] {
  return usage.flatMap(optionsOfTerm);
}

/** `--prefetch-multiplier` of `worker` → `LOVAGE_WORKER_PREFETCH_MULTIPLIER`. */
export function variableOf(option: OptionFacts, command?: string): string {
  const words = [...(command === undefined ? [] : [command]), option.long.slice(2)];
  return `LOVAGE_${words.join('_').replaceAll('-', '_').toUpperCase()}`;
}

/** Every variable that some command reads. */
export function environmentVariables(commands: readonly Command[]): readonly string[] {
  return [
    ...optionsOf(globalOptions.usage).map((option) => variableOf(option)),
    ...commands.flatMap(({ name, parser }) => optionsOf(parser.usage).map((option) => variableOf(option, name))),
  ];
}

function flag(variable: string, text: string): boolean {
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  if (/^(0|false|no|off)$/i.test(text)) return false;
  throw new ConfigurationError(`${variable} is '${text}', which is neither yes nor no: write 1 or 0.`);
}

function isGiven({ names }: OptionFacts, argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  const words = end < 0 ? argv : argv.slice(0, end);
  return words.some((word) =>
    names.some((name) => word === name || word.startsWith(`${name}=`) || (name.length === 2 && word.startsWith(name))),
  );
}

/** What the environment adds to a command line of this command. */
export function environmentOptions(
  command: Command,
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): readonly EnvironmentOption[] {
  const own = optionsOf(command.parser.usage).map((option) => ({ option, variable: variableOf(option, command.name) }));
  const global = optionsOf(globalOptions.usage).map((option) => ({ option, variable: variableOf(option) }));
  return [...own, ...global].flatMap(({ option, variable }) => {
    const text = environment[variable];
    if (text === undefined || text === '' || isGiven(option, argv)) return [];
    if (option.takesValue) return [{ variable, words: [`${option.long}=${text}`] }];
    return flag(variable, text) ? [{ variable, words: [option.long] }] : [];
  });
}

/** The command line with these options, ahead of a `--`. */
export function withOptions(argv: readonly string[], options: readonly EnvironmentOption[]): readonly string[] {
  const end = argv.indexOf('--');
  const at = end < 0 ? argv.length : end;
  return [...argv.slice(0, at), ...options.flatMap(({ words }) => words), ...argv.slice(at)];
}
