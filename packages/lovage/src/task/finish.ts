// From how a body ended to the outcome that the worker writes: records to store, messages to send, handlers and observers to tell.
// Records are encoded before what follows is prepared, so that a value that nobody can write becomes a failure in time.
import type { Outgoing } from '../broker/index.ts';
import { revokedException, saferepr, type WireException, wireException } from '../protocol/index.ts';
import type { ChordOpening, ChordPart, StoredResult } from '../result/index.ts';
import {
  EncodeError,
  logger,
  type Maybe,
  SoftTimeLimitExceededError,
  TaskRevokedError,
  TimeLimitExceededError,
} from '../util/index.ts';
import { type Attempt, handlersOf, storeOptions } from './attempt.ts';
import { chainCasualties } from './casualties.ts';
import { afterError, afterValue, type Following, runErrbacks } from './follow.ts';
import type { Outcome } from './job.ts';
import { exceptionOf, metaOf, tracebackOf } from './meta.ts';
import type { Call, ErrorClass } from './options.ts';
import { casualtyParts, ownPart } from './parts.ts';
import { aside, type Ending, ignores, postrun } from './perform.ts';
import { planReplacement } from './replace.ts';
import type { Ignore, Reject, Replaced, Retry } from './steer.ts';

const DEFAULT_REPR = 1024;
const NOTHING: Following = { calls: [], children: [], openings: [] };
const NOTHING_FOLLOWS = { following: NOTHING };

/** Ends an attempt. `runtime` is asked last, so that it counts everything. */
export function finish(attempt: Attempt, ending: Ending, runtime: () => number): Maybe<Outcome> {
  switch (ending.kind) {
    case 'value':
      return succeed(attempt, ending.value, runtime);
    case 'error':
      return fail(attempt, ending.error, runtime);
    case 'retry':
      return retry(attempt, ending.retry, runtime);
    case 'ignore':
      return ignore(attempt, ending.ignore, runtime);
    case 'reject':
      return reject(attempt, ending.reject, runtime);
    case 'replaced':
      return replaced(attempt, ending.replaced, runtime);
    case 'stopped':
      return stop(attempt, ending.reason, runtime);
  }
}

const NO_MESSAGES: readonly Outgoing[] = [];

/** What is to be sent, the chords to open before it and the parts that count; an outcome without chords has neither of these. */
type Sent = Pick<Outcome, 'next' | 'openings' | 'parts'>;
const NOTHING_SENT: Sent = { next: NO_MESSAGES };

const opened = (openings: readonly ChordOpening[]): Pick<Outcome, 'openings'> => (openings.length === 0 ? {} : { openings });

/** With the part of the task itself before those of others. */
function counting(sent: Sent, own: ChordPart | undefined): Sent {
  return own === undefined ? sent : { ...sent, parts: sent.parts === undefined ? [own] : [own, ...sent.parts] };
}

function messagesOf(attempt: Attempt, calls: readonly Call[]): readonly Outgoing[] {
  return calls.length === 0 ? NO_MESSAGES : attempt.environment.publisher.prepare(calls).map((prepared) => prepared.message);
}

const textOf = (attempt: Attempt, value: unknown): string =>
  saferepr(value, { maxLength: attempt.options.resultReprMaxSize ?? DEFAULT_REPR });

/** The class of an error as people know it. */
function typeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'Error';
  // Whatever is a name or a message there, it is text from here on.
  return String(error.name === 'Error' ? error.constructor.name : error.name);
}

function messageOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error);
  } catch {
    return 'something that has no text';
  }
}

function errorText(error: unknown): string {
  return `${typeOf(error)}: ${messageOf(error)}`.slice(0, DEFAULT_REPR);
}

/** Something between the body and its outcome went wrong: told apart from failures of the body. */
function internal(attempt: Attempt, error: unknown): void {
  const { environment, definition, request } = attempt;
  const { id, args, kwargs } = request;
  logger('task').error('Something that follows {task}[{id}] could not be made: {error}', { task: definition.name, id, error });
  environment.signals.taskInternalError.emit(
    () => ({ task: definition.name, id, args, kwargs, error, request }),
    definition.name,
  );
}

