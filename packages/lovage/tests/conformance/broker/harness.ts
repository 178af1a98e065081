// What every broker test stands on: a broker of its own, queues of its own, and a reader that waits for deliveries, never for time.
import { randomUUID } from 'node:crypto';
import type {
  BindingDeclaration,
  Broker,
  BrokerOptions,
  Delivery,
  ExchangeType,
  Outgoing,
  QueueDeclaration,
  Subscription,
} from '../../../src/broker/index.ts';
import { DEFAULT_DEAD_LETTERS } from '../../../src/broker/index.ts';

/** How drivers may differ. Whatever a driver cannot do is asserted as its refusal, so every trait has a test on both sides. */
export interface BrokerTraits {
  /** Does the store remember queues, and so refuse other arguments and unknown names? */
  readonly remembersQueues: boolean;
  /** Does a message of a queue that was purged while parked vanish too, and do counts show parked ones? */
  readonly countsParked: boolean;
  /** Are messages with an AMQP `expiration` dropped when it is over? */
  readonly expires: boolean;
  /** Seconds that a message may come before its time. */
  readonly earliness: number;
  /** Does looking at messages put them behind those that were not seen? (AMQP knows no look.) */
  readonly peekReorders?: boolean;
  /** Can what waits be listed, deleted and rescheduled by id? */
  readonly looksInside: boolean;
  /** Can what follows a message lie in its place? */
  readonly handsOn: boolean;
  /** Arguments that a queue needs for priorities. */
  readonly priorityArguments: Readonly<Record<string, unknown>>;
}

export interface BrokerHarness extends AsyncDisposable {
  /** A new broker on the same store, as another process would open it. */
  open(options?: Partial<BrokerOptions>): Promise<Broker>;
  /** Loses every line that is open now. Absent where there is no line to lose. */
  readonly cut?: () => Promise<void>;
}

export const brokerOptions = (url: string, options: Partial<BrokerOptions> = {}): BrokerOptions => ({
  url,
  appName: 'conformance',
  connectTimeout: 5,
  heartbeat: 10,
  transportOptions: {},
  deadLetters: DEFAULT_DEAD_LETTERS,
  ...options,
});

export const unique = (name: string): string => `${name}-${randomUUID().slice(0, 8)}`;
/** For `vi.waitFor`: in tests that run beside each other `expect.poll` does not know which one it belongs to. */
export const SOON = { timeout: 20_000, interval: 20 } as const;
export const soon = (): AbortSignal => AbortSignal.timeout(20_000);
export const now = (): number => Date.now() / 1000;
export const text = (delivery: { readonly body: Uint8Array }): string => Buffer.from(delivery.body).toString('utf8');

export function message(queue: string, body: string | Uint8Array, more: Partial<Outgoing> = {}): Outgoing {
  return {
    exchange: '',
    routingKey: queue,
    headers: { task: 'suite.task', id: randomUUID() },
    body: typeof body === 'string' ? Buffer.from(body) : body,
    ...more,
    properties: { contentType: 'application/json', contentEncoding: 'utf-8', deliveryMode: 2, ...more.properties },
  };
}

export function queueOf(name: string, args: Readonly<Record<string, unknown>> = {}): QueueDeclaration {
  return { name, durable: true, arguments: args };
}

/** Declares queues under fresh names. */
export async function freshQueues(
  broker: Broker,
  count: number,
  args: Readonly<Record<string, unknown>> = {},
): Promise<string[]> {
  const names = Array.from({ length: count }, (_, index) => unique(`q${index}`));
  await broker.declare({ exchanges: [], queues: names.map((name) => queueOf(name, args)), bindings: [] });
  return names;
}

export async function freshQueue(broker: Broker, args: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const [name = ''] = await freshQueues(broker, 1, args);
  return name;
}

/** Declares an exchange, its queues and bindings: `{ queue: keys }`. */
export async function freshExchange(
  broker: Broker,
  type: ExchangeType,
  keys: Readonly<Record<string, readonly string[]>>,
): Promise<{ readonly exchange: string; readonly queues: Readonly<Record<string, string>> }> {
  const exchange = unique('ex');
  const queues = Object.fromEntries(Object.keys(keys).map((short) => [short, unique(short)]));
  const bindings: BindingDeclaration[] = [];
  for (const [short, routingKeys] of Object.entries(keys)) {
    for (const routingKey of routingKeys) bindings.push({ queue: queues[short]!, exchange, routingKey });
  }
  await broker.declare({
    exchanges: [{ name: exchange, type, durable: true }],
    queues: Object.values(queues).map((name) => queueOf(name)),
    bindings,
  });
  return { exchange, queues };
}

export const publish = (broker: Broker, ...messages: readonly Outgoing[]): Promise<void> =>
  broker.publish(messages, { signal: soon() });

/** Reads a subscription in deliveries, whatever its batches are. */
export class Reader implements AsyncDisposable {
  readonly subscription: Subscription;
  readonly #iterator: AsyncIterator<readonly Delivery[]>;
  readonly #over: Delivery[] = [];
  readonly batches: (readonly Delivery[])[] = [];

  constructor(subscription: Subscription) {
    this.subscription = subscription;
    this.#iterator = subscription[Symbol.asyncIterator]();
  }

  async take(count: number): Promise<Delivery[]> {
    while (this.#over.length < count) {
      const { value, done } = await this.#iterator.next();
      if (done === true) throw new Error(`The subscription ended after ${this.#over.length} of ${count} deliveries.`);
      this.batches.push(value);
      this.#over.push(...value);
    }
    return this.#over.splice(0, count);
  }

  async one(): Promise<Delivery> {
    const [delivery] = await this.take(1);
    return delivery!;
  }

  /** What the iterator says next, when that is not a batch. */
  async ending(): Promise<unknown> {
    const { value, done } = await this.#iterator.next();
    if (done !== true) throw new Error(`Expected the end, got ${value.map(text).join(', ')}.`);
    return undefined;
  }

  ack(...deliveries: readonly Delivery[]): Promise<readonly Delivery[]> {
    return this.subscription.settle(deliveries.map((delivery) => ({ verdict: 'ack', delivery })));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.subscription[Symbol.asyncDispose]();
  }
}

export async function read(broker: Broker, queues: string | readonly string[], prefetch = 100): Promise<Reader> {
  return new Reader(await broker.subscribe(typeof queues === 'string' ? [queues] : queues, { prefetch, node: 'suite@host' }));
}
