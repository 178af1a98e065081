// Options of tasks and of calls, with Celery's names in camelCase. Wire forms are the business of protocol/ and app/producer.
import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { ExchangeType, Topology } from '../broker/index.ts';
import type { ChainText, TaskRequest, WireSignature } from '../protocol/index.ts';
import type { TaskHandlers } from './handlers.ts';
import type { RequestHooks, Strategy, StrategyTask } from './strategy.ts';

/** A class of errors, as given to `throws` and `autoretryFor`. */
export type ErrorClass = abstract new (...args: never[]) => Error;

/** Options that fix how a message is sent; on a task they are defaults of its calls. */
export interface ExecOptions {
  readonly queue?: string;
  readonly exchange?: string;
  /** How the exchange routes. `'direct'` without both exchange and routing key means the queue itself. @default that of the queue's exchange */
  readonly exchangeType?: ExchangeType;
  readonly routingKey?: string;
  /** As the broker understands it; `'high' | 'normal' | 'low'` mean the same on every broker. */
  readonly priority?: number | 'high' | 'normal' | 'low';
  /** Seconds from now, or a moment (Date or ISO 8601 text). `null` clears the task's default. */
  readonly expires?: number | Date | string | null;
  readonly serializer?: string;
  /** 1 or 2, or by name. */
  readonly deliveryMode?: 1 | 2 | 'transient' | 'persistent';
  readonly compression?: string;
  /** Seconds. */
  readonly timeLimit?: number | null;
  /** Seconds. */
  readonly softTimeLimit?: number | null;
}

/** Options of a task. What is absent comes from the settings of the app when the task is used. */
export interface TaskOptions extends ExecOptions {
  /** Names of the parameters, so that Python's keyword arguments find their places. Read from the function when absent and possible. */
  readonly params?: readonly string[];
  /** Check the number of arguments at the call. @default the setting strictTyping (true) */
  readonly typing?: boolean;
  /** Retries allowed; `null` for no limit. @default 3 */
  readonly maxRetries?: number | null;
  /** Seconds. @default 180 */
  readonly defaultRetryDelay?: number;
  readonly autoretryFor?: readonly ErrorClass[];
  readonly dontAutoretryFor?: readonly ErrorClass[];
  readonly retryKwargs?: { readonly maxRetries?: number | null; readonly countdown?: number };
  /** true: 1, 2, 4 … s; a number: that many times as much. @default false */
  readonly retryBackoff?: boolean | number;
  /** Seconds. @default 600 */
  readonly retryBackoffMax?: number;
  /** Full jitter. @default true */
  readonly retryJitter?: boolean;
  /** `10`, `'10/s'`, `'100/m'`, `'5/h'`. */
  readonly rateLimit?: number | string | null;
  readonly ignoreResult?: boolean;
  readonly storeErrorsEvenIfIgnored?: boolean;
  readonly storeEagerResult?: boolean;
  readonly trackStarted?: boolean;
  /** @default true */
  readonly acksLate?: boolean;
  readonly acksOnFailure?: boolean;
  readonly acksOnTimeout?: boolean;
  readonly rejectOnWorkerLost?: boolean;
  /** Expected errors: FAILURE, but logged at INFO without a traceback. */
  readonly throws?: readonly ErrorClass[];
  /** Record tasks sent by this one as its children. @default true */
  readonly trail?: boolean;
  readonly sendEvents?: boolean;
  /** Characters. @default 1024 */
  readonly resultReprMaxSize?: number;
  /** One schema for the only argument, or a list with one for each. Checked at the call when that needs no waiting, and again in the worker, where the body gets what the schema made of it. */
  readonly input?: StandardSchemaV1 | readonly StandardSchemaV1[] | undefined;
  /** Checks what the body returns; what the schema makes of it is the result. */
  readonly output?: StandardSchemaV1 | undefined;
  /** How it is called as an errback: `'inline'` in the slot of the failed task with (request, error, traceback), `'task'` by a message with the failed id. @default inline when it takes more than one argument and has no context */
  readonly errback?: 'inline' | 'task';
  /** What a worker does with the messages of this task, in place of running each. @default run */
  readonly strategy?: Strategy;
  /** Makes what is told about one request of this task: its start and its end as the worker sees them, also when its slot is lost. Called when there is first something to tell. */
  readonly requestFactory?: (request: TaskRequest, task: StrategyTask) => RequestHooks;
  readonly shadowName?: (args: readonly unknown[], kwargs: Readonly<Record<string, unknown>>) => string | undefined;
}