/** What follows the value; when it cannot even be planned, the task keeps its value and the rest of its chain fails. */
function planned(attempt: Attempt, value: unknown): { readonly following: Following; readonly error?: unknown } {
  const { embed } = attempt.body;
  if (embed.callbacks === null && embed.next === undefined && embed.chain === null) return NOTHING_FOLLOWS;
  try {
    return { following: afterValue(attempt, value) };
  } catch (error) {
    return { following: NOTHING, error };
  }
}

function succeed(attempt: Attempt, value: unknown, runtime: () => number): Maybe<Outcome> {
  const plan = planned(attempt, value);
  if (attempt.options.trail ?? true) attempt.children.push(...plan.following.children);
  let results: StoredResult[];
  let own: ChordPart | undefined;
  try {
    results = ignores(attempt) ? [] : [encoded(attempt, 'SUCCESS', value)];
    own = ownPart(attempt, 'SUCCESS', value);
  } catch (error) {
    return fail(attempt, unwritable(attempt, error), runtime);
  }
  const sent = counting(followed(attempt, plan, results), own);
  const outcome = (): Outcome => ({ state: 'SUCCESS', results, ...sent, runtime: runtime(), repr: textOf(attempt, value) });
  return isWatched(attempt) ? tellSuccess(attempt, value).then(outcome) : outcome();
}

/** Does anybody want to know of a success? */
export function isWatched(attempt: Attempt): boolean {
  const { onSuccess, afterReturn } = handlersOf(attempt);
  const { taskSuccess, taskPostrun } = attempt.environment.signals;
  return onSuccess !== undefined || afterReturn !== undefined || taskSuccess.observed || taskPostrun.observed;
}

async function tellSuccess(attempt: Attempt, value: unknown): Promise<void> {
  const { request, definition, environment } = attempt;
  const { onSuccess, afterReturn } = handlersOf(attempt);
  const { id, args, kwargs } = request;
  if (onSuccess !== undefined) await aside(attempt, 'onSuccess', () => onSuccess(value, id, args, kwargs));
  const { taskSuccess } = environment.signals;
  if (taskSuccess.observed)
    await taskSuccess.tell(() => ({ task: definition.name, id, args, kwargs, result: value }), definition.name);
  if (afterReturn !== undefined) await aside(attempt, 'afterReturn', () => afterReturn('SUCCESS', value, id, args, kwargs));
  await postrun(attempt, 'SUCCESS', value);
}

/** The messages that follow a value. Adds to `results` the failures of those that can never come. */
function followed(attempt: Attempt, plan: ReturnType<typeof planned>, results: StoredResult[]): Sent {
  let error = plan.error;
  const { calls, openings } = plan.following;
  try {
    if (error === undefined) return { next: messagesOf(attempt, joined(calls, attempt.retries)), ...opened(openings) };
  } catch (thrown) {
    error = thrown;
  }
  internal(attempt, error);
  const fallen = chainFailures(attempt, exceptionOf(error), tracebackOf(error));
  results.push(...fallen.results);
  return { ...NOTHING_SENT, ...fallen.counted };
}

const joined = (calls: readonly Call[], retries: readonly Call[]): readonly Call[] =>
  retries.length === 0 ? calls : [...calls, ...retries];

function encoded(attempt: Attempt, state: string, result: unknown, traceback?: string): StoredResult {
  return attempt.environment.results.encode(metaOf(attempt, { state, result, traceback }), storeOptions(attempt.message));
}

function unwritable({ definition }: Attempt, error: unknown): EncodeError {
  if (error instanceof EncodeError) return error;
  return new EncodeError(`What ${definition.name} returned cannot be written: ${messageOf(error)}`, { cause: error });
}

/** Records of those that fail with a task, and the parts of chords that end with them. */
interface Fallen {
  readonly results: readonly StoredResult[];
  readonly counted: Pick<Outcome, 'parts'>;
}

const NOBODY: Fallen = { results: [], counted: {} };

