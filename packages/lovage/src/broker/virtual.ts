// A broker over a QueueStore: exchanges, bindings, declarations and their replay live here; queues and what is held in the store.
// Memory, SQLite and Redis are opened as `virtualBroker(store)`.
import {
  BrokerConnectionError,
  BrokerFullError,
  PublishError,
  type PublishFailure,
  QueueNotFoundError,
  TopologyMismatchError,
} from '../util/index.ts';
import { notThere } from './declarations.ts';
import { routedQueues } from './routing.ts';
import type {
  Broker,
  ExchangeDeclaration,
  ExchangeType,
  Outgoing,
  QueueDeclaration,
  SubscribeOptions,
  Topology,
} from './seam.ts';
import type { QueueEntry, QueueStore, StoredBinding } from './store.ts';
import { VirtualSubscription } from './subscription.ts';

/** A published batch, cut into copies for queues. */
interface Routed {
  readonly entries: readonly QueueEntry[];
  /** For each entry the position of its message in the published batch. */
  readonly origins: readonly number[];
  readonly broadcasts: readonly Outgoing[];
  readonly failures: readonly PublishFailure[];
}

const NONE: readonly never[] = [];
const TRANSIENT = 1;
const MAX_AUDIENCES = 1000;
/** How long broadcasts that go with a transaction may take (ms). */
const BROADCAST_MS = 10_000;

/** The usual case: every message goes straight to its queue, and no table needs to be asked. */
function straight(messages: readonly Outgoing[]): readonly QueueEntry[] | undefined {
  if (messages.some(({ exchange }) => exchange !== '')) return undefined;
  return messages.map((message) => ({ queue: message.routingKey, message }));
}

/** Makes a broker of a store. Nothing is opened before the first call. */
export function virtualBroker(store: QueueStore): Broker {
  const virtual = new VirtualBroker(store);
  const { jointPush } = store;
  return {
    name: store.name,
    url: store.url,
    features: store.features,
    ...(store.database === undefined ? {} : { database: store.database }),
    get trouble() {
      return store.trouble;
    },
    ...(jointPush === undefined
      ? {}
      : {
          jointPublish: async (messages) => {
            const { entries, broadcasts, failures } = await virtual.route(messages);
            if (failures.length > 0) throw publishError(failures, messages.length);
            await virtual.tellAll(messages, broadcasts);
            return jointPush.call(store, entries);
          },
        }),
    declare: (topology) => virtual.declare(topology),
    publish: (messages, options) => virtual.publish(messages, options.signal),
    audience: (exchange, routingKey) => virtual.audience(exchange, routingKey),
    subscribe: (queues, options) => virtual.subscribe(queues, options),
    count: (queue) => store.count(queue),
    peek: (queue, limit) => store.peek(queue, limit),
    purge: (queue) => store.purge(queue),
    remove: (queue) => virtual.remove(queue),
    bindings: () => store.allBindings(),
    waiting: store.waiting,
    pause: (queues) => store.pause(queues),
    resume: (queues) => store.resume(queues),
    paused: (queues) => store.paused(queues),
    ...(store.leaseRenewed === undefined ? {} : { leaseRenewed: () => store.leaseRenewed?.() }),
    ...(store.watchLoop === undefined ? {} : { watchLoop: (view: SharedArrayBuffer) => store.watchLoop?.(view) }),
    check: (signal) => store.check(signal),
    [Symbol.asyncDispose]: () => virtual.dispose(),
  };
}

class VirtualBroker {
  readonly #store: QueueStore;
  readonly #exchanges = new Map<string, ExchangeType>();
  readonly #queues = new Map<string, QueueDeclaration>();
  readonly #bindings = new Map<string, StoredBinding>();
  readonly #subscriptions = new Set<VirtualSubscription>();
  /** How many the last news under a key reached. */
  readonly #audiences = new Map<string, number | undefined>();
  #generation = 0;
  /** The line was lost since the last declaration, and with it perhaps the queues: declare them again first. */
  #stale = false;

  constructor(store: QueueStore) {
    this.#store = store;
  }

