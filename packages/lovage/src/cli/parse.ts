// From argv to a command and its options. Help, version and completion are answered here; a wrong command line becomes one sentence.
import { merge, or } from '@optique/core/constructs';
import { lineBreak, type Message, type MessageTerm, message, text } from '@optique/core/message';
import { map } from '@optique/core/modifiers';
import { type Parser, parseSync } from '@optique/core/parser';
import { command } from '@optique/core/primitives';
import type { Usage } from '@optique/core/usage';
import { run } from '@optique/run';
import type { UserOptions } from '../app/index.ts';
import { didYouMean, version } from '../util/index.ts';
import { type Command, EXIT, type GlobalOptions } from './define.ts';
import { environmentOptions, optionsOf, withOptions } from './environment.ts';
import { globalOptions } from './options.ts';
import { checkUserOptions, userOptionsOf, userParser } from './user-options.ts';

export interface Parsed {
  readonly command: Command;
  readonly options: unknown;
  readonly global: GlobalOptions;
  /** What was given of the app's own options for this command, and of those for every command. */
  readonly user: Values;
  readonly preload: Values;
}

type Values = Readonly<Record<string, unknown>>;

/** A command line that needs no command: help and the like, or a mistake. */
export interface Answered {
  readonly exitCode: number;
  readonly stdout: string;
  /** Set for a mistake. */
  readonly error?: string;
  /** An app may have what is missing: an option of its own, or a help page that lists them. */
  readonly asksApp?: boolean;
}

export interface ParseOptions {
  /** All commands; loaded must be the one that the command line names. */
  readonly commands: readonly Command[];
  readonly colors: boolean;
  /** Columns of help pages. @default the terminal's */
  readonly width?: number;
  /** Options that the app adds. */
  readonly user?: UserOptions;
}

interface Flat extends GlobalOptions {
  readonly command: Command;
  readonly options: unknown;
  readonly user: Values;
  readonly preload: Values;
}

type Branch = Parser<'sync', { command: Command; options: unknown; user: Values }, unknown>;
type Preload = Parser<'sync', { preload: Values }, unknown>;

/** Thrown by the parsing library's exit hook, and caught right here. */
class Ended extends Error {
  readonly exitCode: number;
  constructor(exitCode: number) {
    super('ended');
    this.exitCode = exitCode;
  }
}

function inLines(lines: readonly string[]): Message {
  return lines.flatMap((line, index): MessageTerm[] => [...(index === 0 ? [] : [lineBreak()]), text(line)]);
}

/** `[OPTIONS]` for all of them: the page lists them below. */
function shortUsage(usage: Usage): Usage {
  const isArgument = (term: Usage[number]): boolean =>
    term.type === 'argument' ||
    ((term.type === 'optional' || term.type === 'multiple') && term.terms.some(isArgument)) ||
    term.type === 'literal' ||
    term.type === 'command';
  return [{ type: 'literal', value: '[OPTIONS]' }, ...usage.filter(isArgument)];
}

/** A command's own options, and those that the app adds to it. */
function bodyOf(definition: Command, user: UserOptions | undefined): Branch {
  const own = map(definition.parser, (options) => ({ command: definition, options }));
  const added = user === undefined ? [] : userOptionsOf(user, definition.name);
  if (user === undefined || added.length === 0) return map(own, (value) => ({ ...value, user: {} }));
  // Merging needs parsers of objects, which a mapped one is: the library's types do not say so.
  const both = merge as unknown as (...parsers: readonly Parser<'sync', object, unknown>[]) => Branch;
  return both(
    own,
    map(userParser(added), (values) => ({ user: values })),
  );
}

function commandParser(definition: Command, user: UserOptions | undefined): Branch {
  const parser = bodyOf(definition, user);
  return command(definition.name, parser, {
    description: message`${text(definition.summary)}`,
    footer: inLines(['Examples:', ...definition.examples.map((line) => `  ${line}`)]),
    usageLine: shortUsage,
  });
}

const ROOT_USAGE: Usage = [{ type: 'literal', value: '[OPTIONS] COMMAND [ARGUMENTS]' }];
const ROOT_FOOTER = inLines([
  'More of a command: lovage COMMAND --help',
  'Options come from the environment too: LOVAGE_APP for --app, LOVAGE_WORKER_CONCURRENCY for --concurrency of worker',
  'Completion: eval "$(lovage completion bash)"; also zsh and fish',
]);