/** Everybody behind a failed task in its chain fails with it, else they would be waited for for ever. */
export function chainFailures(attempt: Attempt, exception: Error | WireException, traceback: string | undefined): Fallen {
  const fallen = chainCasualties(attempt.body.embed.chain);
  if (fallen.length === 0) return NOBODY;
  const { status, result, dateDone } = metaOf(attempt, { state: 'FAILURE', result: exception, traceback });
  const results = fallen.map(({ id, groupId }) =>
    attempt.environment.results.encode(
      { taskId: id, status, result, traceback, dateDone, groupId },
      { ...storeOptions(attempt.message), correlationId: id },
    ),
  );
  const parts = casualtyParts(attempt.environment, fallen, exception, attempt.message.rootId);
  return { results, counted: parts.length === 0 ? {} : { parts } };
}

/** Records, messages and parts of a failure: the task's own, its chain's, its errbacks'. */
async function failure(
  attempt: Attempt,
  error: unknown,
): Promise<{ readonly results: Outcome['results']; readonly sent: Sent; readonly traceback: string | undefined }> {
  const traceback = tracebackOf(error);
  const exception = exceptionOf(error);
  const keeps = !ignores(attempt) || attempt.options.storeErrorsEvenIfIgnored === true;
  const own = keeps ? [encoded(attempt, 'FAILURE', exception, traceback)] : [];
  const fallen = chainFailures(attempt, exception, traceback);
  const counted = counting({ ...NOTHING_SENT, ...fallen.counted }, ownPart(attempt, 'FAILURE', exception));
  const results = [...own, ...fallen.results];
  return { results, sent: await errbacks(attempt, error, traceback, counted), traceback };
}

/** Runs the errbacks of a failed task that are functions here; the others are sent. */
export async function errbacks(attempt: Attempt, error: unknown, traceback: string | undefined, counted: Sent): Promise<Sent> {
  await runErrbacks(attempt, error, traceback, (thrown) => internal(attempt, thrown), attempt.place);
  try {
    const { calls, openings } = afterError(attempt);
    return { ...counted, next: messagesOf(attempt, joined(calls, attempt.retries)), ...opened(openings) };
  } catch (thrown) {
    internal(attempt, thrown);
    return counted;
  }
}

async function tellFailure(attempt: Attempt, error: unknown, traceback: string | undefined): Promise<void> {
  const { environment, definition, request } = attempt;
  const { taskFailure } = environment.signals;
  if (!taskFailure.observed) return;
  const { id, args, kwargs } = request;
  await taskFailure.tell(() => ({ task: definition.name, id, args, kwargs, error, traceback, origin: 'child' }), definition.name);
}

function errorOf(attempt: Attempt, error: unknown, traceback: string | undefined): NonNullable<Outcome['error']> {
  const expected = attempt.options.throws?.some((kind: ErrorClass) => error instanceof kind) === true;
  const timedOut = error instanceof TimeLimitExceededError || error instanceof SoftTimeLimitExceededError;
  return { type: typeOf(error), message: messageOf(error), traceback, expected, ...(timedOut ? { timedOut } : {}) };
}

/** Ends an attempt with an error, whoever threw it. */
export async function fail(attempt: Attempt, error: unknown, runtime: () => number): Promise<Outcome> {
  const { results, sent, traceback } = await failure(attempt, error);
  const { id, args, kwargs } = attempt.request;
  const { onFailure, afterReturn } = handlersOf(attempt);
  if (onFailure !== undefined) await aside(attempt, 'onFailure', () => onFailure(error, id, args, kwargs));
  await tellFailure(attempt, error, traceback);
  if (afterReturn !== undefined) await aside(attempt, 'afterReturn', () => afterReturn('FAILURE', error, id, args, kwargs));
  await postrun(attempt, 'FAILURE', error);
  const repr = errorText(error);
  return { state: 'FAILURE', results, ...sent, runtime: runtime(), repr, error: errorOf(attempt, error, traceback) };
}

