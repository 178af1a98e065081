// Enough to be a broker: VirtualBroker (virtual.ts) adds exchanges, prefetch and iteration to a QueueStore.
// Memory, SQLite, Redis and SQL databases implement this; RabbitMQ does not need it.
import type {
  BrokerFeatures,
  Delivery,
  ExchangeType,
  JointWrite,
  Message,
  Outgoing,
  QueueCount,
  QueueDeclaration,
  Settlement,
  WaitingRoom,
} from './seam.ts';

/** One row of an exchange's routing table. */
export interface StoredBinding {
  readonly exchange: string;
  readonly type: ExchangeType;
  readonly routingKey: string;
  readonly queue: string;
}

/** One copy of a message on its way into one queue. */
export interface QueueEntry {
  readonly queue: string;
  readonly message: Outgoing;
}

/** What one turn of a holder brought back. */
export interface TurnResult {
  /** May be read from the answer when it is first looked at. */
  readonly taken: readonly Delivery[];
  /** How many were taken. @default `taken.length` */
  readonly count?: number;
  /** Settled too late: the lease had ended and somebody else has them. */
  readonly lost: readonly Delivery[];
  /** True when there was less than was asked for: another look would be in vain. */
  readonly drained?: boolean;
}

/** What one subscription holds: a list and a lease of its own (one incarnation: node and a random part). */
export interface Holder extends AsyncDisposable {
  /** Settles the last batch, applies the joint writes and takes up to `take` more, in one call to the store. Takes from `queues` in turn, priority first. */
  turn(call: {
    readonly settle: readonly Settlement[];
    readonly writes: readonly JointWrite[];
    readonly queues: readonly string[];
    readonly take: number;
  }): Promise<TurnResult>;
  /**
   * Resolves when there may be something to take in one of `queues` (or the signal aborts). May wake for nothing; a lost wake-up may cost
   * latency only. A store that can do so takes up to `take` along with the wake-up, and resolves to them.
   */
  idle(queues: readonly string[], signal: AbortSignal, take: number): Promise<readonly Delivery[]>;
  /** As a subscription's; absent where a place cannot be handed on. */
  successor?(delivery: Delivery, next: Outgoing): Delivery | undefined;
  /** True while `idle` takes by itself what comes, so that a turn need not look. */
  readonly takesIdly?: boolean;
  /** Resolves (never rejects) with the error when the holder can no longer be used: line lost, lease ended. */
  readonly closed: Promise<Error | undefined>;
  /** Broadcast copies for fanout queues of this holder (no settling needed); absent when fanout queues are ordinary queues. */
  fanout?(queues: readonly string[], receive: (deliveries: readonly Delivery[]) => void): Promise<AsyncDisposable>;
}

/** How a holder is opened. */
export interface HoldOptions {
  readonly node: string;
  readonly generation: number;
  readonly queues?: readonly string[];
  /** What it takes counts as settled: a store may forget it at once. @default false */
  readonly noAck?: boolean;
}

export interface QueueStore extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  readonly features: BrokerFeatures;
  readonly database?: string;
  /** As the broker's. */
  readonly trouble?: Error | undefined;
  /** Remembers the queues; throws TopologyMismatchError when one exists with other arguments (stores that remember none never do). */
  declareQueues(queues: readonly QueueDeclaration[]): Promise<void>;
  bind(bindings: readonly StoredBinding[]): Promise<void>;
  bindings(exchange: string): Promise<readonly StoredBinding[]>;
  /** Those of every exchange, for people. */
  allBindings(): Promise<readonly StoredBinding[]>;
  /**
   * Resolves when all are stored as durably as the store stores. Else PublishError, whose failures count the entries: a store that
   * remembers its queues stores what it can and fails the entries of an unknown queue with QueueNotFoundError.
   */
  push(entries: readonly QueueEntry[], signal: AbortSignal): Promise<void>;
  /** A publish to a fanout exchange; absent when a copy goes to every bound queue instead. Resolves to how many each reached, as far as that is known. */
  broadcast?(messages: readonly Message[], signal: AbortSignal): Promise<readonly (number | undefined)[]>;
  jointPush?(entries: readonly QueueEntry[]): JointWrite;
  /** `generation` goes onto every delivery that this holder hands out; `queues` is what it will take from at first. */
  hold(options: HoldOptions): Promise<Holder>;
  /** Does somebody else consume this queue, in another process too? Absent where that cannot be known. */
  isWatched?(queue: string): Promise<boolean>;
  count(queue: string): Promise<QueueCount | undefined>;
  peek(queue: string, limit: number): Promise<readonly Message[]>;
  purge(queue: string): Promise<number>;
  remove(queue: string): Promise<void>;
  readonly waiting: WaitingRoom;
  pause(queues: readonly string[]): Promise<void>;
  resume(queues: readonly string[]): Promise<void>;
  paused(queues: readonly string[]): Promise<readonly string[]>;
  leaseRenewed?(): number | undefined;
  /** See Broker. */
  watchLoop?(view: SharedArrayBuffer): void;
  check(signal: AbortSignal): Promise<void>;
}
