// From a command's name and arguments to its answer. Nothing that comes from outside throws past this file.
import type { CommandArgument, ControlledWorker, NamedCommand } from '../../app/index.ts';
import type { ControlRequest } from '../../protocol/index.ts';
import { logger } from '../../util/index.ts';
import { builtInCommands } from './commands/index.ts';
import { controlledWorker } from './controlled.ts';
import {
  type Command,
  type CommandArguments,
  type CommandContext,
  CommandError,
  errorReply,
  isAllowed,
  Refusal,
} from './seam.ts';

const log = logger('worker', 'control');

function quoted(names: readonly string[]): string {
  const texts = names.map((name) => `'${name}'`);
  if (texts.length < 3) return texts.join(' and ');
  return `${texts.slice(0, -1).join(', ')}, and ${texts.at(-1)}`;
}

/** Throws what Python says of a call with other arguments. */
function checkArguments(command: Command, given: CommandArguments): void {
  const known: readonly CommandArgument[] = command.args ?? [];
  const names = new Set([...known.map(({ name }) => name), ...(command.variadic === undefined ? [] : [command.variadic])]);
  const unknown = command.open === true ? undefined : Object.keys(given).find((name) => !names.has(name));
  if (unknown !== undefined)
    throw new CommandError('TypeError', `${command.name}() got an unexpected keyword argument '${unknown}'`);
  const missing = known.filter(({ name, required }) => required === true && given[name] === undefined).map(({ name }) => name);
  if (missing.length === 0) return;
  const what = missing.length === 1 ? 'argument' : 'arguments';
  throw new CommandError(
    'TypeError',
    `${command.name}() missing ${missing.length} required positional ${what}: ${quoted(missing)}`,
  );
}

/** A command of the program, as one of ours. */
function adopted(custom: NamedCommand): Command {
  return {
    ...custom,
    run: (context, args) => {
      const worker: ControlledWorker = controlledWorker(context);
      return custom.run(worker, args);
    },
  };
}

/** The command of that name or alias. */
export function findCommand(name: string, { port }: Pick<CommandContext, 'port'>): Command | undefined {
  const own = builtInCommands.find((command) => command.name === name || command.alias === name);
  if (own !== undefined) return own;
  const custom = port.custom.find(name);
  return custom === undefined ? undefined : adopted(custom);
}

/** Runs a request. Resolves to its answer; never rejects. */
export async function dispatch({ method, arguments: args }: ControlRequest, context: CommandContext): Promise<unknown> {
  try {
    const command = findCommand(method, context);
    if (command === undefined) throw new CommandError('KeyError', method);
    if (!isAllowed(command, context.port.settings.remoteControl)) {
      log.warning('The control command {method} was refused, as the setting remoteControl says.', { method });
      return { error: `The command '${method}' is switched off on this worker (setting remoteControl).` };
    }
    checkArguments(command, args);
    return await command.run(context, args);
  } catch (error) {
    const reply = errorReply(error);
    // Of what was asked wrongly a stack tells nothing, and it would keep the line ends that came in.
    const isOurs = error instanceof CommandError || error instanceof Refusal;
    log.error('The control command {method} failed: {error}', { method, error: isOurs ? reply.error : error });
    return reply;
  }
}
