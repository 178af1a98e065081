// The RabbitMQ driver. One connection publishes, declares and looks (it reconnects by itself until the caller's deadline);
// each subscription has a connection of its own, and whoever iterates it subscribes again when it is lost.
import {
  type AmqpConnection,
  type AmqpOptions,
  type AmqpPublisher,
  type AmqpPulse,
  BrokerError,
  blockedError,
  ConfigurationError,
  connectAmqp,
  createAmqpPublisher,
  createAmqpPulse,
  deadline,
  orAborted,
  readOptionNames,
  redactUrl,
  type TransportNames,
} from '../util/index.ts';
import type { DelayedQueueType } from './amqp/delayed.ts';
import { toRepeat } from './amqp/letters.ts';
import { countQueue, peekQueue, purgeQueue, removeQueue } from './amqp/look.ts';
import { createOutbox, type Outbox } from './amqp/outbox.ts';
import { pausedQueues, pauseQueues, resumeQueues } from './amqp/pauses.ts';
import { StartsMemory } from './amqp/starts.ts';
import { AmqpSubscription } from './amqp/subscription.ts';
import { declareTopology, TopologyMemory, withoutExclusive } from './amqp/topology.ts';
import { deadLetterDeclaration } from './dead-letters.ts';
import type { Broker, BrokerFeatures, BrokerOptions, Message, Outgoing, QueueCount, SubscribeOptions, Topology } from './seam.ts';

/**
 * Seconds: where no thread can write heartbeats (TLS, Windows), a task that blocks the event loop for so long does not cost the connection.
 * The worker notices silence by asking, see `probe`; RabbitMQ notices a dead machine only after twice to three times as long.
 */
const BLOCKED_LOOP_HEARTBEAT = 600;
/** RabbitMQ gives a silent line up after two to three of the heartbeats agreed on: within two of ours. */
const AGREED = 2 / 3;
/** RabbitMQ's "not implemented", which is what it says of a limit for the whole channel on a queue that knows none. */
const NOT_IMPLEMENTED = /\b540\b|global.?qos/i;

/** The settings of brokerTransportOptions that this driver reads. */
interface TransportOptions {
  /** Type of the queues of the delay levels. @default 'quorum' */
  readonly delayedQueueType: DelayedQueueType;
  /** Hold messages with a due time in RabbitMQ. @default true */
  readonly delayedDelivery: boolean;
}

/** Confirms are always on, and a deadline of ours bounds every read and write. */
const OPTION_NAMES: TransportNames = {
  names: ['nativeDelayedDeliveryQueueType', 'delayedDelivery'],
  ignored: ['confirmPublish', 'readTimeout', 'writeTimeout'],
};

function readTransportOptions(given: Readonly<Record<string, unknown>>): TransportOptions {
  const options = readOptionNames('RabbitMQ', given, OPTION_NAMES);
  const { nativeDelayedDeliveryQueueType: type = 'quorum', delayedDelivery = true } = options;
  if (type !== 'quorum' && type !== 'classic')
    throw new ConfigurationError(
      `The transport option 'nativeDelayedDeliveryQueueType' is ${text(type)}; it must be 'quorum' or 'classic'.`,
    );
  if (typeof delayedDelivery !== 'boolean')
    throw new ConfigurationError(`The transport option 'delayedDelivery' is ${text(delayedDelivery)}; it must be true or false.`);
  return { delayedQueueType: type, delayedDelivery };
}

const text = (value: unknown): string => JSON.stringify(value);

class AmqpBroker implements Broker {
  readonly name = 'amqp';
  readonly url: string;
  readonly features: BrokerFeatures;
  readonly #options: BrokerOptions;
  readonly #memory = new TopologyMemory();
  readonly #publisher: AmqpPublisher;
  readonly #outbox: Outbox;
  readonly #pulse: AmqpPulse = createAmqpPulse();
  readonly #subscriptions = new Set<AmqpSubscription>();
  readonly #starts = new StartsMemory();
  readonly #delays: boolean;
  #generation = 0;
  /** Queues that refused a limit for the whole channel, whatever their declaration says. */
  #isGlobalRefused = false;
  #closing: Promise<void> | undefined;

  constructor(options: BrokerOptions) {
    const transport = readTransportOptions(options.transportOptions);
    this.url = redactUrl(options.url);
    this.#options = options;
    this.#delays = transport.delayedDelivery;
    const delays = (): boolean => this.#delays && this.#outbox.holds;
    this.features = {
      priorities: true,
      priorityOrder: 'highest-first',
      get delay() {
        return delays();
      },
      fanout: true,
      autoDelete: true,
      eventExchange: 'topic',
      persistent: true,
    };
    this.#publisher = createAmqpPublisher({
      connect: () => connectAmqp({ ...this.#connectOptions('publish', options.heartbeat), probe: options.heartbeat }),
      prepare: (connection, isFirst) => this.#replay(connection, isFirst),
      repeat: toRepeat,
    });
    const { delayedQueueType } = transport;
    this.#outbox = createOutbox({ publisher: this.#publisher, memory: this.#memory, delayedQueueType });
  }