  async declare(topology: Topology): Promise<void> {
    for (const exchange of topology.exchanges) {
      if (exchange.passive === true) await this.#findExchange(exchange);
      else this.#rememberExchange(exchange.name, exchange.type);
    }
    const bindings = topology.bindings
      .filter((binding) => binding.exchange !== '')
      .map((binding) => ({ ...binding, type: this.#exchanges.get(binding.exchange) ?? 'direct' }));
    if (topology.queues.length > 0) await this.#store.declareQueues(topology.queues);
    if (bindings.length > 0) await this.#store.bind(bindings);
    for (const queue of topology.queues) if (queue.passive !== true) this.#queues.set(queue.name, queue);
    for (const binding of bindings) this.#bindings.set(`${binding.exchange}\0${binding.routingKey}\0${binding.queue}`, binding);
  }

  /** Stores keep bindings, so an exchange is there when something is bound to it, or when it was declared here. */
  async #findExchange({ name, type }: ExchangeDeclaration): Promise<void> {
    if (this.#exchanges.has(name)) return;
    const [bound] = await this.#store.bindings(name);
    if (bound === undefined) throw notThere(`Exchange "${name}"`);
    // Redis does not keep whether an exchange is direct or fanout: what is declared here must say it.
    this.#exchanges.set(name, bound.type === 'direct' ? type : bound.type);
  }

  #rememberExchange(name: string, type: ExchangeType): void {
    const known = this.#exchanges.get(name);
    if (known !== undefined && known !== type) {
      throw new TopologyMismatchError(
        `Exchange "${name}" was declared as ${known} and now as ${type}. Give one of them another name.`,
      );
    }
    this.#exchanges.set(name, type);
  }

  async #replay(): Promise<void> {
    if (!this.#stale) return;
    if (this.#queues.size > 0) await this.#store.declareQueues([...this.#queues.values()]);
    if (this.#bindings.size > 0) await this.#store.bind([...this.#bindings.values()]);
    this.#stale = false;
  }

  publish(messages: readonly Outgoing[], signal: AbortSignal): Promise<void> {
    const entries = this.#stale || signal.aborted ? undefined : straight(messages);
    if (entries === undefined) return this.#publishRouted(messages, signal);
    return this.#store.push(entries, signal).catch((error: unknown) => {
      const origins = messages.map((_, index) => index);
      throw publishError(this.#failures(error, origins), messages.length);
    });
  }

  async #publishRouted(messages: readonly Outgoing[], signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw failed(messages.length, 'no', signal.reason);
    let routed: Routed;
    try {
      if (this.#stale) await this.#replay();
      routed = await this.route(messages);
    } catch (error) {
      this.#noticeLoss(error);
      throw failed(messages.length, 'no', error);
    }
    const pushed = routed.entries.length > 0 ? await this.#push(routed, signal) : NONE;
    const told = routed.broadcasts.length > 0 ? await this.#broadcast(messages, routed.broadcasts, signal) : NONE;
    const failures = routed.failures.length + pushed.length + told.length;
    if (failures > 0) throw publishError([...routed.failures, ...pushed, ...told], messages.length);
  }

  async #push(routed: Routed, signal: AbortSignal): Promise<readonly PublishFailure[]> {
    try {
      await this.#store.push(routed.entries, signal);
      return NONE;
    } catch (error) {
      return this.#failures(error, routed.origins);
    }
  }

  /** What goes to all is part of no transaction: it goes before, so that a death in between repeats it and does not lose it. */
  async tellAll(messages: readonly Outgoing[], broadcasts: readonly Outgoing[]): Promise<void> {
    if (broadcasts.length === 0) return;
    const failures = await this.#broadcast(messages, broadcasts, AbortSignal.timeout(BROADCAST_MS));
    if (failures.length > 0) throw publishError(failures, messages.length);
  }

  async #broadcast(
    messages: readonly Outgoing[],
    broadcasts: readonly Outgoing[],
    signal: AbortSignal,
  ): Promise<readonly PublishFailure[]> {
    try {
      const counts = await this.#store.broadcast?.(broadcasts, signal);
      for (const [index, message] of broadcasts.entries()) this.#heard(message, counts?.[index]);
      return [];
    } catch (error) {
      return this.#failures(
        error,
        broadcasts.map((message) => messages.indexOf(message)),
      );
    }
  }

  #heard({ exchange, routingKey }: Outgoing, count: number | undefined): void {
    const key = `${exchange}\0${routingKey}`;
    // News have few keys; whoever makes them up as they go shall not fill the memory.
    if (this.#audiences.size >= MAX_AUDIENCES && !this.#audiences.has(key)) this.#audiences.clear();
    this.#audiences.set(key, count);
  }

  audience(exchange: string, routingKey: string): number | undefined {
    return this.#audiences.get(`${exchange}\0${routingKey}`);
  }

