// What a command line says, by the parser: which command with which options, or an answer at once. The app is asked where it may know more.
import { resolve } from 'node:path';
import { debuglog } from 'node:util';
import type { Lovage } from '../app/index.ts';
import { allCommands, commandsWith } from './commands/index.ts';
import { commandTable } from './commands/table.ts';
import type { Command, CommandContext, GlobalOptions } from './define.ts';
import { environmentVariables } from './environment.ts';
import { globalWord } from './global-word.ts';
import { type Answered, neededCommands, type Parsed, type ParseOptions, parse } from './parse.ts';

export type { Answered } from './parse.ts';

/** What is to be done. */
export interface Errand {
  /** The command's. */
  readonly name: string;
  readonly global: GlobalOptions;
  /** What was given of the app's own options for this command, and of those for every command. */
  readonly user: Readonly<Record<string, unknown>>;
  readonly preload: Readonly<Record<string, unknown>>;
  /** Variables of the environment that are options: no settings. */
  variables(): Promise<readonly string[]>;
  /** Resolves to the exit code. */
  run(context: CommandContext): Promise<number>;
}

/** The commands whose variables may be set: those of the others are no settings either. */
async function commandsOfEnvironment(command: Command): Promise<readonly Command[]> {
  const isNamed = (name: string): boolean =>
    Object.keys(process.env).some((key) => key.startsWith(`LOVAGE_${name.toUpperCase()}_`));
  const others = commandTable.filter(({ name }) => name !== command.name && isNamed(name));
  return [command, ...(await Promise.all(others.map(({ load }) => load())))];
}

/** The app that a command line names. A mistake in loading it is told when it is used. */
async function appOf(argv: readonly string[]): Promise<Lovage | undefined> {
  const { env } = process;
  const folder = globalWord(argv, { names: ['--workdir'], variable: 'LOVAGE_WORKDIR' }, env);
  const named = globalWord(argv, { names: ['-A', '--app'], variable: 'LOVAGE_APP' }, env);
  const { findAppModule } = await import('../app/index.ts');
  try {
    return await findAppModule(named, folder === undefined ? undefined : resolve(folder));
  } catch (error) {
    debuglog('lovage')('options of the app: %s', error);
    return undefined;
  }
}

/** A command line that is not understood may be with the options of its app. */
async function askApp(argv: readonly string[], answered: Answered, options: ParseOptions): Promise<Parsed | Answered> {
  const user = (await appOf(argv))?.userOptions;
  if (user === undefined || Object.values(user).every((options: readonly unknown[]) => options.length === 0)) return answered;
  return parse(argv, process.env, { ...options, user });
}

/** Reads a command line. Throws ConfigurationError for a variable of the environment that cannot be one. */
export async function understand(argv: readonly string[], colors: boolean): Promise<Errand | Answered> {
  const needed = neededCommands(argv);
  const commands = await (needed === undefined ? allCommands() : commandsWith(needed));
  const options = { commands, colors };
  const plain = parse(argv, process.env, options);
  const parsed = 'exitCode' in plain && plain.asksApp === true ? await askApp(argv, plain, options) : plain;
  if ('exitCode' in parsed) return parsed;
  const { command, global, user, preload } = parsed;
  return {
    name: command.name,
    global,
    user,
    preload,
    variables: async () => environmentVariables(await commandsOfEnvironment(command)),
    run: (context) => command.run(parsed.options, context),
  };
}