async function retry(attempt: Attempt, steer: Retry, runtime: () => number): Promise<Outcome> {
  const { error } = steer;
  const traceback = tracebackOf(error ?? steer);
  let next: readonly Outgoing[];
  try {
    next = messagesOf(attempt, [steer.call, ...attempt.retries]);
  } catch (thrown) {
    return fail(attempt, thrown, runtime);
  }
  const keeps = !ignores(attempt) || attempt.options.storeErrorsEvenIfIgnored === true;
  const reason = error === undefined ? null : exceptionOf(error);
  const results = keeps ? [encoded(attempt, 'RETRY', reason, traceback)] : [];
  const { id, args, kwargs } = attempt.request;
  const { onRetry } = handlersOf(attempt);
  if (onRetry !== undefined) await aside(attempt, 'onRetry', () => onRetry(error ?? steer, id, args, kwargs));
  const { taskRetry } = attempt.environment.signals;
  if (taskRetry.observed)
    await taskRetry.tell(() => ({ request: attempt.request, reason: steer, traceback }), attempt.definition.name);
  await postrun(attempt, 'RETRY', steer);
  const described = { type: typeOf(error ?? steer), message: messageOf(error ?? steer), traceback, expected: true };
  return { state: 'RETRY', results, next, runtime: runtime(), repr: steer.message, error: described };
}

async function ignore(attempt: Attempt, steer: Ignore, runtime: () => number): Promise<Outcome> {
  await postrun(attempt, 'IGNORED', steer);
  const next = messagesOf(attempt, attempt.retries);
  // Nothing is stored, but a chord that waited for it would wait for ever.
  const exception = wireException('celery.exceptions', 'Ignore', steer.message);
  const { counted } = chainFailures(attempt, exception, undefined);
  const sent = counting({ next, ...counted }, ownPart(attempt, 'FAILURE', exception));
  return { state: 'IGNORED', results: [], ...sent, runtime: runtime(), repr: steer.message };
}

/** Nothing is stored of a task whose place another takes: that one ends under its id, with its callbacks, its chord and the rest of its chain. */
async function replaced(attempt: Attempt, steer: Replaced, runtime: () => number): Promise<Outcome> {
  try {
    const { calls, openings } = planReplacement(attempt, steer.signature);
    const sent: Sent = { next: messagesOf(attempt, joined(calls, attempt.retries)), ...opened(openings) };
    const { id, args, kwargs } = attempt.request;
    const { onReplace } = handlersOf(attempt);
    if (onReplace !== undefined) await aside(attempt, 'onReplace', () => onReplace(steer.signature, id, args, kwargs));
    await postrun(attempt, 'IGNORED', steer);
    return { state: 'IGNORED', results: [], ...sent, runtime: runtime(), repr: steer.message };
  } catch (error) {
    return fail(attempt, error, runtime);
  }
}

async function reject(attempt: Attempt, steer: Reject, runtime: () => number): Promise<Outcome> {
  const base = { state: 'REJECTED', requeue: steer.requeue, repr: steer.message } as const;
  if (steer.requeue) {
    await postrun(attempt, 'REJECTED', steer);
    return { ...base, results: [], next: [], runtime: runtime() };
  }
  const { results, sent } = await failure(attempt, steer);
  await tellFailure(attempt, steer, undefined);
  await postrun(attempt, 'REJECTED', steer);
  const error = { type: 'Reject', message: steer.message, traceback: undefined, expected: false };
  return { ...base, results, ...sent, runtime: runtime(), error };
}

/** Stopped from outside: a revoke is a state of its own; after a shutdown the worker decides what becomes of the message. */
async function stop(attempt: Attempt, reason: unknown, runtime: () => number): Promise<Outcome> {
  const error = errorOf(attempt, reason, undefined);
  if (reason instanceof TaskRevokedError) {
    const exception = revokedException('terminated');
    const own = ignores(attempt) ? [] : [encoded(attempt, 'REVOKED', exception)];
    await postrun(attempt, 'REVOKED', reason);
    const fallen = chainFailures(attempt, exception, undefined);
    const sent = counting({ ...NOTHING_SENT, ...fallen.counted }, ownPart(attempt, 'REVOKED', exception));
    return {
      state: 'REVOKED',
      results: [...own, ...fallen.results],
      ...sent,
      runtime: runtime(),
      repr: messageOf(reason),
      error,
    };
  }
  await postrun(attempt, 'LOST', reason);
  return { state: 'LOST', results: [], next: [], runtime: runtime(), repr: errorText(reason), error };
}
