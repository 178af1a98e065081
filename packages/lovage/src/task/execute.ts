// One execution from bytes to outcome: decode body → verify → registry → body (perform.ts) → outcome (finish.ts). Called by every slot
// of every pool. Nothing that a message or a task does makes it reject.

import type { TaskRequest, WireException } from '../protocol/index.ts';
import { EMPTY_EMBED, parseBody, type TaskBody } from '../protocol/index.ts';
import type { ChordPart, StoredResult } from '../result/index.ts';
import {
  BodyTooLargeError,
  ContentRefusedError,
  InvalidTaskError,
  logger,
  type Maybe,
  SignatureRefusedError,
  TimeLimitExceededError,
} from '../util/index.ts';
import { type Attempt, MessageAttempt, type Place, storeOptions } from './attempt.ts';
import { chainCasualties } from './casualties.ts';
import type { ExecuteEnvironment } from './environment.ts';
import { fail, finish, isWatched } from './finish.ts';
import { afterError, afterValue, type Following } from './follow.ts';
import type { FollowUp, Job, Outcome } from './job.ts';
import { type Interruptible, Limits } from './limits.ts';
import { exceptionOf, metaOf, tracebackOf } from './meta.ts';
import type { TaskDefinition } from './options.ts';
import { casualtyParts, ownPart, unreadPart } from './parts.ts';
import { type Ending, perform } from './perform.ts';
import { notRegistered } from './registry.ts';

/** How a slot runs a job. */
export interface ExecuteOptions extends Interruptible {
  /** Called once, before anything of the task runs, and not at all when its message is unusable. */
  onStart?(slot: { readonly pid: number; readonly name: string }): void;
  /** Called with a body that still runs when its hard limit has passed: nobody can stop it, and its attempt is over without it. */
  readonly onAbandoned?: (body: Promise<unknown>) => void;
  /** Called when the body is over, before handlers or errbacks that there may be. */
  onEnding?(): void;
}

const EMPTY: TaskBody = { args: [], kwargs: {}, embed: EMPTY_EMBED };

/** A task that is not known here, so that its message can still fail in the usual way. */
function unknownTask(name: string): TaskDefinition {
  return { name, options: {}, handlers: {}, params: undefined, arity: undefined, bind: false, run: () => undefined };
}

function decode(environment: ExecuteEnvironment, { request, body }: Job): TaskBody {
  const { contentType, contentEncoding, compression } = request;
  const input = { body, contentType, contentEncoding, compression };
  const { value, behind } = environment.serialization.decodeBody(input, environment.accept);
  return parseBody(value, request.protocol, behind);
}

type Unusable = NonNullable<Outcome['unusable']>;

