// What follows a task that ended without ever reaching a slot, or lost its slot: revoked, too late, unknown, started too often, lost with
// its process. Its own record is the consumer's to write; this is the rest of what a failure in a slot leads to.
import type { TaskRequest } from '../protocol/index.ts';
import { revokedException } from '../protocol/index.ts';
import { logger } from '../util/index.ts';
import type { Attempt } from './attempt.ts';
import type { ExecuteEnvironment } from './environment.ts';
import { readAttempt } from './execute.ts';
import { chainFailures, errbacks } from './finish.ts';
import type { Aftermath } from './job.ts';
import { exceptionOf, tracebackOf } from './meta.ts';
import { ownPart, unreadPart } from './parts.ts';

/** How it ended. */
export type TaskEnd =
  | { readonly state: 'FAILURE'; readonly error: Error }
  | { readonly state: 'REVOKED'; readonly reason: 'revoked' | 'expired' | 'terminated' };

const NOTHING: Aftermath = { results: [], next: [], openings: [], parts: [] };

/** What the end of a task that has its record leads to. Never rejects. */
export async function aftermath(
  request: TaskRequest,
  body: Uint8Array,
  end: TaskEnd,
  environment: ExecuteEnvironment,
): Promise<Aftermath> {
  try {
    return await following(request, body, end, environment);
  } catch (error) {
    logger('task').error('What follows the end of {task}[{id}] cannot be made: {error}', {
      task: request.task,
      id: request.id,
      error,
    });
    return NOTHING;
  }
}

function following(
  request: TaskRequest,
  body: Uint8Array,
  end: TaskEnd,
  environment: ExecuteEnvironment,
): Aftermath | Promise<Aftermath> {
  let attempt: Attempt;
  try {
    attempt = readAttempt(request, body, environment);
  } catch (error) {
    const part = unreadPart(environment, request, end.state === 'FAILURE' ? end.error : error);
    return part === undefined ? NOTHING : { ...NOTHING, parts: [part] };
  }
  return end.state === 'REVOKED' ? afterRevoke(attempt, end.reason) : afterFailure(attempt, end.error);
}

function afterRevoke(attempt: Attempt, reason: 'revoked' | 'expired' | 'terminated'): Aftermath {
  const exception = revokedException(reason);
  const { results, counted } = chainFailures(attempt, exception, undefined);
  const own = ownPart(attempt, 'REVOKED', exception);
  return { ...NOTHING, results, parts: [...(own === undefined ? [] : [own]), ...(counted.parts ?? [])] };
}

async function afterFailure(attempt: Attempt, error: Error): Promise<Aftermath> {
  const traceback = tracebackOf(error);
  const exception = exceptionOf(error);
  const { results, counted } = chainFailures(attempt, exception, traceback);
  const own = ownPart(attempt, 'FAILURE', exception);
  const { next, openings = [] } = await errbacks(attempt, error, traceback, { next: [] });
  return { results, next, openings, parts: [...(own === undefined ? [] : [own]), ...(counted.parts ?? [])] };
}