/** What to declare before a message: a queue by its name, as the settings describe it, or exchanges, queues and bindings in full. */
export type Declarable = string | Partial<Topology>;

/** A signature or anything that turns into one. */
export interface SignatureLike {
  toWire(): WireSignature;
}

/** Options of one call (`applyAsync`, `sendTask`, signatures). */
export interface CallOptions extends ExecOptions {
  /** @default a new UUID */
  readonly taskId?: string;
  /** Seconds from now. 0 means at once. Wins over `eta`. */
  readonly countdown?: number;
  readonly eta?: Date | string;
  readonly link?: SignatureLike | readonly SignatureLike[];
  readonly linkError?: SignatureLike | readonly SignatureLike[];
  /** Shown in logs and events in place of the task's name. */
  readonly shadow?: string;
  /** User headers, merged last. */
  readonly headers?: Readonly<Record<string, unknown>>;
  /** Further AMQP properties (messageId, appId …), written as they are. */
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly ignoreResult?: boolean;
  /** Record the result as a child of the running task. @default true */
  readonly addToParent?: boolean;
  readonly rootId?: string;
  readonly parentId?: string;
  readonly groupId?: string;
  readonly groupIndex?: number;
  readonly chord?: WireSignature;
  readonly chain?: readonly WireSignature[];
  readonly retries?: number;
  readonly replyTo?: string;
  readonly replacedTaskNesting?: number;
  readonly origin?: string;
  readonly argsRepr?: string;
  readonly kwargsRepr?: string;
  readonly stamps?: Readonly<Record<string, unknown>>;
  readonly stampedHeaders?: readonly string[];
  /** Declared before the message goes out, instead of its queue; an empty list declares nothing. @default the queue that it goes to */
  readonly declare?: readonly Declarable[];
  /** One deadline for the whole publish, seconds. @default the setting taskPublishTimeout */
  readonly publishTimeout?: number;
  /** Repeat a publish that surely was not stored. @default the setting taskPublishRetry */
  readonly retry?: boolean;
  /** How often and when it is repeated, over the setting taskPublishRetryPolicy; seconds. */
  readonly retryPolicy?: {
    readonly maxRetries?: number | null;
    readonly intervalStart?: number;
    readonly intervalStep?: number;
    readonly intervalMax?: number;
  };
  readonly signal?: AbortSignal;
}

/** Options of `apply`: what has a meaning without a message. */
export interface ApplyOptions
  extends Pick<
    CallOptions,
    | 'taskId'
    | 'link'
    | 'linkError'
    | 'headers'
    | 'retries'
    | 'rootId'
    | 'parentId'
    | 'groupId'
    | 'groupIndex'
    | 'stamps'
    | 'stampedHeaders'
    | 'signal'
  > {
  /** Throw what the task throws. @default the setting taskEagerPropagates */
  readonly throw?: boolean;
}

/** The erased record of a task, as the registry keeps it. */
export interface TaskDefinition {
  readonly name: string;
  readonly options: Readonly<TaskOptions>;
  readonly handlers: Readonly<TaskHandlers>;
  /** Names of the parameters, when known. */
  readonly params: readonly string[] | undefined;
  /** How many arguments a call must and may have (the context not counted); `max` is Infinity with a rest parameter, undefined when unknown. */
  readonly arity: { readonly min: number; readonly max: number } | undefined;
  /** Wants the context first. */
  readonly bind: boolean;
  readonly run: (...args: never[]) => unknown;
}

/** One call on its way out: what the publisher routes, encodes and sends. */
export interface Call {
  readonly task: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly options: Readonly<CallOptions>;
  /** When the task is known here. */
  readonly definition?: TaskDefinition;
  /** Its chain, in the place of the option, where that is text. */
  readonly behind?: ChainText;
}
