// From argv to an exit code: understand the line, run its command, and turn whatever goes wrong into one clear line.
import { statSync } from 'node:fs';
import { debuglog } from 'node:util';
import type { Lovage } from '../app/index.ts';
import { ConfigurationError, LovageError, orAborted } from '../util/index.ts';
import type { CommandContext, GlobalOptions } from './define.ts';
import { readEnvironmentFile } from './dotenv.ts';
import { codeOf, describeError, exitCodeOf, ModuleFailure } from './failure.ts';
import { createOutput, type Output } from './output.ts';
import type { Answered, Errand } from './understand.ts';

/** Reads a command line, in colours or without. */
export type Understand = (argv: readonly string[], color: boolean) => Promise<Errand | Answered>;

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
async function tellPreload(app: Lovage, { name, preload }: Errand): Promise<void> {
  if (app.userOptions.preload.length === 0) return;
  const { userValues } = await import('../app/index.ts');
  const options = userValues(app.userOptions.preload, preload);
  await app.signals.userPreloadOptions.tell(() => ({ command: name, app: app.name, options }), name);
}

async function load(errand: Errand, pairs: readonly string[]): Promise<Lovage> {
  const { global } = errand;
  const { claimEnvironment, findApp } = await import('../app/index.ts');
  // What a module says as it is loaded is not the answer.
  if (global.json) console.log = console.info = console.debug = console.error;
  claimEnvironment(await errand.variables());
  try {
    return await findApp(global.app, {
      loaded: (app) => tellPreload(app, errand),
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

interface Context extends CommandContext {
  loaded(): Lovage | undefined;
}

/** How a command is carried out. */
interface Circumstances {
  readonly out: Output;
  readonly logColor: boolean;
  readonly again: () => void;
}

function createContext(errand: Errand, { out, logColor, again }: Circumstances): Context {
  const { global, user } = errand;
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
      loading ??= load(errand, pairs).then((found) => {
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

async function perform(errand: Errand, circumstances: Circumstances): Promise<number> {
  const { workdir } = errand.global;
  const context = createContext(errand, circumstances);
  try {
    if (workdir !== undefined) goTo(workdir);
    return await errand.run(context);
  } catch (error) {
    return report(error, circumstances.out);
  } finally {
    await close(context.loaded());
  }
}

/** Runs one command line; `again` is called when it is to be run once more. Resolves to the exit code; never rejects. */
export async function main(argv: readonly string[], understand: Understand, again: () => void): Promise<number> {
  const color = wantsColor(argv, process.stdout);
  const early = createOutput({ json: argv.includes('--json'), quiet: false, color: wantsColor(argv, process.stderr) });
  try {
    readEnvironmentFile(argv);
    const line = await understand(argv, color);
    if (!('exitCode' in line)) {
      const { json, quiet } = line.global;
      const logColor = wantsColor(argv, process.stderr);
      return await perform(line, { out: createOutput({ json, quiet, color }), logColor, again });
    }
    if (line.error !== undefined) return report(new ConfigurationError(line.error), early);
    process.stdout.write(line.stdout);
    return line.exitCode;
  } catch (error) {
    return report(error, early);
  }
}
