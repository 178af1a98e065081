// The next attempt of a task: asked for by the body, or made of an error by `autoretryFor`. What is planned here is a call with the
// same id; sending it is the business of whoever finishes the attempt.
import { forwardedHeaders } from '../protocol/index.ts';
import { MaxRetriesExceededError } from '../util/index.ts';
import type { Attempt } from './attempt.ts';
import type { CurrentRequest, RetryOptions } from './context.ts';
import type { Call, CallOptions, ErrorClass, TaskOptions } from './options.ts';
import { Retry, TaskSteer } from './steer.ts';
import { likeSignature } from './wire-options.ts';

const DEFAULT_MAX_RETRIES = 3;
/** Seconds. */
const DEFAULT_RETRY_DELAY = 180;
const DEFAULT_BACKOFF_MAX = 600;

/** What RabbitMQ's delay queues put before the routing key: the delay in 28 binary digits. */
const DELAY_PREFIX = /^(?:[01]\.){28}/;

export type Kept = { -readonly [Key in keyof CallOptions]?: CallOptions[Key] | undefined };

/** Where the message came from, as options that send there again. */
export function origin({ deliveryInfo }: CurrentRequest): Kept {
  const { exchange, routingKey } = deliveryInfo;
  const delayed = exchange.startsWith('celery_delayed') || DELAY_PREFIX.test(routingKey);
  if (exchange !== '' && !delayed) return { exchange, routingKey };
  const queue = deliveryInfo.queue ?? routingKey.replace(DELAY_PREFIX, '');
  // In full: its name alone would lead through the exchange of the queue, which may serve others, too.
  return queue === '' ? {} : { queue, exchange: '', routingKey: queue };
}

/** Everything of a request that its next attempt keeps. */
export function kept(request: CurrentRequest): Kept {
  return {
    taskId: request.id,
    rootId: request.rootId,
    parentId: request.parentId,
    groupId: request.group,
    groupIndex: request.groupIndex,
    shadow: request.shadow,
    chord: request.chord ?? undefined,
    chain: request.chain ?? undefined,
    link: request.callbacks?.map(likeSignature),
    linkError: request.errbacks?.map(likeSignature),
    expires: request.expires,
    timeLimit: request.timeLimit,
    softTimeLimit: request.softTimeLimit,
    headers: forwardedHeaders(request.headers),
    replyTo: request.replyTo,
    replacedTaskNesting: request.replacedTaskNesting,
    origin: request.origin,
    ignoreResult: request.ignoreResult,
    stamps: request.stampedHeaders === undefined ? undefined : request.stamps,
    stampedHeaders: request.stampedHeaders,
    priority: request.deliveryInfo.priority,
    addToParent: false,
  };
}

/** Without what is undefined. */
export function present(options: Kept): CallOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function isElsewhere(options: RetryOptions): boolean {
  return options.queue !== undefined || options.exchange !== undefined || options.routingKey !== undefined;
}

/** The next attempt as a call. */
function nextCall({ definition, request }: Attempt, options: RetryOptions, when: Pick<CallOptions, 'countdown' | 'eta'>): Call {
  const {
    args,
    kwargs,
    error: _error,
    maxRetries: _maxRetries,
    throw: _throw,
    countdown: _countdown,
    eta: _eta,
    ...given
  } = options;
  // Arguments that stay the same keep their text: it may hide what must not be logged.
  const reprs =
    args === undefined && kwargs === undefined && request.argsRepr !== ''
      ? { argsRepr: request.argsRepr, kwargsRepr: request.kwargsRepr }
      : {};
  const place = isElsewhere(options) ? {} : origin(request);
  return {
    task: request.task,
    args: args ?? request.args,
    kwargs: kwargs ?? request.kwargs,
    options: { ...present({ ...kept(request), ...place, ...reprs }), ...given, ...when, retries: request.retries + 1 },
    definition,
  };
}

/** Plans the next attempt. Throws `error` or MaxRetriesExceededError when none is left, and the error itself in a direct call. */
export function planRetry(attempt: Attempt, options: RetryOptions): Retry {
  const { request, definition } = attempt;
  const delay = options.countdown ?? attempt.options.defaultRetryDelay ?? DEFAULT_RETRY_DELAY;
  const timed = options.eta !== undefined && options.countdown === undefined;
  const when = timed ? { eta: options.eta } : { countdown: delay };
  const retry = new Retry({
    error: options.error,
    when: timed && options.eta !== undefined ? options.eta : delay,
    call: nextCall(attempt, options, present(when)),
  });
  if (request.calledDirectly) throw options.error ?? retry;
  const limit = options.maxRetries === undefined ? maxRetriesOf(attempt.options) : options.maxRetries;
  if (limit === null || request.retries < limit) return retry;
  if (options.error !== undefined) throw options.error;
  throw new MaxRetriesExceededError(
    `${definition.name}[${request.id}] was tried ${request.retries + 1} times and may not be retried again (maxRetries: ${limit}). args: ${request.argsRepr} kwargs: ${request.kwargsRepr}`,
  );
}

function maxRetriesOf({ maxRetries }: Readonly<TaskOptions>): number | null {
  return maxRetries === undefined ? DEFAULT_MAX_RETRIES : maxRetries;
}

const isOne = (error: unknown, classes: readonly ErrorClass[] | undefined): boolean =>
  classes?.some((kind) => error instanceof kind) === true;

/** The countdown of an automatic retry, in seconds; undefined leaves it to the task. */
function automaticDelay({ options, request, environment }: Attempt): number | undefined {
  const { retryBackoff } = options;
  if (retryBackoff === undefined || retryBackoff === false || retryBackoff === 0) return options.retryKwargs?.countdown;
  const factor = Math.trunc(Math.max(1, Number(retryBackoff)));
  const cap = Math.trunc(options.retryBackoffMax ?? DEFAULT_BACKOFF_MAX);
  const delay = Math.min(cap, factor * 2 ** request.retries);
  const random = environment.random ?? Math.random;
  return Math.max(0, (options.retryJitter ?? true) ? Math.floor(random() * (delay + 1)) : delay);
}

/** What becomes of an error of the body: itself, or the retry that the task's options make of it. */
export function autoRetry(attempt: Attempt, error: unknown): unknown {
  const { autoretryFor, dontAutoretryFor, retryKwargs } = attempt.options;
  if (error instanceof TaskSteer || !isOne(error, autoretryFor) || isOne(error, dontAutoretryFor)) return error;
  const countdown = automaticDelay(attempt);
  const maxRetries = retryKwargs?.maxRetries;
  try {
    return planRetry(attempt, {
      error,
      ...(countdown === undefined ? {} : { countdown }),
      ...(maxRetries === undefined ? {} : { maxRetries }),
    });
  } catch (exhausted) {
    return exhausted;
  }
}
