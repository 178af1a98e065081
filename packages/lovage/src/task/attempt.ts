// One attempt of one task: the record that every step of an execution reads.
import type { TaskBody, TaskRequest } from '../protocol/index.ts';
import { attemptNumber } from '../result/index.ts';
import type { CurrentRequest, SentChild } from './context.ts';
import type { ExecuteEnvironment, StoreOptions } from './environment.ts';
import type { Limits } from './limits.ts';
import type { Call, TaskDefinition, TaskOptions } from './options.ts';

/** What an execution knows. */
export interface Attempt {
  readonly environment: ExecuteEnvironment;
  readonly definition: TaskDefinition;
  /** Over annotations and settings. */
  readonly options: Readonly<TaskOptions>;
  readonly request: CurrentRequest;
  readonly limits: Limits;
  /** What the body sent, in order. */
  readonly children: SentChild[];
  /** Next attempts that the body asked for without ending itself. */
  readonly retries: Call[];
  /** Are states of this attempt stored while it runs? */
  readonly storesStates: boolean;
}

/** The request of a body that has been read. */
export function currentRequest(
  request: TaskRequest,
  body: TaskBody,
  how: { readonly isEager: boolean; readonly calledDirectly: boolean },
): CurrentRequest {
  const { callbacks, errbacks, chain, chord } = body.embed;
  return { ...request, args: body.args, kwargs: body.kwargs, callbacks, errbacks, chain, chord, ...how };
}

/** With what the records of a request are stored. */
export function storeOptions(request: TaskRequest): StoreOptions {
  const attempt = attemptNumber(request.retries, request.attempts);
  return { attempt, replyTo: request.replyTo, correlationId: request.correlationId ?? request.id };
}
