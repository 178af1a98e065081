// Result records of an attempt, and errors as the wire has them.
import {
  formatTime,
  notRegisteredException,
  OWN_MODULE,
  type ResultMeta,
  saferepr,
  type WireException,
  wireException,
} from '../protocol/index.ts';
import { READY_STATES } from '../result/index.ts';
import { NotRegisteredError } from '../util/index.ts';
import type { Attempt } from './attempt.ts';
import { Reject } from './steer.ts';

/** What a record says beside who it is about. */
export interface MetaFields {
  readonly state: string;
  /** The value, the wire's exception, or what a custom state says. */
  readonly result: unknown;
  readonly traceback?: string | undefined;
}

/** A record about the attempt's own task. */
export function metaOf(attempt: Attempt, fields: MetaFields): ResultMeta {
  const { environment, message: request, children } = attempt;
  return {
    taskId: request.id,
    status: fields.state,
    result: fields.result,
    traceback: fields.traceback,
    children: [...children],
    dateDone: READY_STATES.has(fields.state) ? formatTime(environment.clock.now()) : undefined,
    groupId: request.group,
    parentId: request.parentId,
    ...(environment.settings.resultExtended ? extended(attempt) : {}),
  };
}

function extended({ request }: Attempt): Partial<ResultMeta> {
  return {
    name: request.task,
    args: request.args,
    kwargs: request.kwargs,
    worker: request.hostname,
    retries: request.retries,
    queue: request.deliveryInfo.routingKey,
    ...(request.stampedHeaders === undefined ? {} : { stampedHeaders: request.stampedHeaders, stamps: request.stamps }),
  };
}

/** An error as a record holds it: errors are written by the codec of results, everything else that can be thrown as its text. */
export function exceptionOf(error: unknown): Error | WireException {
  if (error instanceof Reject) return wireException('celery.exceptions', 'Reject', error.message, error.requeue);
  if (error instanceof NotRegisteredError && error.task !== undefined) return notRegisteredException(error.task);
  if (error instanceof Error) return error;
  return wireException(OWN_MODULE, 'Error', typeof error === 'string' ? error : saferepr(error, { maxLength: 1024 }));
}

const MAX_TRACEBACK = 64_000;
const MAX_CAUSES = 10;

/** The stack of an error and of its causes as one text; undefined when it has none. Never throws. */
export function tracebackOf(error: unknown): string | undefined {
  try {
    const parts: string[] = [];
    for (let at = error; at instanceof Error && parts.length < MAX_CAUSES; at = at.cause) {
      parts.push(typeof at.stack === 'string' ? at.stack : `${at.name}: ${at.message}`);
    }
    return parts.length === 0 ? undefined : parts.join('\nCaused by: ').slice(0, MAX_TRACEBACK);
  } catch {
    return undefined;
  }
}