function rootParser({ commands, user }: ParseOptions): Parser<'sync', Flat, unknown> {
  // These two count their parsers in their types; ours come from a table, so the types are said here.
  const oneOf = or as unknown as (...parsers: readonly Branch[]) => Branch;
  const all = merge as unknown as (
    global: typeof globalOptions,
    preload: Preload,
    branch: Branch,
  ) => Parser<'sync', Flat, unknown>;
  const preload = map(userParser(user?.preload ?? []), (values) => ({ preload: values }));
  return all(globalOptions, preload, oneOf(...commands.map((definition) => commandParser(definition, user))));
}

/** A right command line needs no more than its own command's parser: the others cost as much as the start of Node. */
function parseAlone(argv: readonly string[], known: Command, user: UserOptions | undefined): Flat | undefined {
  const result = parseSync(rootParser({ commands: [known], colors: false, ...(user === undefined ? {} : { user }) }), argv);
  return result.success ? result.value : undefined;
}

function attempt(argv: readonly string[], options: ParseOptions): Flat | Answered {
  const { colors, width } = options;
  const out: string[] = [];
  const errors: string[] = [];
  try {
    return run(rootParser(options), {
      programName: 'lovage',
      args: argv.length === 0 ? ['--help'] : argv,
      help: { command: true, option: { names: ['-h', '--help'] } },
      version: { value: version(), option: { names: ['-V', '--version'] } },
      completion: { command: true },
      brief: message`A distributed task queue that speaks Celery's protocol.`,
      aboveError: 'none',
      errorExitCode: EXIT.usage,
      showDefault: { prefix: ' (default: ', suffix: ')' },
      showChoices: true,
      commandList: 'top-level',
      termWidth: 'auto',
      usageLine: ROOT_USAGE,
      footer: ROOT_FOOTER,
      colors,
      ...(width === undefined ? {} : { maxWidth: width }),
      stdout: (chunk) => out.push(chunk),
      stderr: (chunk) => errors.push(chunk),
      onExit: (exitCode) => {
        throw new Ended(exitCode);
      },
    });
  } catch (error) {
    if (!(error instanceof Ended)) throw error;
    const stdout = out.map((chunk) => `${chunk}\n`).join('');
    if (error.exitCode === EXIT.ok) return { exitCode: error.exitCode, stdout };
    return { exitCode: error.exitCode, stdout, error: oneLine(errors.join(' ')) };
  }
}

function oneLine(text: string): string {
  return text
    .replace(/^Error: /, '')
    .replace(/\s*\n\s*/g, ' ')
    .trim();
}

/** The word that stands where a command's name belongs. */
export function commandWord(argv: readonly string[], user?: UserOptions): string | undefined {
  const global = [...optionsOf(globalOptions.usage), ...optionsOf(userParser(user?.preload ?? []).usage)];
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? '';
    if (!word.startsWith('-')) return word;
    const option = global.find(({ names }) => names.includes(word));
    if (option?.takesValue === true) index++;
  }
  return undefined;
}

const HELP: ReadonlySet<string> = new Set(['-h', '--help', '-V', '--version']);
const BUILT_IN = ['help', 'completion'];

const UNEXPECTED = /Unexpected option or argument: "(--?[^"=]+)/;

/** Options of the app that cannot be: for every command, and for each program. */
function checkUser(user: UserOptions, commands: readonly Command[]): void {
  const global = optionsOf(globalOptions.usage);
  checkUserOptions(user.preload, [...global, ...commands.flatMap(({ parser }) => optionsOf(parser.usage))], 'every command');
  const preload = optionsOf(userParser(user.preload).usage);
  for (const { name, parser } of commands) {
    checkUserOptions(userOptionsOf(user, name), [...global, ...preload, ...optionsOf(parser.usage)], name);
  }
}

/** The library knows the options of all commands, and suggests those of others; this looks only where the word stands. */
function suggestOption(error: string, known: Command | undefined, user: UserOptions | undefined): string {
  const [, word] = UNEXPECTED.exec(error) ?? [];
  if (word === undefined) return error;
  const added = user === undefined ? [] : [...user.preload, ...userOptionsOf(user, known?.name ?? '')];
  const options = [
    ...optionsOf(globalOptions.usage),
    ...optionsOf(userParser(added).usage),
    ...(known === undefined ? [] : optionsOf(known.parser.usage)),
  ];
  const hint = didYouMean(word, [...options.map(({ long }) => long), '--help', '--version']);
  return `There is no option '${word}'${known === undefined ? '' : ` for ${known.name}`}.${hint}`;
}

