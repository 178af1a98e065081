// What an earlier attempt of the same message left behind: its record says whether the task is over, and learns the number of the
// attempt that comes next. Asked by flow.ts for messages that somebody held before.
import { asRepeat } from '../broker/index.ts';
import type { TaskRequest } from '../protocol/index.ts';
import { attemptNumber, type Fenced, READY_STATES, type StoredResult } from '../result/index.ts';
import { logger } from '../util/index.ts';
import { unusableReason } from './intake.ts';
import { persist } from './persist.ts';
import type { WorkerApp } from './port.ts';
import type { Entry } from './request.ts';
import type { Written } from './settle.ts';
import type { Answer } from './verdict.ts';

const log = logger('consumer');

export interface EarlierOptions {
  readonly app: WorkerApp;
  readonly giveUp: AbortSignal;
}

/** The record of an attempt that ended the task; undefined when the task is to run (again). From now on no earlier attempt can write. */
export async function earlierEnd(entry: Entry, options: EarlierOptions): Promise<StoredResult | undefined> {
  const { request, policy } = entry;
  if (policy.ignoreResult && request.ignoreResult !== false) return undefined;
  const fenced = await fence(request, options);
  if (fenced === undefined) return undefined;
  const { stored } = fenced;
  const number = Math.max(fenced.attempt, stored?.attempt ?? 0);
  // A later retry of this task has begun, so this message has done its part.
  const isPast = number >= attemptNumber(request.retries + 1, 0, request.replacedTaskNesting);
  if (!isPast) entry.number = Math.max(entry.number, fenced.attempt);
  return stored !== undefined && (isPast || READY_STATES.has(stored.state)) ? stored : undefined;
}

async function fence(request: TaskRequest, { app, giveUp }: EarlierOptions): Promise<Fenced | undefined> {
  const { backend, settings } = app;
  // Replies of rpc live in the queue of whoever asked; nobody else can read them.
  if (backend === undefined || !backend.features.persistent) return undefined;
  const attempt = attemptNumber(request.retries, request.attempts, request.replacedTaskNesting);
  const read = async (): Promise<Fenced> =>
    backend.fence === undefined
      ? { stored: (await backend.get([request.id])).get(request.id), attempt }
      : backend.fence(request.id, attempt, settings.resultExpires ?? undefined);
  try {
    return await persist(`read the record of task ${request.id}`, giveUp, read);
  } catch (error) {
    // An unreadable record is no reason to refuse a task: at least once is the promise.
    log.warning('The record of task {id} cannot be read, so it runs again: {error}', { id: request.id, error: String(error) });
    return undefined;
  }
}

/**
 * What a task writes at its end: under the highest number that is known of its message. That may have come again while it ran, and another
 * worker may have put up its fence for it, which cannot start it any more; and RabbitMQ's count of its starts may be less than it was.
 */
export function underNewest(results: readonly StoredResult[], { request, delivery, number }: Entry): readonly StoredResult[] {
  const attempts = delivery?.attempts ?? 0;
  if (number === 0 && attempts <= request.attempts) return results;
  const attempt = Math.max(number, attemptNumber(request.retries, attempts, request.replacedTaskNesting));
  return results.map((result) => (result.id === request.id && result.attempt < attempt ? { ...result, attempt } : result));
}

/** What the earlier attempt may not have done any more. */
export interface Rest {
  /** Under the ids of the first time. */
  readonly written: Written;
  readonly answer: Answer;
}

const ACK: Answer = { verdict: 'ack' };
const NOTHING: Written = { results: [], next: [] };

/** How a message ends whose task an earlier attempt ended: as that attempt would have ended it. */
export async function rest(entry: Entry, stored: StoredResult, app: WorkerApp): Promise<Rest> {
  const failed = stored.state === 'FAILURE';
  try {
    const { next, ...rest } = { ...NOTHING, ...(await app.followUp?.(entry.request, entry.original.body, stored)) };
    // The earlier attempt may have sent it, or have run it in its own place: whoever gets it asks first whether it is over.
    const written = { ...rest, next: next.map(asRepeat) };
    return { written, answer: failed ? answerOf(entry, stored, app) : ACK };
  } catch (error) {
    const reason = failed ? unusableReason(error) : undefined;
    if (reason !== undefined) return { written: NOTHING, answer: { verdict: 'deadLetter', reason, error: String(error) } };
    log.error('What follows task {id} cannot be made: {error}', { id: entry.request.id, error: String(error) });
    return { written: NOTHING, answer: failed ? answerOf(entry, stored, app) : ACK };
  }
}

function answerOf({ policy }: Entry, stored: StoredResult, app: WorkerApp): Answer {
  const error = 'The task failed in an earlier attempt.';
  if (app.wasRejected?.(stored) === true) return { verdict: 'deadLetter', reason: 'rejected', error };
  return policy.acksOnFailure ? ACK : { verdict: 'deadLetter', reason: 'failed', error };
}
