// The shapes of structured settings: queues, routes, annotations, the publish retry policy.
import type { ExchangeType } from '../../broker/index.ts';
import type { ExecOptions, TaskDefinition, TaskHandlers, TaskOptions } from '../../task/index.ts';

export type { BeatEntry } from '../schedule/entry.ts';

/** How a queue is declared and bound. Everything but the name has a default. */
export interface QueueOptions {
  /** @default the exchange of taskDefaultExchange */
  readonly exchange?: string;
  /** @default 'direct' */
  readonly exchangeType?: ExchangeType;
  /** Key of the binding, and of messages sent to this queue. @default taskDefaultRoutingKey (in a list) or the queue's name (in a map) */
  readonly routingKey?: string;
  /** More bindings of the same queue. */
  readonly bindings?: readonly { readonly exchange: string; readonly exchangeType?: ExchangeType; readonly routingKey: string }[];
  /** @default true */
  readonly durable?: boolean;
  readonly exclusive?: boolean;
  readonly autoDelete?: boolean;
  /** Sets `x-max-priority`. @default taskQueueMaxPriority */
  readonly maxPriority?: number;
  /** Sets `x-queue-type`; classic is RabbitMQ's default and leaves the argument out. */
  readonly type?: 'classic' | 'quorum';
  /** Seconds; sets `x-message-ttl`. */
  readonly messageTtl?: number;
  /** Seconds; sets `x-expires`. */
  readonly expires?: number;
  /** Messages; sets `x-max-length`. */
  readonly maxLength?: number;
  /** Bytes of bodies; sets `x-max-length-bytes`. */
  readonly maxLengthBytes?: number;
  /** Arguments of the consumers of a worker on RabbitMQ, such as `x-priority`. */
  readonly consumerArguments?: Readonly<Record<string, unknown>>;
  /** Further arguments, written as they are. */
  readonly arguments?: Readonly<Record<string, unknown>>;
  /** Delivery mode of messages sent to it. */
  readonly deliveryMode?: 1 | 2;
  /** Somebody else declares it, its exchange and its bindings: neither publishers nor workers do. @default false */
  readonly noDeclare?: boolean;
  /** The queue is there already, bound as it should be: it is looked for, never made, and its absence is QueueNotFoundError. On Redis every queue is there. @default false */
  readonly passive?: boolean;
  /** The same for its exchange alone: the queue is made and bound to it. @default false */
  readonly exchangePassive?: boolean;
  /** Every worker gets its own copy of each message: a fanout exchange with one queue for each worker. */
  readonly broadcast?: boolean;
}

/** A queue in the list form of taskQueues. */
export interface NamedQueue extends QueueOptions {
  readonly name: string;
}

/** Makes the options of a queue that taskQueues does not name; undefined: an exchange of the queue's name. */
export type MissingQueue = (name: string) => QueueOptions | undefined;

/** The setting taskQueues. */
export type QueueList = readonly (NamedQueue | string)[] | Readonly<Record<string, QueueOptions>>;

/** Where a task goes: the name of a queue, or options that the caller's own options override. */
export type Route = string | Readonly<ExecOptions>;

/** What a routing function is told about a call. */
export interface RouteQuestion {
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly options: Readonly<ExecOptions>;
  /** When the task is known here. */
  readonly definition?: TaskDefinition;
}

/** Decides by itself; undefined or null: no opinion. */
export type RouteFunction = (name: string, question: RouteQuestion) => Route | undefined | null;

/** One router: names and globs with `*` to routes, pairs (patterns may be RegExp), a function, or an object with routeForTask. */
export type Router =
  | Readonly<Record<string, Route>>
  | readonly (readonly [pattern: string | RegExp, route: Route])[]
  | RouteFunction
  | { routeForTask: RouteFunction };

/** The setting taskRoutes: one router, or several that are asked in turn. */
export type Routes = Router | readonly Router[];

/** The setting taskAnnotations: options and handlers by task name, by `'*'` for all, or a function of the task; or several of those. */
export type Annotations = Annotation | readonly Annotation[];
/** One element of taskAnnotations. */
export type Annotation = Readonly<Record<string, Annotated>> | ((definition: TaskDefinition) => Annotated | undefined);
/** Options and handlers that are put over those of a task. */
export type Annotated = Partial<TaskOptions & TaskHandlers>;

/** The setting taskPublishRetryPolicy. */
export interface PublishRetryPolicy {
  /** `null`: until the deadline. @default 3 */
  readonly maxRetries?: number | null;
  /** Seconds before the first repeat. @default 0 */
  readonly intervalStart?: number;
  /** Seconds by which each wait grows. @default 0.2 */
  readonly intervalStep?: number;
  /** Seconds of the longest wait. @default 1 */
  readonly intervalMax?: number;
}
