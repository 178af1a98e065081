// The seam between Lovage and every message broker: what a driver must do, and nothing more.
// Everything is plural; RabbitMQ implements Broker itself, the others implement QueueStore (store.ts) under VirtualBroker.

/** Basic properties of a message. Wire names are the drivers' business; unknown ones ride in `extra`. */
export interface MessageProperties {
  readonly contentType: string;
  readonly contentEncoding: string;
  readonly correlationId?: string;
  readonly replyTo?: string;
  /** 1 transient, 2 persistent. A transient message to a topic exchange that no queue takes vanishes without an error: nobody watches. @default 2 */
  readonly deliveryMode?: number;
  readonly priority?: number;
  /** Milliseconds, as text (AMQP `expiration`). RabbitMQ drops the message then; all others leave it to the worker, which records it. */
  readonly expiration?: string;
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** What goes over the wire. Plain data, safe to clone; drivers never look into the body. */
export interface Message {
  /** `''` sends straight to the queue named by `routingKey`. */
  readonly exchange: string;
  readonly routingKey: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly properties: MessageProperties;
  readonly body: Uint8Array;
}

/** A message about to be published. */
export interface Outgoing extends Message {
  /** The JSON text of `headers`, when the sender has it at hand: a driver that writes JSON need not make it again. Whoever changes the headers leaves it out. */
  readonly headersText?: string;
  /** Epoch seconds before which no worker should see it; the driver parks it if it can (see docs/decisions/0001). */
  readonly dueAt?: number;
}

/** A message as a worker holds it. */
export interface Delivery extends Message {
  readonly queue: string;
  /** Held before by somebody who did not finish with it; or its sender says that it may have been sent before (header `x-lovage-attempts`). */
  readonly redelivered: boolean;
  /** How often it has been started, this time included: 1 on the first delivery. Header `x-lovage-attempts` or the broker's own count. */
  readonly attempts: number;
  /** Which life of the subscription handed it out; a verdict for an older life is dropped, never written. */
  readonly generation: number;
  /** The driver's own handle. */
  readonly tag: unknown;
  /** Set when these headers came before but for a few texts. */
  readonly likeness?: HeaderLikeness;
}

/** Headers that differ from others only in these: whoever reads headers may keep what it made of `kind` and put these in. */
export interface HeaderLikeness {
  /** The same object for all that are alike. */
  readonly kind: object;
  readonly id: string;
  readonly rootId: string;
  /** Absent where all have the same. */
  readonly parentId?: string | undefined;
  readonly groupId?: string | undefined;
  readonly groupIndex?: number | undefined;
  readonly argsRepr?: string | undefined;
  readonly kwargsRepr?: string | undefined;
}

/** Why a message went to the dead letters. Written to `x-lovage-death.reason`. */
export type DeathReason =
  | 'unknown-task'
  | 'undecodable'
  | 'refused-content'
  | 'refused-signature'
  | 'malformed'
  | 'too-large'
  | 'rejected'
  | 'delivery-limit'
  | 'failed';

/** What a worker says of a message that it holds. */
export type Settlement =
  | { readonly verdict: 'ack'; readonly delivery: Delivery }
  /** Back to the queue. `counted` false when it was never started or was interrupted by a shutdown: its count stays. */
  | { readonly verdict: 'requeue'; readonly delivery: Delivery; readonly counted: boolean }
  /** Dropped as the broker drops (RabbitMQ: `basic.reject` without requeue, so the queue's own dead-letter exchange sees it). */
  | { readonly verdict: 'reject'; readonly delivery: Delivery }
  | {
      readonly verdict: 'deadLetter';
      readonly delivery: Delivery;
      readonly reason: DeathReason;
      readonly error?: string;
      readonly node?: string;
    }
  /** Kept by the broker until `until` (epoch seconds), then delivered as if new. */
  | { readonly verdict: 'park'; readonly delivery: Delivery; readonly until: number }
  /** It is over, and what follows it lies in its place from now on, held by whoever held it. Only where successors are made. */
  | { readonly verdict: 'become'; readonly delivery: Delivery; readonly successor: Delivery };

/** A write that a store can apply in the same transaction as others of the same `database`. Opaque to all but the drivers of that database. */
export interface JointWrite {
  readonly database: string;
  readonly payload: unknown;
  /** Called after the commit with what the writes of the turn had to say, of which it takes out what is its own; not called when that was lost on the way. */
  readonly answered?: (answers: unknown[]) => void;
}

export type ExchangeType = 'direct' | 'topic' | 'fanout';

export interface ExchangeDeclaration {
  readonly name: string;
  readonly type: ExchangeType;
  readonly durable: boolean;
  readonly autoDelete?: boolean;
  /** It is there already: looked for, never made. Brokers that keep no exchanges look for a binding of it. @default false */
  readonly passive?: boolean;
}

export interface QueueDeclaration {
  readonly name: string;
  readonly durable: boolean;
  readonly exclusive?: boolean;
  readonly autoDelete?: boolean;
  /** RabbitMQ arguments exactly as Celery writes them (`x-queue-type`, `x-max-priority`, `x-expires` in ms …). */
  readonly arguments: Readonly<Record<string, unknown>>;
  /** Arguments with which RabbitMQ's consumers of it begin; no part of the declaration on the wire. */
  readonly consumerArguments?: Readonly<Record<string, unknown>>;
  /** It is there already: looked for, never made. On Redis every queue is there. @default false */
  readonly passive?: boolean;
}

export interface BindingDeclaration {
  readonly queue: string;
  readonly exchange: string;
  readonly routingKey: string;
}

/** Exchanges, queues and bindings to declare, in that order. */
export interface Topology {
  readonly exchanges: readonly ExchangeDeclaration[];
  readonly queues: readonly QueueDeclaration[];
  readonly bindings: readonly BindingDeclaration[];
}

export interface BrokerFeatures {
  readonly priorities: boolean;
  /** Which end of the priority scale is served first. */
  readonly priorityOrder: 'highest-first' | 'lowest-first';
  /** Can it park a message until a time without a worker holding it? */
  readonly delay: boolean;
  readonly fanout: boolean;
  /** Does a queue that was declared `autoDelete` go with its last consumer? */
  readonly autoDelete: boolean;
  /** The type that the exchange of events has among Celery's programs on this broker. A peer that takes it for the other type hears nothing. */
  readonly eventExchange: Extract<ExchangeType, 'topic' | 'fanout'>;
  /** Survives the death of every process. */
  readonly persistent: boolean;
}

export interface SubscribeOptions {
  /** Most unsettled deliveries held at once. */
  readonly prefetch: number;
  /** Name of the node, for whoever looks at what is held (`celery@host`). */
  readonly node: string;
  /** Deliveries need no settling (broadcasts, events). @default false */
  readonly noAck?: boolean;
  readonly signal?: AbortSignal;
}

export interface QueueCount {
  readonly ready: number;
  readonly held?: number;
  readonly parked?: number;
}

/** A message that no worker has yet. */
export interface Waiting {
  readonly message: Message;
  /** Task id, as far as the headers tell; else the correlation id. */
  readonly id: string | undefined;
  /** Epoch seconds until which it is parked; undefined when it is ready. */
  readonly dueAt: number | undefined;
}

/** Which waiting messages are meant. */
export interface WaitingQuery {
  /** @default 'all' */
  readonly state?: 'ready' | 'parked' | 'all';
  /** Only these task ids. @default all */
  readonly ids?: readonly string[];
  /** Most that are answered. @default all */
  readonly limit?: number;
}

/**
 * Changing what waits without taking it. A message that a worker takes at the same time is the worker's, and is left out of the answer:
 * nothing is changed twice and nothing runs that was answered as removed.
 */
export interface WaitingRoom {
  /** The ready ones first, next first; then the parked ones, soonest first. */
  list(queue: string, query?: WaitingQuery): Promise<readonly Waiting[]>;
  /** Deletes messages of these task ids; answers those that it deleted. */
  remove(queue: string, ids: readonly string[]): Promise<readonly Waiting[]>;
  /**
   * Parks messages of these task ids until `dueAt` (epoch seconds), or makes them ready; their header `eta` follows. Answers them as they
   * are then. `state` says among which they are looked for. @default 'all'
   */
  reschedule(
    queue: string,
    ids: readonly string[],
    dueAt: number | undefined,
    state?: WaitingQuery['state'],
  ): Promise<readonly Waiting[]>;
  /**
   * Makes parked messages ready, each as it is: one whose `eta` is to come is parked again by whoever knows no more of it. Looks through
   * a few hundred at a time, and answers after each such piece how many it woke, so that the caller sets the pace. The message that
   * `isMeant` sees may lack its body. What is parked while it looks may be passed over.
   */
  wake(queue: string, isMeant: (message: Message) => boolean): AsyncIterable<number>;
}

/** A broker as the rest of Lovage sees it. Construction opens nothing: the first call connects. */
export interface Broker extends AsyncDisposable {
  /** Driver name: `memory`, `sqlite`, `redis`, `amqp`. */
  readonly name: string;
  /** For banners and errors; passwords masked. */
  readonly url: string;
  readonly features: BrokerFeatures;
  /** Identity of the database that holds the messages, when it can commit writes of others jointly with its own. */
  readonly database?: string;
  /** Why there is no line to it just now, as far as the driver knows: for the error of whoever waited in vain. */
  readonly trouble?: Error | undefined;
  /** Repeatable; replayed by the driver after it reconnects. Throws TopologyMismatchError. */
  declare(topology: Topology): Promise<void>;
  /** Resolves when the broker has confirmed all of them, else rejects with PublishError by the signal's deadline. An unroutable message fails with QueueNotFoundError as its cause. */
  publish(messages: readonly Outgoing[], options: { readonly signal: AbortSignal }): Promise<void>;
  /**
   * How many the last publish of news (a broadcast, or transient to a topic) under this key reached. Undefined where that cannot be known, and
   * before the first; RabbitMQ tells of nobody (0) and not of how many, and of news but commands only from the publish on that follows the first call.
   */
  audience?(exchange: string, routingKey: string): number | undefined;
  /** The same publish as a part of somebody's joint commit. Queues must have been declared. */
  jointPublish?(messages: readonly Outgoing[]): Promise<JointWrite>;
  subscribe(queues: readonly string[], options: SubscribeOptions): Promise<Subscription>;
  /** `undefined` when the queue does not exist. */
  count(queue: string): Promise<QueueCount | undefined>;
  /** Looks at up to `limit` waiting messages, next first, without taking them. */
  peek(queue: string, limit: number): Promise<readonly Message[]>;
  /** Deletes what waits (parked messages too); resolves to how many. */
  purge(queue: string): Promise<number>;
  remove(queue: string): Promise<void>;
  /** Every binding that anybody made; absent where the broker tells no client (RabbitMQ). */
  bindings?(): Promise<readonly BindingDeclaration[]>;
  /** Absent where the broker shows nobody what is inside of its queues (RabbitMQ). */
  readonly waiting?: WaitingRoom;
  /** Marks queues, with or without messages, as paused: workers take nothing from them. The mark outlives everybody. */
  pause(queues: readonly string[]): Promise<void>;
  resume(queues: readonly string[]): Promise<void>;
  /** Those of these queues that are paused. */
  paused(queues: readonly string[]): Promise<readonly string[]>;
  /** Epoch milliseconds at which the lease of what is held was last renewed; absent where a connection stands for the lease, undefined while nothing is held. */
  leaseRenewed?(): number | undefined;
  /**
   * A thread that keeps leases or lines while the main loop stands still says so on standard error, in words of util/loop-view.ts; as soon
   * as there is such a thread. Absent where the broker has none.
   */
  watchLoop?(view: SharedArrayBuffer): void;
  /** Pings the server; for `status` and health checks. `publish`: does it take messages, too? RabbitMQ does not during an alarm. */
  check(signal: AbortSignal, purpose?: 'publish'): Promise<void>;
}

/**
 * Batches as they arrive, never more unsettled than prefetch. The iterator throws BrokerConnectionError once when the line is
 * lost and then ends; whoever iterates subscribes again. Disposing gives back what is held and was not settled, uncounted.
 */
export interface Subscription extends AsyncIterable<readonly Delivery[]>, AsyncDisposable {
  /** Settles a batch, with the writes of others in the same transaction. Resolves to the deliveries that were no longer ours (their lease had ended): nothing was done for those. */
  settle(settlements: readonly Settlement[], writes?: readonly JointWrite[]): Promise<readonly Delivery[]>;
  /**
   * The message `next` as a delivery in the place of `delivery`, which it follows: said with the verdict `become`, it is held without
   * having been in its queue. Undefined where that cannot be, or where enough have followed one another by now that others should have
   * their turn: then `next` is published. Absent where no broker could do it.
   */
  successor?(delivery: Delivery, next: Outgoing): Delivery | undefined;
  /** Hands out successors that have just been settled for, before the broker has heard of them. One that ends at once it never hears of. */
  handOut?(successors: readonly Delivery[]): void;
  /**
   * To be awaited before the start of a delivery with `attempts` above 1: from then on its loss is counted. Absent where whatever was held
   * counts. Rejects when the line fails; then the task must not start.
   */
  starting?(delivery: Delivery): Promise<void>;
  /** It did not start after all, since the line ended: its loss is not counted. */
  unstarted?(delivery: Delivery): void;
  /**
   * Sets how many may be held. Resolves when that is in force: what lay ready beyond the limit and nobody has seen yet has gone back,
   * uncounted, and nothing more comes while `limit` or more are held.
   */
  prefetch(limit: number): Promise<void>;
  add(queue: string): Promise<void>;
  /** No queue: take nothing more; what is held can still be settled. */
  cancel(queue?: string): Promise<void>;
  /** When something last came from the broker (performance.now()), for the watchdog. */
  readonly lastHeard: number;
}

/** How a driver is found: scheme → lazy module. `options` is the setting brokerTransportOptions. */
export interface BrokerOptions {
  readonly url: string;
  readonly appName: string;
  /** Seconds. */
  readonly connectTimeout: number;
  /** Seconds; AMQP heartbeat, Redis lease and keep-alive derive from it. */
  readonly heartbeat: number;
  readonly tls?: boolean | Readonly<Record<string, unknown>>;
  readonly transportOptions: Readonly<Record<string, unknown>>;
  readonly deadLetters: DeadLetterPolicy;
}

export interface DeadLetterPolicy {
  /** `lovage`: to the queue `lovage.dead.<queue>`; `broker`: plain reject; `off`: dropped with a log line. */
  readonly mode: 'lovage' | 'broker' | 'off';
  /** Seconds. @default 1_209_600 (14 days) */
  readonly ttl: number;
  /** @default 100_000 */
  readonly maxLength: number;
}

/** Every broker driver module exports `open`. */
export interface BrokerDriver {
  open(options: BrokerOptions): Broker;
}
