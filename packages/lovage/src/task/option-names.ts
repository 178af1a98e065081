// Which options there are, for those who write without types: an unknown name is refused with a suggestion, never ignored.
import { ConfigurationError, didYouMean } from '../util/index.ts';
import type { DeclareOptions } from './declare.ts';
import type { ApplyOptions } from './handle.ts';
import type { CallOptions, ExecOptions, TaskDefinition, TaskOptions } from './options.ts';

type Names<Options> = Readonly<Record<keyof Options, true>>;

const EXEC: Names<ExecOptions> = {
  queue: true,
  exchange: true,
  routingKey: true,
  priority: true,
  expires: true,
  serializer: true,
  deliveryMode: true,
  compression: true,
  timeLimit: true,
  softTimeLimit: true,
};

const TASK: Names<DeclareOptions> = {
  ...EXEC,
  bind: true,
  params: true,
  typing: true,
  maxRetries: true,
  defaultRetryDelay: true,
  autoretryFor: true,
  dontAutoretryFor: true,
  retryKwargs: true,
  retryBackoff: true,
  retryBackoffMax: true,
  retryJitter: true,
  rateLimit: true,
  ignoreResult: true,
  storeErrorsEvenIfIgnored: true,
  storeEagerResult: true,
  trackStarted: true,
  acksLate: true,
  acksOnFailure: true,
  acksOnTimeout: true,
  rejectOnWorkerLost: true,
  throws: true,
  trail: true,
  sendEvents: true,
  resultReprMaxSize: true,
  input: true,
  output: true,
  errback: true,
  shadowName: true,
  beforeStart: true,
  onSuccess: true,
  onFailure: true,
  onRetry: true,
  afterReturn: true,
};

const CALL: Names<CallOptions> = {
  ...EXEC,
  taskId: true,
  countdown: true,
  eta: true,
  link: true,
  linkError: true,
  shadow: true,
  headers: true,
  properties: true,
  ignoreResult: true,
  addToParent: true,
  rootId: true,
  parentId: true,
  groupId: true,
  groupIndex: true,
  chord: true,
  chain: true,
  retries: true,
  replyTo: true,
  replacedTaskNesting: true,
  origin: true,
  argsRepr: true,
  kwargsRepr: true,
  stamps: true,
  stampedHeaders: true,
  publishTimeout: true,
  retry: true,
  signal: true,
};

const APPLY: Names<ApplyOptions> = {
  throw: true,
  taskId: true,
  link: true,
  linkError: true,
  headers: true,
  retries: true,
  rootId: true,
  parentId: true,
  groupId: true,
  groupIndex: true,
  stamps: true,
  stampedHeaders: true,
  signal: true,
};

function check(what: string, options: object, known: Readonly<Record<string, true>>, hint: string): void {
  for (const name in options) {
    if (Object.hasOwn(known, name)) continue;
    throw new ConfigurationError(`${what} has the unknown option '${name}'.${didYouMean(name, Object.keys(known))}${hint}`);
  }
}

/** Throws ConfigurationError for a name that no task option has, and for limits that contradict each other. */
export function checkTaskOptions(name: string, options: DeclareOptions): void {
  check(`The task '${name}'`, options, TASK, '');
  const { softTimeLimit, timeLimit } = options;
  if (typeof softTimeLimit === 'number' && typeof timeLimit === 'number' && softTimeLimit > timeLimit) {
    throw new ConfigurationError(
      `The task '${name}' has a softTimeLimit (${softTimeLimit} s) above its timeLimit (${timeLimit} s); the soft one must come first.`,
    );
  }
}

/** Throws ConfigurationError for a name that no call option has. */
export function checkCallOptions(name: string, options: object): void {
  check(`A call of '${name}'`, options, CALL, ' Headers of your own go into `headers`, message properties into `properties`.');
}

/** Throws ConfigurationError for a name that `apply` does not know. */
export function checkApplyOptions(name: string, options: object): void {
  check(`'${name}'.apply`, options, APPLY, ' A run in place has no message, so it takes fewer options than a call.');
}

const HANDLERS = ['beforeStart', 'onSuccess', 'onFailure', 'onRetry', 'afterReturn'] as const;

/** Splits what a declaration says into options and handlers. */
export function splitOptions(all: DeclareOptions): Pick<TaskDefinition, 'options' | 'handlers' | 'bind'> {
  const { bind, beforeStart, onSuccess, onFailure, onRetry, afterReturn, ...options } = all;
  const named = { beforeStart, onSuccess, onFailure, onRetry, afterReturn };
  const given = HANDLERS.filter((name) => named[name] !== undefined).map((name) => [name, named[name]] as const);
  return { options, handlers: Object.fromEntries(given), bind: bind === true };
}

/** Those options of a task that are options of its calls too. */
export function execOptions({ ignoreResult, ...options }: TaskOptions): CallOptions {
  const exec = Object.fromEntries(Object.entries(options).filter(([name]) => Object.hasOwn(EXEC, name)));
  return ignoreResult === undefined ? exec : { ...exec, ignoreResult };
}
