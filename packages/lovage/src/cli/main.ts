// From argv to an exit code: parse, run the command, and turn whatever goes wrong into one clear line.
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { debuglog } from 'node:util';
import type { Lovage } from '../app/index.ts';
import { ConfigurationError, LovageError, orAborted } from '../util/index.ts';
import { allCommands, commandsWith, commandTable } from './commands/index.ts';
import type { Command, CommandContext, GlobalOptions } from './define.ts';
import { readEnvironmentFile } from './dotenv.ts';
import { environmentVariables } from './environment.ts';
import { codeOf, describeError, exitCodeOf, ModuleFailure } from './failure.ts';
import { createOutput, type Output } from './output.ts';
import { type Answered, neededCommands, type Parsed, type ParseOptions, parse } from './parse.ts';
import { globalWord } from './user-options.ts';

/** Closing must not keep a person waiting for a broker that is away. */
const CLOSE_MS = 2000;

function wantsColor(argv: readonly string[], stream: NodeJS.WriteStream): boolean {
  const { NO_COLOR = '', FORCE_COLOR = '', LOVAGE_NO_COLOR = '' } = process.env;
  if (argv.includes('-C') || argv.includes('--no-color') || NO_COLOR !== '') return false;
  if (LOVAGE_NO_COLOR !== '' && !/^(0|false|no|off)$/i.test(LOVAGE_NO_COLOR)) return false;
  return FORCE_COLOR === '' ? stream.isTTY === true : FORCE_COLOR !== '0';
}

function overridesOf({ broker, resultBackend }: GlobalOptions): { brokerUrl?: string; resultBackend?: string } {
  return {
    ...(broker === undefined ? {} : { brokerUrl: broker }),
    ...(resultBackend === undefined ? {} : { resultBackend }),
  };
}

/** Tells the app what was given of its own options. */
async function tellPreload(app: Lovage, { command, preload }: Parsed): Promise<void> {
  if (app.userOptions.preload.length === 0) return;
  const { userValues } = await import('../app/index.ts');
  const options = userValues(app.userOptions.preload, preload);
  await app.signals.userPreloadOptions.tell(() => ({ command: command.name, app: app.name, options }), command.name);
}

async function load(parsed: Parsed, pairs: readonly string[]): Promise<Lovage> {
  const { global } = parsed;
  const { claimEnvironment, findApp } = await import('../app/index.ts');
  claimEnvironment(environmentVariables(await commandsOfEnvironment(parsed.command)));
  try {
    return await findApp(global.app, {
      loaded: (app) => tellPreload(app, parsed),
      ...(global.config === undefined ? {} : { config: global.config }),
      overrides: overridesOf(global),
      pairs,
      strict: true,
    });
  } catch (error) {
    // A mistake that we found in a module of the user is theirs to find too: with the place, when there is one.
    const failure = new ModuleFailure(global.app ?? 'The app', error);
    throw error instanceof LovageError && failure.frames.length === 0 ? error : failure;
  }
}

/** The commands whose variables may be set: those of the others are no settings either. */
async function commandsOfEnvironment(command: Command): Promise<readonly Command[]> {
  const isNamed = (name: string): boolean =>
    Object.keys(process.env).some((key) => key.startsWith(`LOVAGE_${name.toUpperCase()}_`));
  const others = commandTable.filter(({ name }) => name !== command.name && isNamed(name));
  return [command, ...(await Promise.all(others.map(({ load }) => load())))];
}

interface Context extends CommandContext {
  loaded(): Lovage | undefined;
}

/** How a command is carried out. */
interface Circumstances {
  readonly out: Output;
  readonly logColor: boolean;
  readonly again: () => void;
}

function createContext(parsed: Parsed, { out, logColor, again }: Circumstances): Context {
  const { global, user } = parsed;
  let loading: Promise<Lovage> | undefined;
  let app: Lovage | undefined;
  return {
    global,
    out,
    logColor,
    again,
    userOptions: user,
    loaded: () => app,
    loadApp: (pairs = []) => {
      loading ??= load(parsed, pairs).then((found) => {
        app = found;
        return found;
      });
      return loading;
    },
  };
}

function report(error: unknown, out: Output): number {
  const lines = describeError(error);
  if (out.json) out.answer({ error: lines[0], code: codeOf(error) }, []);
  else process.stderr.write(`${out.style('red', 'Error:')} ${lines.join('\n')}\n`);
  return exitCodeOf(error);
}

function goTo(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new ConfigurationError(`--workdir: there is no folder '${folder}'.`);
  process.chdir(folder);
}

async function close(app: Lovage | undefined): Promise<void> {
  if (app === undefined) return;
  try {
    await orAborted(app.close(), AbortSignal.timeout(CLOSE_MS));
  } catch (error) {
    // The command has had its outcome; a line that will not close changes nothing of it.
    debuglog('lovage')('closing: %s', error);
  }
}

async function perform(parsed: Parsed, circumstances: Circumstances): Promise<number> {
  const { command, options, global } = parsed;
  const context = createContext(parsed, circumstances);
  try {
    if (global.workdir !== undefined) goTo(global.workdir);
    return await command.run(options, context);
  } catch (error) {
    return report(error, circumstances.out);
  } finally {
    await close(context.loaded());
  }
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

/** Runs one command line; `again` is called when it is to be run once more. Resolves to the exit code; never rejects. */
export async function main(argv: readonly string[], again: () => void = () => undefined): Promise<number> {
  const color = wantsColor(argv, process.stdout);
  const early = createOutput({ json: argv.includes('--json'), quiet: false, color: wantsColor(argv, process.stderr) });
  try {
    readEnvironmentFile(argv);
    const needed = neededCommands(argv);
    const commands = await (needed === undefined ? allCommands() : commandsWith(needed));
    const options = { commands, colors: color };
    const plain = parse(argv, process.env, options);
    const parsed = 'exitCode' in plain && plain.asksApp === true ? await askApp(argv, plain, options) : plain;
    if (!('exitCode' in parsed)) {
      const { json, quiet } = parsed.global;
      const logColor = wantsColor(argv, process.stderr);
      return await perform(parsed, { out: createOutput({ json, quiet, color }), logColor, again });
    }
    if (parsed.error !== undefined) return report(new ConfigurationError(parsed.error), early);
    process.stdout.write(parsed.stdout);
    return parsed.exitCode;
  } catch (error) {
    return report(error, early);
  }
}
