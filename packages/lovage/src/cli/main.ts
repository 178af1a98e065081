// From argv to an exit code: parse, load what the command needs, run it, and turn whatever goes wrong into one clear line.
import { merge, or } from '@optique/core/constructs';
import { message, text } from '@optique/core/message';
import { map } from '@optique/core/modifiers';
import type { Parser } from '@optique/core/parser';
import { command } from '@optique/core/primitives';
import { run } from '@optique/run';
import { findApp, type Lovage } from '../app/index.ts';
import { ConfigurationError, LovageError } from '../util/index.ts';
import { commands } from './commands/index.ts';
import { type Command, type CommandContext, EXIT, type GlobalOptions } from './define.ts';
import { globalOptions } from './options.ts';
import { createOutput, printable } from './output.ts';
import { version } from './version.ts';

interface Parsed extends GlobalOptions {
  readonly command: Command;
  readonly options: unknown;
}

type Branch = Parser<'sync', { command: Command; options: unknown }, unknown>;

function commandParser(definition: Command): Branch {
  const parser = map(definition.parser, (options) => ({ command: definition, options }));
  const examples = definition.examples ?? [];
  return command(definition.name, parser, {
    brief: message`${text(definition.summary)}`,
    description: message`${text(definition.summary)}`,
    ...(examples.length > 0 ? { footer: message`Examples: ${text(examples.join('   '))}` } : {}),
  });
}

function parse(argv: readonly string[]): Parsed {
  // These two count their parsers in their types; ours come from a table, so the types are said here.
  const oneOf = or as unknown as (...parsers: readonly Branch[]) => Branch;
  const both = merge as unknown as (global: typeof globalOptions, branch: Branch) => Parser<'sync', Parsed, unknown>;
  const parser = both(globalOptions, oneOf(...commands.map(commandParser)));
  return run(parser, {
    programName: 'lovage',
    args: argv.length === 0 ? ['--help'] : argv,
    help: 'both',
    version: { value: version(), option: true },
    completion: 'both',
    aboveError: 'usage',
    errorExitCode: EXIT.usage,
    showDefault: true,
    showChoices: true,
  });
}

/** Environment names of the global options; a flag outranks them. */
function withEnvironment(options: GlobalOptions): GlobalOptions {
  const env = process.env;
  return {
    ...options,
    app: options.app ?? env.LOVAGE_APP,
    config: options.config ?? env.LOVAGE_CONFIG,
    noColor: options.noColor || (env.NO_COLOR ?? '') !== '',
  };
}

function createContext(global: GlobalOptions): CommandContext & { loaded(): Lovage | undefined } {
  const color = !global.noColor && (process.stdout.isTTY === true || (process.env.FORCE_COLOR ?? '') !== '');
  let loading: Promise<Lovage> | undefined;
  let app: Lovage | undefined;
  return {
    global,
    out: createOutput({ json: global.json, quiet: global.quiet, color }),
    loaded: () => app,
    loadApp: () => {
      loading ??= findApp(global.app, {
        ...(global.config === undefined ? {} : { config: global.config }),
        overrides: {
          ...(global.broker === undefined ? {} : { brokerUrl: global.broker }),
          ...(global.resultBackend === undefined ? {} : { resultBackend: global.resultBackend }),
        },
      }).then((found) => {
        app = found;
        return found;
      });
      return loading;
    },
  };
}

/** One line for an expected error; the stack only for our own mistakes. */
export function describeError(error: unknown): string {
  if (error instanceof LovageError) return printable(error.message);
  if (error instanceof Error) return error.stack ?? error.message;
  return String(error);
}

function exitCodeOf(error: unknown): number {
  if (error instanceof ConfigurationError) return EXIT.usage;
  if (error instanceof LovageError && error.transient) return EXIT.unavailable;
  return EXIT.failure;
}

/** Runs one command line. Resolves to the exit code; never rejects. */
export async function main(argv: readonly string[]): Promise<number> {
  const { command: definition, options, ...rest } = parse(argv);
  const context = createContext(withEnvironment(rest));
  try {
    if (context.global.workdir !== undefined) process.chdir(context.global.workdir);
    return await definition.run(options, context);
  } catch (error) {
    const described = describeError(error);
    if (context.out.json)
      context.out.answer({ error: described, code: error instanceof LovageError ? error.code : undefined }, []);
    else process.stderr.write(`Error: ${described}\n`);
    return exitCodeOf(error);
  } finally {
    await context.loaded()?.close();
  }
}
