// `inspect` and `control`: finding a command of the workers by its name, reading its words, asking, printing the answers.
import type { CommandArgument, CommandShape, Lovage } from '../../app/index.ts';
import { type ControlReply, isRecord } from '../../protocol/index.ts';
import { ConfigurationError, didYouMean, redactData } from '../../util/index.ts';
import { builtInCommands } from '../../worker/index.ts';
import { type CommandContext, EXIT } from '../define.ts';
import { type Output, printable, resultLines, toJson } from '../output.ts';
import { reachBroker } from './reach.ts';

export type Kind = 'inspect' | 'control';
type Named = CommandShape & { readonly name: string };

/** Who is asked, and for how long. */
export interface AskOptions {
  /** Seconds. */
  readonly timeout: number | undefined;
  readonly destination: readonly string[] | undefined;
}

export interface RemoteOptions extends AskOptions {
  readonly list: boolean;
  readonly name: string | undefined;
  readonly words: readonly string[];
}

function commandsOf(app: Lovage | undefined, kind: Kind): readonly Named[] {
  const all: readonly Named[] = [...builtInCommands, ...(app?.control.commands ?? [])];
  return all.filter((command) => (command.kind ?? 'control') === kind).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** The commands that every worker knows. */
export function knownNames(kind: Kind): readonly string[] {
  return commandsOf(undefined, kind)
    .filter(({ visible }) => visible !== false)
    .map(({ name }) => name);
}

/** The arguments that words are for: before the list of a variadic command only those that it needs. */
function wordsOf({ args = [], variadic }: Named): readonly CommandArgument[] {
  return variadic === undefined ? args : args.filter(({ name, required }) => required === true && name !== variadic);
}

function usageOf(command: Named): string {
  const words = wordsOf(command).map(({ name, required }) => (required === true ? `<${name}>` : `[${name}]`));
  return [command.name, ...words, ...(command.variadic === undefined ? [] : [`[${command.variadic} ...]`])].join(' ');
}

function find(app: Lovage, kind: Kind, name: string): Named {
  const known = commandsOf(app, kind);
  const found = known.find((command) => command.name === name || command.alias === name);
  if (found !== undefined) return found;
  const names = known.filter(({ visible }) => visible !== false).map((command) => command.name);
  throw new ConfigurationError(
    `Command ${name} not recognized.${didYouMean(name, names)} Available ${kind} commands: ${names.join(', ')}`,
  );
}

function convert(word: string, { name, type }: CommandArgument, command: Named): unknown {
  const wrong = (what: string): never => {
    throw new ConfigurationError(`'${command.name}' takes ${what} for ${name}, not '${word}': ${usageOf(command)}`);
  };
  const number = word.trim() === '' ? Number.NaN : Number(word);
  if (type === 'integer') return Number.isInteger(number) ? number : wrong('a whole number');
  if (type === 'number') return Number.isFinite(number) ? number : wrong('a number');
  if (type !== 'boolean') return word;
  if (/^(y|yes|t|true|on|1)$/i.test(word)) return true;
  return /^(n|no|f|false|off|0)$/i.test(word) ? false : wrong('true or false');
}

/** Words in their order as the arguments of the command. Throws ConfigurationError. */
export function argumentsOf(command: Named, words: readonly string[]): Readonly<Record<string, unknown>> {
  const positional = wordsOf(command);
  const { variadic } = command;
  if (variadic === undefined && words.length > positional.length) {
    throw new ConfigurationError(`Command '${command.name}' takes arguments: ${usageOf(command)}`);
  }
  const given = Object.fromEntries(
    positional
      .slice(0, words.length)
      .map((definition, index) => [definition.name, convert(words[index] ?? '', definition, command)]),
  );
  const rest = words.slice(positional.length);
  return variadic === undefined || rest.length === 0 ? given : { ...given, [variadic]: rest };
}

const isError = (value: unknown): value is { readonly error: unknown } =>
  isRecord(value) && Object.keys(value).length === 1 && 'error' in value;

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .toSorted()
      .map((key) => [key, sorted(value[key])]),
  );
}

function linesOf(value: unknown): readonly string[] {
  if (isError(value)) return resultLines(value.error);
  if (Array.isArray(value)) {
    if (value.length === 0) return ['- empty -'];
    return value.map((item) => `* ${typeof item === 'string' ? printable(item) : toJson(item)}`);
  }
  if (isRecord(value) && Object.keys(value).length === 1 && typeof value.ok === 'string') return resultLines(value.ok);
  return resultLines(sorted(value));
}

/** A worker's answer for people, as Celery prints it. */
export function replyLines({ node, value }: ControlReply, { style }: Output): readonly string[] {
  const state = isError(value) ? style('red', 'ERROR') : style('green', 'OK');
  return [`->  ${printable(node)}: ${state}`, ...linesOf(value).map((line) => `    ${line}`)];
}

export const onlineLine = (count: number): string => `${count} node${count === 1 ? '' : 's'} online.`;

/** Answers by node, for programs. */
export function repliesByNode(replies: readonly ControlReply[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(replies.map(({ node, value }) => [node, value]));
}

export const NOBODY = 'No nodes replied within time constraint';

/** Runs a command of this kind. Resolves to the exit code: 1 when a worker answered with an error, 69 when nobody answered. */
export async function runRemote(kind: Kind, options: RemoteOptions, { loadApp, out }: CommandContext): Promise<number> {
  const app = await loadApp();
  const { name, words, timeout = 1, destination } = options;
  if (options.list) {
    const shown = commandsOf(app, kind).filter(({ visible }) => visible !== false);
    const width = Math.max(...shown.map((command) => usageOf(command).length));
    out.answer(
      shown.map((command) => ({ name: command.name, usage: usageOf(command), help: command.help ?? '' })),
      shown.map((command) => `${printable(usageOf(command)).padEnd(width)}  ${printable(command.help ?? '')}`),
    );
    return EXIT.ok;
  }
  if (name === undefined) throw new ConfigurationError(`Which command? lovage ${kind} --list shows them.`);
  const command = find(app, kind, name);
  const args = argumentsOf(command, words);
  await reachBroker(app, 'write');
  const answers = await app.control.ask(command.name, args, { timeout, ...(destination === undefined ? {} : { destination }) });
  // Lovage's workers mask what they say; Celery's show arguments as they are.
  const replies = answers.map(({ node, value }) => ({ node, value: redactData(value) }));
  if (replies.length === 0) {
    if (out.json) out.answer({}, []);
    out.warn(`${out.style('red', 'Error:')} ${NOBODY}`);
    return EXIT.unavailable;
  }
  const count = kind === 'inspect' && !out.quiet ? ['', onlineLine(replies.length)] : [];
  out.answer(repliesByNode(replies), [...replies.flatMap((reply) => replyLines(reply, out)), ...count]);
  return replies.some(({ value }) => isError(value)) ? EXIT.failure : EXIT.ok;
}