  #connectOptions(purpose: string, heartbeat: number): AmqpOptions {
    const { url, connectTimeout, tls, appName } = this.#options;
    return { url, connectTimeout, tls, heartbeat, name: `lovage ${appName} ${purpose}` };
  }

  /** After a restart of the server its transient queues are gone. A mismatch was told when it was declared first. */
  async #replay(connection: AmqpConnection, isFirst: boolean): Promise<void> {
    if (!isFirst)
      await declareTopology(connection, this.#memory.shared()).catch((error: unknown) => this.#onlyLost(connection, error));
  }

  #onlyLost(connection: AmqpConnection, error: unknown): void {
    if (!connection.isOpen) throw error;
  }

  get trouble(): Error | undefined {
    return this.#publisher.trouble;
  }

  /**
   * Runs on the publishing connection, which is opened in `connectTimeout`, or while an alarm blocks that on one of its own. `repeatable`: what
   * is under way when that happens is done there once more.
   */
  async #use<Out>(work: (connection: AmqpConnection) => Promise<Out>, repeatable?: 'repeatable'): Promise<Out> {
    const { connectTimeout } = this.#options;
    const late = (): Error =>
      new BrokerError(`RabbitMQ at ${this.url} did not answer within ${connectTimeout} s.`, { transient: true });
    using limit = deadline(connectTimeout, late, undefined, { ref: true });
    return await this.#on(await this.#publisher.connection(limit.signal), work, repeatable);
  }

  async #on<Out>(
    connection: AmqpConnection,
    work: (connection: AmqpConnection) => Promise<Out>,
    repeatable?: 'repeatable',
  ): Promise<Out> {
    if (connection.blocked === undefined) {
      const doing = work(connection);
      if (repeatable === undefined || (await endsUnblocked(connection, doing))) return await doing;
      doing.catch(() => undefined);
    }
    // RabbitMQ reads nothing more from a line that publishes during an alarm. Workers that go on are what ends an alarm.
    await using other = await connectAmqp(this.#connectOptions('declare', this.#options.heartbeat));
    return await work(other);
  }

  async declare(topology: Topology): Promise<void> {
    // Remembered first: a line that breaks meanwhile declares it when it is back.
    const forget = this.#memory.remember(topology);
    await this.#use((connection) => declareTopology(connection, withoutExclusive(topology), forget), 'repeatable');
  }

  publish(messages: readonly Outgoing[], { signal }: { readonly signal: AbortSignal }): Promise<void> {
    const plain = this.#delays ? messages : messages.map(({ dueAt: _, ...message }) => message);
    return this.#outbox.send(plain, signal);
  }

  audience(exchange: string, routingKey: string): 0 | undefined {
    return this.#outbox.audience(exchange, routingKey);
  }

  async subscribe(queues: readonly string[], options: SubscribeOptions): Promise<AmqpSubscription> {
    this.#refuseClosed();
    try {
      return await this.#subscribe(queues, options);
    } catch (error) {
      // Quorum by the vhost's default: nothing in the declaration says so.
      if (this.#isGlobalRefused || !(error instanceof Error) || !NOT_IMPLEMENTED.test(error.message)) throw error;
      this.#isGlobalRefused = true;
      return await this.#subscribe(queues, options);
    }
  }

  async #subscribe(queues: readonly string[], options: SubscribeOptions): Promise<AmqpSubscription> {
    const connection = await this.#connectSubscriber(options);
    const release = connection.busy();
    try {
      await declareTopology(connection, this.#memory.of(queues));
      const subscription = new AmqpSubscription({
        connection,
        channel: await connection.channel(),
        generation: ++this.#generation,
        subscribe: options,
        isGlobal: this.#mayLimitChannel(connection) && queues.every((queue) => this.#bearsGlobal(queue)),
        memory: this.#memory,
        deadLetters: this.#options.deadLetters,
        bearsGlobal: (queue) => this.#bearsGlobal(queue),
        send: (messages, signal) => this.#outbox.send(messages, signal),
        declareDead: (queue) => this.#declareDead(queue),
        startsMemory: this.#starts,
        ended: () => this.#subscriptions.delete(subscription),
      });
      await subscription.start(queues);
      // Whoever closes the broker closes the subscriptions that it knows.
      this.#refuseClosed();
      this.#subscriptions.add(subscription);
      return subscription;
    } catch (error) {
      // A refusal that closes the connection is explained there; its channels only know that they ended.
      const reason = connection.isOpen ? undefined : await connection.closed;
      await connection[Symbol.asyncDispose]();
      throw reason ?? error;
    } finally {
      release();
    }
  }

  async #connectSubscriber(options: SubscribeOptions): Promise<AmqpConnection> {
    const { heartbeat } = this.#options;
    const agreed = heartbeat === 0 ? 0 : Math.max(1, Math.floor(heartbeat * AGREED));
    const pulse = { of: this.#pulse, blockedHeartbeat: heartbeat === 0 ? 0 : Math.max(heartbeat, BLOCKED_LOOP_HEARTBEAT) };
    const opening = connectAmqp({ ...this.#connectOptions(options.node, agreed), probe: heartbeat, pulse });
    try {
      return await orAborted(opening, options.signal);
    } catch (error) {
      opening.then((connection) => connection[Symbol.asyncDispose]()).catch(() => undefined);
      throw error;
    }
  }

  #mayLimitChannel({ version: [major, minor] }: AmqpConnection): boolean {
    return !this.#isGlobalRefused && (major === 3 ? minor >= 3 : false);
  }

  #bearsGlobal(queue: string): boolean {
    const type = this.#memory.queue(queue)?.arguments['x-queue-type'];
    return !this.#isGlobalRefused && (type === undefined || type === 'classic');
  }

  async #declareDead(name: string): Promise<void> {
    const queue = deadLetterDeclaration(name, this.#options.deadLetters);
    await this.#use((connection) => declareTopology(connection, { exchanges: [], queues: [queue], bindings: [] }), 'repeatable');
  }

  #refuseClosed(): void {
    if (this.#closing !== undefined) throw new BrokerError('This broker was closed by the program.');
  }

  count(queue: string): Promise<QueueCount | undefined> {
    return this.#use((connection) => countQueue(connection, queue), 'repeatable');
  }

  peek(queue: string, limit: number): Promise<readonly Message[]> {
    return this.#use((connection) =>
      peekQueue(connection, queue, limit, (messages, signal) => this.#outbox.send(messages, signal)),
    );
  }

  purge(queue: string): Promise<number> {
    return this.#use((connection) => purgeQueue(connection, queue));
  }

  async remove(queue: string): Promise<void> {
    this.#memory.forget(queue);
    await this.#use((connection) => removeQueue(connection, queue), 'repeatable');
    this.#outbox.forgetWays();
  }

  pause(queues: readonly string[]): Promise<void> {
    return this.#use((connection) => pauseQueues(connection, queues), 'repeatable');
  }

  resume(queues: readonly string[]): Promise<void> {
    return this.#use((connection) => resumeQueues(connection, queues), 'repeatable');
  }

  paused(queues: readonly string[]): Promise<readonly string[]> {
    return this.#use((connection) => pausedQueues(connection, queues, (messages, signal) => this.#outbox.send(messages, signal)));
  }

  watchLoop(view: SharedArrayBuffer): void {
    this.#pulse.watchLoop(view);
  }

  async check(signal: AbortSignal, purpose?: 'publish'): Promise<void> {
    const connection = await this.#publisher.connection(signal);
    if (purpose === 'publish' && connection.blocked !== undefined) throw blockedError(connection.blocked, undefined);
    // Workers that go on are what ends an alarm, so they ask past it.
    await orAborted(this.#on(connection, ping, 'repeatable'), signal);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    // Subscriptions first: what they give back goes through the publisher.
    const subscriptions = [...this.#subscriptions];
    await Promise.all(subscriptions.map((subscription) => subscription.release()));
    // A server that says nothing is waited for once, not once for each line.
    await Promise.all([...subscriptions, this.#publisher].map((line) => line[Symbol.asyncDispose]()));
    await this.#pulse[Symbol.asyncDispose]();
  }
}

/** Resolves when the server has answered. */
async function ping(connection: AmqpConnection): Promise<void> {
  const release = connection.busy();
  try {
    const channel = await connection.channel();
    await channel.close();
  } finally {
    release();
  }
}

/** Is it over before an alarm blocks the connection? */
async function endsUnblocked(connection: AmqpConnection, work: Promise<unknown>): Promise<boolean> {
  const over = new AbortController();
  const ended = work.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([ended, connection.untilBlocked(over.signal).then(() => false)]);
  } finally {
    over.abort();
  }
}

/** Opens nothing yet; the first call connects. */
export function open(options: BrokerOptions): Broker {
  return new AmqpBroker(options);
}
