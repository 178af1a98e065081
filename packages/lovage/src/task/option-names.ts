// Which options there are, for those who write without types: an unknown name is refused with a suggestion, never ignored, and so is
// a value of the wrong kind.
import { ConfigurationError, didYouMean } from '../util/index.ts';
import type { DeclareOptions } from './declare.ts';
import { APPLY_RULES, CALL_RULES, EXEC_RULES, type OptionRule, TASK_RULES, wrongValue } from './option-rules.ts';
import type { CallOptions, TaskDefinition, TaskOptions } from './options.ts';

function check(what: string, options: object, rules: Readonly<Record<string, OptionRule>>, hint: string): void {
  for (const name in options) {
    if (Object.hasOwn(rules, name)) continue;
    throw new ConfigurationError(`${what} has the unknown option '${name}'.${didYouMean(name, Object.keys(rules))}${hint}`);
  }
  const wrong = wrongValue(options, rules);
  if (wrong !== undefined) throw new ConfigurationError(`${what} has a wrong option: ${wrong}.`);
}

/** Throws ConfigurationError for a name that no task option has, for a value of the wrong kind, and for limits that contradict each other. */
export function checkTaskOptions(name: string, options: DeclareOptions): void {
  check(`The task '${name}'`, options, TASK_RULES, '');
  const { softTimeLimit, timeLimit } = options;
  if (typeof softTimeLimit === 'number' && typeof timeLimit === 'number' && softTimeLimit > timeLimit) {
    throw new ConfigurationError(
      `The task '${name}' has a softTimeLimit (${softTimeLimit} s) above its timeLimit (${timeLimit} s); the soft one must come first.`,
    );
  }
}

/** Throws ConfigurationError for a name that no call option has, and for a value of the wrong kind. */
export function checkCallOptions(name: string, options: object): void {
  check(
    `A call of '${name}'`,
    options,
    CALL_RULES,
    ' Headers of your own go into `headers`, message properties into `properties`.',
  );
}

/** Throws ConfigurationError for a name that `apply` does not know, and for a value of the wrong kind. */
export function checkApplyOptions(name: string, options: object): void {
  check(`'${name}'.apply`, options, APPLY_RULES, ' A run in place has no message, so it takes fewer options than a call.');
}

const HANDLERS = ['beforeStart', 'onSuccess', 'onFailure', 'onRetry', 'onReplace', 'afterReturn'] as const;

/** Splits what a declaration says into options and handlers. */
export function splitOptions(all: DeclareOptions): Pick<TaskDefinition, 'options' | 'handlers' | 'bind'> {
  const { bind, onBound: _onBound, beforeStart, onSuccess, onFailure, onRetry, onReplace, afterReturn, ...options } = all;
  const named = { beforeStart, onSuccess, onFailure, onRetry, onReplace, afterReturn };
  const given = HANDLERS.filter((name) => named[name] !== undefined).map((name) => [name, named[name]] as const);
  return { options, handlers: Object.fromEntries(given), bind: bind === true };
}

/** Those options of a task that are options of its calls too. */
export function execOptions({ ignoreResult, ...options }: TaskOptions): CallOptions {
  const exec = Object.fromEntries(Object.entries(options).filter(([name]) => Object.hasOwn(EXEC_RULES, name)));
  return ignoreResult === undefined ? exec : { ...exec, ignoreResult };
}