function whyUnusable(error: unknown): Unusable['reason'] {
  if (error instanceof ContentRefusedError) return 'refused-content';
  if (error instanceof SignatureRefusedError) return 'refused-signature';
  if (error instanceof InvalidTaskError) return 'malformed';
  if (error instanceof BodyTooLargeError) return 'too-large';
  return 'undecodable';
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

interface Opened {
  readonly attempt: Attempt;
  /** Why the body cannot run. */
  readonly error?: unknown;
  readonly unusable?: Unusable;
}

function attemptOf(
  environment: ExecuteEnvironment,
  { request: message, softTimeLimit: soft, timeLimit: hard }: Job,
  definition: TaskDefinition,
  body: TaskBody,
  outer?: Interruptible,
  place?: Place,
): Attempt {
  const options = environment.options(definition);
  const limits = new Limits({ task: definition.name, id: message.id, soft, hard, outer });
  return new MessageAttempt({ environment, definition, options, message, body, limits, place });
}

function open(environment: ExecuteEnvironment, job: Job, outer: Interruptible, place: Place = 'slot'): Opened {
  const { task } = job.request;
  const found = environment.registry.find(task);
  const definition = found ?? unknownTask(task);
  let body: TaskBody;
  try {
    body = decode(environment, job);
  } catch (error) {
    const unusable = { reason: whyUnusable(error), error: messageOf(error) };
    // Its handlers know of tasks that ran.
    return { attempt: attemptOf(environment, job, { ...definition, handlers: {} }, EMPTY, outer, place), error, unusable };
  }
  const attempt = attemptOf(environment, job, definition, body, outer, place);
  if (found !== undefined) return { attempt };
  // Known too late to be refused by the consumer: the chain behind it and its errbacks are told as for any failure.
  const error = notRegistered(
    task,
    [...environment.registry].map((known) => known.name),
  );
  return { attempt, error, unusable: { reason: 'unknown-task', error: error.message } };
}

/** The failure of a message whose body never ran. */
async function refuse({ attempt, error, unusable }: Opened, runtime: () => number): Promise<Outcome> {
  const outcome = await fail(attempt, error, runtime);
  if (unusable === undefined) return outcome;
  const unread = attempt.body === EMPTY ? unreadPart(attempt.environment, attempt.message, error) : undefined;
  return { ...outcome, unusable, ...(unread === undefined ? {} : { parts: [unread] }) };
}

const SLOT = { pid: process.pid, name: 'slot' };

/** Runs one job to its outcome, which it returns at once when nothing had to be waited for. Never throws or rejects. */
export function execute(job: Job, environment: ExecuteEnvironment, options: ExecuteOptions = {}): Maybe<Outcome> {
  const began = environment.clock.monotonic();
  const runtime = (): number => (environment.clock.monotonic() - began) / 1000;
  try {
    const outcome = run(job, environment, options, runtime);
    if (!(outcome instanceof Promise)) return outcome;
    return outcome.catch((error: unknown) => broken(job, environment, error, runtime()));
  } catch (error) {
    return broken(job, environment, error, runtime());
  }
}

/**
 * The outcome of a job whose slot was ended before it could tell: a failure at the hard limit (TimeLimitExceededError), REVOKED when it
 * was terminated (TaskRevokedError). Handlers, observers and errbacks of the task run here, each for a limited time. Never rejects.
 */
export async function executeEnd(job: Job, environment: ExecuteEnvironment, reason: Error, seconds: number): Promise<Outcome> {
  const runtime = (): number => seconds;
  try {
    const opened = open(environment, job, {}, 'worker');
    if (opened.error !== undefined) return await refuse(opened, runtime);
    const timedOut = reason instanceof TimeLimitExceededError;
    return await finish(opened.attempt, timedOut ? { kind: 'error', error: reason } : { kind: 'stopped', reason }, runtime);
  } catch (error) {
    return broken(job, environment, error, seconds);
  }
}

function run(job: Job, environment: ExecuteEnvironment, options: ExecuteOptions, runtime: () => number): Maybe<Outcome> {
  const opened = open(environment, job, options);
  if (opened.error !== undefined) return refuse(opened, runtime);
  options.onStart?.(SLOT);
  const ending = perform(opened.attempt);
  if (ending instanceof Promise) return ending.then((ended) => close(opened.attempt, ended, options, runtime));
  return close(opened.attempt, ending, options, runtime);
}

function close(attempt: Attempt, ending: Ending, options: ExecuteOptions, runtime: () => number): Maybe<Outcome> {
  const { limits } = attempt;
  const { reporter } = attempt;
  if (reporter !== undefined) {
    // Its last word on how far it is comes before its end.
    attempt.reporter = undefined;
    return reporter.finish().then(() => close(attempt, ending, options, runtime));
  }
  if (limits.abandoned !== undefined) options.onAbandoned?.(limits.abandoned);
  if (options.onEnding !== undefined && (ending.kind !== 'value' || isWatched(attempt))) options.onEnding();
  let outcome: Maybe<Outcome> | undefined;
  try {
    outcome = finish(attempt, ending, runtime);
  } finally {
    if (!(outcome instanceof Promise)) limits[Symbol.dispose]();
  }
  if (!(outcome instanceof Promise)) return outcome;
  // A value that cannot be written fails after all.
  if (ending.kind === 'value' && !isWatched(attempt)) options.onEnding?.();
  return outcome.finally(() => limits[Symbol.dispose]());
}

/** Lovage itself failed (a store that cannot encode, a publisher without a route): the task fails with that, and the worker goes on. */
function broken(job: Job, environment: ExecuteEnvironment, error: unknown, runtime: number): Outcome {
  const { request } = job;
  logger('task').error('Lovage could not finish {task}[{id}]: {error}', { task: request.task, id: request.id, error });
  const { id } = request;
  environment.signals.taskInternalError.emit(
    () => ({ task: request.task, id, args: [], kwargs: {}, error, request }),
    request.task,
  );
  const message = messageOf(error);
  const type = error instanceof Error ? error.name : 'Error';
  return {
    state: 'FAILURE',
    results: lastRecord(job, environment, error),
    next: [],
    ...lastPart(job, environment, error),
    runtime,
    repr: `${type}: ${message}`,
    error: { type, message, traceback: tracebackOf(error), expected: false },
  };
}

/** Whoever waits for it in a chord is told, too. */
function lastPart({ request }: Job, environment: ExecuteEnvironment, error: unknown): Pick<Outcome, 'parts'> {
  try {
    const part = unreadPart(environment, request, error);
    return part === undefined ? {} : { parts: [part] };
  } catch {
    return {};
  }
}

function lastRecord(job: Job, environment: ExecuteEnvironment, error: unknown): readonly StoredResult[] {
  try {
    if (job.request.ignoreResult === true) return [];
    const attempt = attemptOf(environment, job, unknownTask(job.request.task), EMPTY);
    const meta = metaOf(attempt, { state: 'FAILURE', result: exceptionOf(error), traceback: tracebackOf(error) });
    return [environment.results.encode(meta, storeOptions(job.request))];
  } catch {
    return [];
  }
}

/**
 * What follows a task whose SUCCESS is stored already, made anew under the same ids: for a worker that finds the record
 * of an attempt that died between storing and sending. Throws when the body cannot be read.
 */
export function followUp(request: TaskRequest, body: Uint8Array, value: unknown, environment: ExecuteEnvironment): FollowUp {
  const attempt = readAttempt(request, body, environment);
  return withPart(followUpOf(afterValue(attempt, value), environment), ownPart(attempt, 'SUCCESS', value));
}

/** The same for a task whose FAILURE is stored: its errbacks, but for those that ran in its slot, before anything was stored. */
export function followUpFailure(
  request: TaskRequest,
  body: Uint8Array,
  exception: unknown,
  environment: ExecuteEnvironment,
): FollowUp {
  const attempt = readAttempt(request, body, environment);
  const followUp = followUpOf(afterError(attempt), environment);
  return withParts(followUp, attempt, 'FAILURE', exception);
}

/** The same for a task whose REVOKED is stored. */
export function followUpRevoked(
  request: TaskRequest,
  body: Uint8Array,
  exception: unknown,
  environment: ExecuteEnvironment,
): FollowUp {
  return withParts({ next: [], openings: [] }, readAttempt(request, body, environment), 'REVOKED', exception);
}

/** The attempt of a task that is over. Throws when its body cannot be read. */
export function readAttempt(request: TaskRequest, body: Uint8Array, environment: ExecuteEnvironment): Attempt {
  const job: Job = { request, body, timeLimit: undefined, softTimeLimit: undefined };
  const definition = environment.registry.find(request.task) ?? unknownTask(request.task);
  return attemptOf(environment, job, definition, decode(environment, job), undefined, 'worker');
}

function withPart(followUp: FollowUp, part: ChordPart | undefined): FollowUp {
  return part === undefined ? followUp : { ...followUp, parts: [part] };
}

/** With the part of the task, and those of the rest of its chain. */
function withParts(followUp: FollowUp, attempt: Attempt, state: 'FAILURE' | 'REVOKED', exception: unknown): FollowUp {
  const own = ownPart(attempt, state, exception);
  const { environment, body, message } = attempt;
  // A record of theirs was stored with the task's own.
  const others = casualtyParts(
    environment,
    chainCasualties(body.embed.chain),
    exception as Error | WireException,
    message.rootId,
  );
  return own === undefined && others.length === 0
    ? followUp
    : { ...followUp, parts: [...(own === undefined ? [] : [own]), ...others] };
}

function followUpOf({ calls, openings }: Following, environment: ExecuteEnvironment): FollowUp {
  const next = calls.length === 0 ? [] : environment.publisher.prepare(calls).map((prepared) => prepared.message);
  return { next, openings };
}
