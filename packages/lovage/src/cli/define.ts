// One way to define a command: its parser, one sentence, and what it does. The parsing library stays behind this file and options.ts.
import type { Parser } from '@optique/core/parser';
import type { Lovage } from '../app/index.ts';
import type { Output } from './output.ts';

/** Options that every command understands, before or after its name. */
export interface GlobalOptions {
  readonly app: string | undefined;
  readonly broker: string | undefined;
  readonly resultBackend: string | undefined;
  readonly workdir: string | undefined;
  readonly config: string | undefined;
  readonly dotenv: string | undefined;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly noColor: boolean;
}

export interface CommandContext {
  readonly global: GlobalOptions;
  readonly out: Output;
  /** Colours in what goes to stderr? */
  readonly logColor: boolean;
  /** What was given of the options that the app adds to this command. */
  readonly userOptions: Readonly<Record<string, unknown>>;
  /** Runs this command line once more, in this process, when it is over. */
  again(): void;
  /** Loads the app named by `-A`, once, with `key=value` settings over its own; its modules are imported too. Throws ConfigurationError. */
  loadApp(pairs?: readonly string[]): Promise<Lovage>;
}

/** Exit codes, as Celery's: 0 done, 1 failed, 2 used wrongly, 69 nobody there, 73 a live program holds the pid file. */
export const EXIT = { ok: 0, failure: 1, usage: 2, unavailable: 69, held: 73 } as const;

export interface CommandDefinition<Options> {
  readonly name: string;
  /** One sentence for help. */
  readonly summary: string;
  readonly examples: readonly string[];
  /** Takes what follows its name as plain words, options too: it has a grammar of its own. */
  readonly words?: boolean;
  readonly parser: Parser<'sync', Options, unknown>;
  /** Resolves to the exit code. */
  run(options: Options, context: CommandContext): Promise<number>;
}

/** A command with its options' type erased, as the table of all commands keeps it. */
export interface Command extends Omit<CommandDefinition<unknown>, 'run'> {
  run(options: unknown, context: CommandContext): Promise<number>;
}

/** The one place that erases a command's type: its own parser made the options that `run` gets. */
export function defineCommand<Options>(definition: CommandDefinition<Options>): Command {
  return definition as unknown as Command;
}