  /** What the store says of entries, said of messages: one failure per message, `unknown` when a copy of it may be stored. */
  #failures(error: unknown, origins: readonly number[]): readonly PublishFailure[] {
    this.#noticeLoss(error);
    const stored = error instanceof BrokerFullError ? 'no' : 'unknown';
    const raw =
      error instanceof PublishError
        ? error.failures
        : origins.map((_, index): PublishFailure => ({ index, stored, cause: error }));
    const byMessage = new Map<number, PublishFailure>();
    for (const failure of raw) {
      const index = origins[failure.index] ?? failure.index;
      this.#noticeLoss(failure.cause);
      if (byMessage.get(index)?.stored !== 'unknown') byMessage.set(index, { ...failure, index });
    }
    return [...byMessage.values()];
  }

  #noticeLoss(error: unknown): void {
    if (error instanceof BrokerConnectionError) this.#stale = true;
  }

  async route(messages: readonly Outgoing[]): Promise<Routed> {
    const entries: QueueEntry[] = [];
    const origins: number[] = [];
    const broadcasts: Outgoing[] = [];
    const failures: PublishFailure[] = [];
    const tables = new Map<string, readonly StoredBinding[]>();
    for (const [index, message] of messages.entries()) {
      if (message.exchange === '') {
        entries.push({ queue: message.routingKey, message });
        origins.push(index);
        continue;
      }
      const isFanout = this.#exchanges.get(message.exchange) === 'fanout';
      if (isFanout && this.#store.broadcast !== undefined) {
        broadcasts.push(message);
        continue;
      }
      const table = tables.get(message.exchange) ?? (await this.#store.bindings(message.exchange));
      tables.set(message.exchange, table);
      const queues = routedQueues(table, message.routingKey);
      for (const queue of queues) {
        entries.push({ queue, message });
        origins.push(index);
      }
      // Nobody listens to a broadcast, or watches a topic whose news are transient: that is no mistake of the sender.
      const isNews: boolean = message.properties.deliveryMode === TRANSIENT && this.#exchanges.get(message.exchange) === 'topic';
      const mayVanish = isFanout || isNews;
      if (mayVanish) this.#heard(message, queues.length);
      if (queues.length === 0 && !mayVanish) failures.push({ index, stored: 'no', cause: noQueue(message) });
    }
    return { entries, origins, broadcasts, failures };
  }

  async subscribe(queues: readonly string[], options: SubscribeOptions): Promise<VirtualSubscription> {
    options.signal?.throwIfAborted();
    await this.#replay();
    const generation = ++this.#generation;
    const holder = await this.#store.hold({ node: options.node, generation, queues, noAck: options.noAck === true });
    const subscription = new VirtualSubscription({
      holder,
      generation,
      prefetch: options.noAck === true ? Number.POSITIVE_INFINITY : options.prefetch,
      noAck: options.noAck === true,
      isFanout: (queue) => this.#isFanoutQueue(queue),
      released: (queue) => this.#released(queue),
      ended: (error) => {
        if (error !== undefined) this.#stale = true;
        // One that lost its line still has a holder to close: the broker's end does it if nobody did.
        else this.#subscriptions.delete(subscription);
        options.signal?.removeEventListener('abort', cancel);
      },
    });
    const cancel = (): void => void subscription.cancel().catch(() => undefined);
    this.#subscriptions.add(subscription);
    try {
      for (const queue of queues) await subscription.add(queue);
    } catch (error) {
      await subscription[Symbol.asyncDispose]();
      throw error;
    }
    options.signal?.addEventListener('abort', cancel, { once: true });
    if (options.signal?.aborted === true) cancel();
    return subscription;
  }

  #isFanoutQueue(queue: string): boolean {
    for (const binding of this.#bindings.values()) if (binding.queue === queue && binding.type === 'fanout') return true;
    return false;
  }

  /** A queue that is deleted with its consumers goes with the last of them. */
  async #released(queue: string): Promise<void> {
    const declared = this.#queues.get(queue);
    if (declared?.autoDelete !== true && declared?.exclusive !== true) return;
    for (const subscription of this.#subscriptions) if (subscription.watches(queue)) return;
    if (await this.#store.isWatched?.(queue)) return;
    await this.remove(queue);
  }

  async remove(queue: string): Promise<void> {
    this.#queues.delete(queue);
    for (const [key, binding] of this.#bindings) if (binding.queue === queue) this.#bindings.delete(key);
    await this.#store.remove(queue);
  }

  async dispose(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription[Symbol.asyncDispose]()));
    await this.#store[Symbol.asyncDispose]();
  }
}

function noQueue(message: Outgoing): QueueNotFoundError {
  return new QueueNotFoundError(
    `No queue takes routing key "${message.routingKey}" of exchange "${message.exchange}". Declare and bind one before publishing.`,
  );
}

function failed(count: number, stored: 'no' | 'unknown', cause: unknown): PublishError {
  const failures = Array.from({ length: count }, (_, index): PublishFailure => ({ index, stored, cause }));
  return publishError(failures, count);
}

function publishError(failures: readonly PublishFailure[], total: number): PublishError {
  const cause = failures[0]?.cause;
  const transient = failures.some((failure) => !(failure.cause instanceof QueueNotFoundError));
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new PublishError(`${failures.length} of ${total} messages were not published: ${reason}`, failures, {
    cause,
    transient,
  });
}
