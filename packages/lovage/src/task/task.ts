// Typed handles of tasks whose code is here: what `app.task(…)` gives. A handle turns calls into plain data and lets send.ts do the rest.
import type { AsyncResult } from '../result/index.ts';
import { ConfigurationError, checkName } from '../util/index.ts';
import type { Body, DeclareOptions, DeclareTask } from './declare.ts';
import { callDirectly } from './direct.ts';
import { runEagerly } from './eager.ts';
import type { Task } from './handle.ts';
import { createHandle, hostOf } from './host.ts';
import { checkApplyOptions, checkTaskOptions, splitOptions } from './option-names.ts';
import type { ApplyOptions, Call, TaskDefinition } from './options.ts';
import { declaredParameters, readParameters } from './parameters.ts';
import type { TaskPort } from './port.ts';

/** The erased record of a task. Throws ConfigurationError for options that do not exist or contradict each other. */
export function defineTask(name: string, options: DeclareOptions, run: Body): TaskDefinition {
  if (typeof name !== 'string' || name === '')
    throw new ConfigurationError("A task needs a name, such as 'shop.resize'; got an empty one.");
  checkName('The name of a task', name);
  if (typeof run !== 'function') throw new ConfigurationError(`The task '${name}' needs a function as its last argument.`);
  checkTaskOptions(name, options);
  const parts = splitOptions(options);
  const known = options.params === undefined ? readParameters(run, parts.bind) : declaredParameters(options.params);
  return Object.freeze({ name, ...parts, ...known, ...schemaArity(options), run });
}

/** With schemas, they say how many arguments there may be; which of them must be there is their own business. */
function schemaArity({ input }: DeclareOptions): Partial<Pick<TaskDefinition, 'arity'>> {
  if (input === undefined) return {};
  return { arity: { min: 0, max: Array.isArray(input) ? input.length : 1 } };
}

/** Declares a task: registers its definition and gives the typed handle. */
export function createTask<Args extends readonly unknown[], Result>(
  port: TaskPort,
  name: string,
  options: DeclareOptions,
  run: Body,
): Task<Args, Result> {
  const definition = defineTask(name, options, run);
  port.register(definition);
  options.onBound?.(port.app, definition);
  return taskOf(port, definition);
}

/** The handle of a task that is registered already. */
export function taskOf<Args extends readonly unknown[], Result>(port: TaskPort, definition: TaskDefinition): Task<Args, Result> {
  const { name } = definition;
  const apply = async (
    args: readonly unknown[],
    given: ApplyOptions & { kwargs?: Call['kwargs'] } = {},
  ): Promise<AsyncResult<unknown>> => {
    const { kwargs, ...options } = given;
    checkApplyOptions(name, options);
    return runEagerly(port.environment(), { task: name, args, kwargs: kwargs ?? {}, options: {}, definition }, options);
  };
  const handle = { ...createHandle(hostOf(port), name, definition.options, definition), definition, apply };
  const call = (...args: readonly unknown[]): Promise<unknown> => callDirectly(port, definition, args);
  const described = Object.entries({ ...handle, name }).map(([key, value]) => [key, { value, enumerable: true }] as const);
  // The one place where a task's types are erased: the definition was made of the function that they describe.
  return Object.defineProperties(call, Object.fromEntries(described)) as unknown as Task<Args, Result>;
}

/** `app.task` of an app. */
export function declareTask(port: TaskPort): DeclareTask {
  const declare = (name: string, second: DeclareOptions | Body, third?: Body): unknown => {
    if (typeof second === 'function') return createTask(port, name, {}, second);
    if (third === undefined) throw new ConfigurationError(`The task '${name}' needs a function as its last argument.`);
    return createTask(port, name, second, third);
  };
  return declare as DeclareTask;
}
