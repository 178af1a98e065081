// One attempt of one task: the record that every step of an execution reads.
import type { TaskBody, TaskRequest } from '../protocol/index.ts';
import { attemptNumber } from '../result/index.ts';
import type { CurrentRequest, SentChild } from './context.ts';
import type { ExecuteEnvironment, StoreOptions } from './environment.ts';
import type { TaskHandlers } from './handlers.ts';
import type { Limits } from './limits.ts';
import type { Call, TaskDefinition, TaskOptions } from './options.ts';
import type { ProgressReporter } from './progress.ts';

/** Where what belongs to the end of a task runs. */
export type Place = 'slot' | 'worker';

/** What an execution knows. */
export interface Attempt {
  readonly environment: ExecuteEnvironment;
  readonly definition: TaskDefinition;
  /** Over annotations and settings. */
  readonly options: Readonly<TaskOptions & TaskHandlers>;
  /** Its message as it came, body included; made when somebody looks at it. */
  readonly request: CurrentRequest;
  /** The message without its body. */
  readonly message: TaskRequest;
  readonly body: TaskBody;
  readonly limits: Limits;
  /** What the body sent, in order. */
  readonly children: SentChild[];
  /** Next attempts that the body asked for without ending itself. */
  readonly retries: Call[];
  /** Made when the body first reports how far it is. */
  reporter?: ProgressReporter | undefined;
  /** Are states of this attempt stored while it runs? */
  readonly storesStates: boolean;
  /** Where its handlers and errbacks run: in the slot of its body, or in the worker's own process, which waits for them only so long. @default 'slot' */
  readonly place?: Place | undefined;
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

/** A request that has its body, as an attempt has it. */
export function parts(request: CurrentRequest): Pick<Attempt, 'request' | 'message' | 'body'> {
  const { args, kwargs, callbacks, errbacks, chain, chord } = request;
  return { request, message: request, body: { args, kwargs, embed: { callbacks, errbacks, chain, chord } } };
}

/** With what the records of a request are stored. */
export function storeOptions(request: TaskRequest): StoreOptions {
  const attempt = attemptNumber(request.retries, request.attempts, request.replacedTaskNesting);
  return { attempt, replyTo: request.replyTo, correlationId: request.correlationId ?? request.id };
}

/** What an attempt is made of. */
export type AttemptParts = Omit<Attempt, 'request' | 'children' | 'retries' | 'storesStates' | 'reporter'>;

/** The attempt of a task that came as a message. */
export class MessageAttempt implements Attempt {
  readonly environment: ExecuteEnvironment;
  readonly definition: TaskDefinition;
  readonly options: Readonly<TaskOptions & TaskHandlers>;
  readonly message: TaskRequest;
  readonly body: TaskBody;
  readonly limits: Limits;
  readonly children: SentChild[] = [];
  readonly retries: Call[] = [];
  readonly storesStates = true;
  readonly place: Place | undefined;
  reporter: ProgressReporter | undefined;
  #request: CurrentRequest | undefined;

  constructor({ environment, definition, options, message, body, limits, place }: AttemptParts) {
    this.environment = environment;
    this.definition = definition;
    this.options = options;
    this.message = message;
    this.body = body;
    this.limits = limits;
    this.place = place;
  }

  get request(): CurrentRequest {
    this.#request ??= currentRequest(this.message, this.body, { isEager: false, calledDirectly: false });
    return this.#request;
  }
}

/** The handlers of an attempt's task; those of taskAnnotations take the place of its own. */
export function handlersOf({ definition, options }: Attempt): TaskHandlers {
  const { handlers } = definition;
  const { beforeStart, onSuccess, onFailure, onRetry, onReplace, afterReturn } = options;
  if ((beforeStart ?? onSuccess ?? onFailure ?? onRetry ?? onReplace ?? afterReturn) === undefined) return handlers;
  const annotated = { beforeStart, onSuccess, onFailure, onRetry, onReplace, afterReturn };
  return { ...handlers, ...Object.fromEntries(Object.entries(annotated).filter(([, handler]) => handler !== undefined)) };
}
