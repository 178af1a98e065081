// Commands that a program adds to its workers: `app.control.command('increase_prefetch', { … })`. The worker runs them, the command line
// and the client call them by name.
import { ConfigurationError } from '../../util/index.ts';

/** What an argument must be; texts from a command line are converted to it. */
export type ArgumentType = 'string' | 'integer' | 'number' | 'boolean' | 'any';

/** An argument of a command, in the order in which the command line takes them. */
export interface CommandArgument {
  readonly name: string;
  /** @default 'any' */
  readonly type?: ArgumentType;
  /** @default false */
  readonly required?: boolean;
}

/** How a command looks from outside. */
export interface CommandShape {
  /** `inspect` looks, `control` changes something; the latter can be switched off (setting remoteControl). @default 'control' */
  readonly kind?: 'inspect' | 'control';
  /** Another name. */
  readonly alias?: string;
  readonly args?: readonly CommandArgument[];
  /** Takes the further words of a command line as a list, under this name. */
  readonly variadic?: string;
  /** One sentence. */
  readonly help?: string;
  /** Listed in help. @default true */
  readonly visible?: boolean;
}

/** A worker as a command of a program sees it. */
export interface ControlledWorker {
  /** Node name. */
  readonly hostname: string;
  /** Aborts when the command takes too long, or the worker ends. */
  readonly signal: AbortSignal;
  /** Statistics, as `inspect stats` begins with. */
  info(): Readonly<Record<string, unknown>>;
  /** What is in hand. */
  requests(): readonly { readonly id: string; readonly task: string; readonly state: string }[];
  readonly pool: { readonly limit: number; readonly running: number; resize(limit: number): Promise<void> };
  /** Queues that it takes from. */
  readonly queues: { readonly names: readonly string[]; add(name: string): Promise<void>; cancel(name: string): Promise<void> };
}

/** A command of a program: what it answers goes back as it is, so it must fit into JSON. What it throws becomes an `error`. */
export interface CustomCommand extends CommandShape {
  run(worker: ControlledWorker, args: Readonly<Record<string, unknown>>): unknown;
}

/** A command with its name. */
export type NamedCommand = CustomCommand & { readonly name: string };

const NAME = /^[A-Za-z_][\w.-]*$/;

/** The commands of one app. */
export class CustomCommands implements Iterable<NamedCommand> {
  readonly #commands = new Map<string, NamedCommand>();

  /** Adds one, or throws ConfigurationError. */
  add(name: string, command: CustomCommand): void {
    for (const word of [name, ...(command.alias === undefined ? [] : [command.alias])]) {
      if (!NAME.test(word))
        throw new ConfigurationError(`'${word}' is no name of a control command; use letters, digits and underscores.`);
      if (this.find(word) !== undefined) throw new ConfigurationError(`The app has a control command '${word}' already.`);
    }
    this.#commands.set(name, { ...command, name });
  }

  find(name: string): NamedCommand | undefined {
    const known = this.#commands.get(name);
    if (known !== undefined) return known;
    for (const command of this.#commands.values()) if (command.alias === name) return command;
    return undefined;
  }

  [Symbol.iterator](): IterableIterator<NamedCommand> {
    return this.#commands.values();
  }
}