function explain(answered: Answered, argv: readonly string[], known: Command | undefined, options: ParseOptions): string {
  const { commands, user } = options;
  const word = commandWord(argv, user);
  const names = [...commands.map(({ name }) => name), ...BUILT_IN];
  const error = suggestOption(answered.error ?? '', known, user).replace(
    /^(Missing shell name)[\s\S]*$/,
    '$1: give bash, zsh, fish, pwsh or nu.',
  );
  if (known !== undefined) return `${error} See: lovage ${known.name} --help`;
  if (word !== undefined && !BUILT_IN.includes(word))
    return `There is no command '${word}'.${didYouMean(word, names)} Known are ${names.join(', ')}. See: lovage --help`;
  if (word === undefined && !error.startsWith('There is no option'))
    return `Which command? Known are ${names.join(', ')}. See: lovage --help`;
  return `${error} See: lovage --help`;
}

/** Which variable of the environment is to blame, when the command line alone is well. */
function blame(argv: readonly string[], given: ReturnType<typeof environmentOptions>, options: ParseOptions): string {
  const plain: ParseOptions = { ...options, colors: false };
  if ('exitCode' in attempt(argv, plain)) return '';
  const guilty = given.find((option) => 'exitCode' in attempt(withOptions(argv, [option]), plain));
  return guilty === undefined ? '' : `From the environment variable ${guilty.variable}: `;
}

/** Options of every command that hold for one that takes plain words, too. */
const EVERYWHERE: ReadonlySet<string> = new Set(['-j', '--json', '-q', '--quiet', '-C', '--no-color']);

/** What follows the name goes behind a `--`, unless it asks for help or belongs to every command. */
function asWords(argv: readonly string[], name: string): readonly string[] {
  const at = argv.indexOf(name) + 1;
  const own = argv.slice(at);
  if (own.length === 0) return argv;
  if (own[0] !== undefined && HELP.has(own[0])) return argv;
  const end = own.indexOf('--');
  const isEverywhere = (word: string, index: number): boolean => EVERYWHERE.has(word) && (end < 0 || index < end);
  const words = own.filter((word, index) => !isEverywhere(word, index));
  return [...argv.slice(0, at), ...own.filter(isEverywhere), ...(words.length === 0 ? [] : ['--', ...words])];
}

/** The words before a `--`. */
function beforeEnd(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--');
  return end < 0 ? argv : argv.slice(0, end);
}

/** Names of the commands that a command line needs to be understood; undefined: all of them. */
export function neededCommands(argv: readonly string[]): readonly string[] | undefined {
  const word = commandWord(argv);
  if (word === 'completion') return undefined;
  return word === undefined ? [] : word === 'help' ? argv : [word];
}

/** Parses a command line. Throws ConfigurationError for a flag of the environment that is neither yes nor no. */
export function parse(
  words: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  options: ParseOptions,
): Parsed | Answered {
  const { commands } = options;
  const known = commands.find(({ name }) => name === commandWord(words, options.user));
  const argv = known?.words === true ? asWords(words, known.name) : words;
  if (options.user !== undefined) checkUser(options.user, commands);
  const asksHelp = beforeEnd(argv).some((word) => HELP.has(word));
  const given = known === undefined || asksHelp ? [] : environmentOptions(known, argv, environment);
  const line = withOptions(argv, given);
  const alone = known === undefined || asksHelp ? undefined : parseAlone(line, known, options.user);
  const outcome = alone ?? attempt(line, options);
  if ('exitCode' in outcome) {
    if (outcome.error === undefined)
      return beforeEnd(argv).some((word) => word === '-h' || word === '--help') ? { ...outcome, asksApp: true } : outcome;
    const error = blame(argv, given, options) + explain(outcome, argv, known, options);
    return { ...outcome, error, asksApp: UNEXPECTED.test(outcome.error) };
  }
  const { command: chosen, options: chosenOptions, user, preload, ...global } = outcome;
  return { command: chosen, options: chosenOptions, user, preload, global };
}
