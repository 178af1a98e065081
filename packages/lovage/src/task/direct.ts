// Calling a task like a function: the body runs in this process with a context of its own; nothing is sent, stored or told.
import { uuid } from '../util/index.ts';
import { bindArguments } from './arguments.ts';
import { type Attempt, parts } from './attempt.ts';
import { taskOf } from './attempt-context.ts';
import { blankRequest } from './blank.ts';
import { Limits } from './limits.ts';
import type { TaskDefinition } from './options.ts';
import type { TaskPort } from './port.ts';
import { parseInput, parseOutput } from './schema.ts';

/** Runs the body of a task with these arguments. Its errors are the caller's. */
export async function callDirectly(port: TaskPort, definition: TaskDefinition, args: readonly unknown[]): Promise<unknown> {
  const given = await parseInput(definition, bindArguments(definition, args, {}, definition.options.typing ?? false));
  const run = definition.run as (...all: readonly unknown[]) => unknown;
  const value = await (definition.bind ? run(taskOf(directAttempt(port, definition, args)).context, ...given) : run(...given));
  return parseOutput(definition, value);
}

function directAttempt(port: TaskPort, definition: TaskDefinition, args: readonly unknown[]): Attempt {
  const environment = port.environment();
  const request = blankRequest({ id: uuid(), task: definition.name, hostname: environment.hostname }, { args, kwargs: {} });
  const limits = new Limits({ task: definition.name, id: request.id, soft: undefined, hard: undefined, outer: undefined });
  return {
    environment,
    definition,
    options: environment.options(definition),
    ...parts(request),
    limits,
    children: [],
    retries: [],
    storesStates: false,
  };
}
