// The body of one attempt and what stands directly around it, as named steps over one record:
// prerun → arguments → schema → middleware → STARTED → beforeStart → body → schema of the result. Says how it ended; decides nothing else.
import { inScope, isThenable, logger, type Maybe, SoftTimeLimitExceededError, TimeLimitExceededError } from '../util/index.ts';
import { bindArguments } from './arguments.ts';
import { type Attempt, handlersOf, storeOptions } from './attempt.ts';
import { taskOf } from './attempt-context.ts';
import { asCurrentTask, type CurrentTask } from './context.ts';
import { inTime } from './in-time.ts';
import { metaOf } from './meta.ts';
import { wrapExecution } from './middleware.ts';
import { autoRetry } from './retry.ts';
import { parseInput, parseOutput } from './schema.ts';
import { Ignore, Reject, Replaced, Retry, TaskSteer } from './steer.ts';

/** How a body ended. */
export type Ending =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'error'; readonly error: unknown }
  | { readonly kind: 'retry'; readonly retry: Retry }
  | { readonly kind: 'ignore'; readonly ignore: Ignore }
  | { readonly kind: 'reject'; readonly reject: Reject }
  | { readonly kind: 'replaced'; readonly replaced: Replaced }
  /** Stopped from outside before it ended by itself. */
  | { readonly kind: 'stopped'; readonly reason: unknown };

/** Runs a handler of the task or an observer; what it throws is logged and forgotten. */
export async function aside(attempt: Attempt, what: string, run: () => void | Promise<void>): Promise<void> {
  try {
    // What a handler sends has the task as its parent, as what the body sends.
    const done = asCurrentTask(taskOf(attempt), run);
    await (attempt.place === 'worker' ? inTime(what, done) : done);
  } catch (error) {
    logger('task').error('{what} of {task}[{id}] failed: {error}. The outcome of the task stays what it was.', {
      what,
      task: attempt.definition.name,
      id: attempt.request.id,
      error,
    });
  }
}

async function started(attempt: Attempt): Promise<void> {
  const { options, request, environment } = attempt;
  if (options.trackStarted !== true || !attempt.storesStates || request.isEager || ignores(attempt)) return;
  const record = metaOf(attempt, { state: 'STARTED', result: { pid: process.pid, hostname: request.hostname } });
  await aside(attempt, 'Storing STARTED', () => environment.store([environment.results.encode(record, storeOptions(request))]));
}

/** Is nothing stored of this attempt? The message's own word goes before the task's. */
export function ignores({ message, options }: Attempt): boolean {
  return message.ignoreResult ?? options.ignoreResult ?? false;
}

/** Input as the schemas make it → middleware → the body. Waits for nothing that is at hand. */
function body(attempt: Attempt, task: CurrentTask): Maybe<unknown> {
  const { definition, body: given, environment, options } = attempt;
  const typing = options.typing ?? environment.settings.strictTyping;
  const args = parseInput(definition, bindArguments(definition, given.args, given.kwargs, typing));
  return args instanceof Promise ? args.then((parsed) => wrapped(attempt, task, parsed)) : wrapped(attempt, task, args);
}

function wrapped(attempt: Attempt, task: CurrentTask, args: readonly unknown[]): Maybe<unknown> {
  const { middleware } = attempt.environment;
  if (middleware.length === 0) return inner(attempt, task, args);
  return wrapExecution(middleware, task.context, async () => inner(attempt, task, args))();
}

function inner(attempt: Attempt, task: CurrentTask, args: readonly unknown[]): Maybe<unknown> {
  const isAnnounced = attempt.options.trackStarted === true || handlersOf(attempt).beforeStart !== undefined;
  return isAnnounced ? announce(attempt).then(() => called(attempt, task, args)) : called(attempt, task, args);
}

async function announce(attempt: Attempt): Promise<void> {
  await started(attempt);
  const { request } = attempt;
  const { beforeStart } = handlersOf(attempt);
  if (beforeStart !== undefined) await aside(attempt, 'beforeStart', () => beforeStart(request.id, request.args, request.kwargs));
}

function called({ definition, options }: Attempt, task: CurrentTask, args: readonly unknown[]): Maybe<unknown> {
  const run = definition.run as (...given: readonly unknown[]) => unknown;
  const value = definition.bind ? run(task.context, ...args) : run(...args);
  if (options.output !== undefined) return Promise.resolve(value).then((settled) => parseOutput(definition, settled));
  return isThenable(value) ? Promise.resolve(value) : value;
}

/** Waiting on a signal often throws an AbortError of its own; the limit behind it is the true error. */
function trueError(attempt: Attempt, error: unknown): unknown {
  const { reason } = attempt.limits;
  if (!(reason instanceof SoftTimeLimitExceededError) || !(error instanceof Error)) return error;
  return error.name === 'AbortError' || isCausedBy(error, reason) ? reason : error;
}

const MAX_CAUSES = 10;

/** Libraries wrap what their signal was aborted with. */
function isCausedBy(error: Error, reason: Error): boolean {
  let at: unknown = error.cause;
  for (let depth = 0; depth < MAX_CAUSES && at instanceof Error; depth++, at = at.cause) if (at === reason) return true;
  return false;
}

function endingOf(attempt: Attempt, thrown: unknown): Ending {
  // A body that was given up at its hard limit may still run: no second one beside it.
  const error = thrown instanceof TimeLimitExceededError ? thrown : autoRetry(attempt, trueError(attempt, thrown));
  if (error instanceof Retry) return { kind: 'retry', retry: error };
  if (error instanceof Ignore) return { kind: 'ignore', ignore: error };
  if (error instanceof Reject) return { kind: 'reject', reject: error };
  if (error instanceof Replaced) return { kind: 'replaced', replaced: error };
  return { kind: 'error', error };
}

/** Runs the body of an attempt to its end, which it returns at once when nothing had to be waited for. Never throws or rejects. */
export function perform(attempt: Attempt): Maybe<Ending> {
  const { environment, message, body: given, definition } = attempt;
  const { taskPrerun } = environment.signals;
  if (!taskPrerun.observed) return attend(attempt);
  const payload = { task: definition.name, id: message.id, args: given.args, kwargs: given.kwargs };
  return taskPrerun.tell(() => ({ ...payload }), definition.name).then(() => attend(attempt));
}

function attend(attempt: Attempt): Maybe<Ending> {
  const { limits } = attempt;
  if (limits.interrupted) return { kind: 'stopped', reason: limits.signal.reason };
  try {
    const task = taskOf(attempt);
    const value = limits.run(() => inScope({ task, join: 'denied' }, () => body(attempt, task)));
    if (!(value instanceof Promise)) return { kind: 'value', value };
    return value.then(valued, (thrown: unknown) => thrownEnding(attempt, thrown));
  } catch (thrown) {
    return thrownEnding(attempt, thrown);
  }
}

const valued = (value: unknown): Ending => ({ kind: 'value', value });

function thrownEnding(attempt: Attempt, thrown: unknown): Ending {
  const { limits } = attempt;
  const stopped = limits.interrupted && !(thrown instanceof TaskSteer);
  return stopped ? { kind: 'stopped', reason: limits.signal.reason } : endingOf(attempt, thrown);
}

/** Tells that an attempt is over: once for each prerun. */
export async function postrun(attempt: Attempt, state: string, value: unknown): Promise<void> {
  const { environment, request, definition } = attempt;
  const { taskPostrun } = environment.signals;
  if (!taskPostrun.observed) return;
  const { id, args, kwargs } = request;
  await taskPostrun.tell(() => ({ task: definition.name, id, args, kwargs, value, state }), definition.name);
}
