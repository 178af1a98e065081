// A subscription on RabbitMQ: a connection and a channel of its own, so that alarms that block publishers do not block acks.
//
// A delivery:  RabbitMQ → held → (came before? a copy with its count goes to the queue, confirmed, and this one is acked) → ready → iterator
// A start:     of what came before: its ticket is spent first (tickets.ts), so that a death of it is counted
// A verdict:   ack, reject: written at once, joined · requeue, deadLetter, park: a copy is published, confirmed, then the original is acked
// The end:     cancelled by us: the iterator ends · line or consumer lost: it throws once · disposed: what is held is given back uncounted
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  type AmqpChannel,
  type AmqpConnection,
  type AmqpDelivery,
  BrokerConnectionError,
  BrokerError,
  deadline,
  logger,
  orAborted,
  PublishError,
  QueueNotFoundError,
  sleep,
} from '../../util/index.ts';
import { type DeadLetterSettlement, deadLetterDeclaration } from '../dead-letters.ts';
import type { DeadLetterPolicy, Delivery, Outgoing, Settlement, SubscribeOptions, Subscription } from '../seam.ts';
import { Consumers } from './consumers.ts';
import { HeldDeliveries, type HeldDelivery } from './held.ts';
import { copyOf, deadCopy, parkedCopy, toDelivery } from './letters.ts';
import { recounted, spend, ticketOf } from './tickets.ts';
import { declareTopology, explain, type TopologyMemory } from './topology.ts';

/** Seconds in which a copy has to be confirmed; else the original goes back to the queue as it is. */
const COPY_TIMEOUT = 30;
/** Seconds before another try to write down that a message came again. */
const RECOUNT_AGAIN = 1;
/** Seconds in which a ticket has to be spent. */
const TICKET_TIMEOUT = 10;
/** Seconds for giving back at the end; the server gives back what this cannot. */
const DISPOSE_TIMEOUT = 5;
/** Seconds of a look whether something came, how many in a row have to be in vain, and how many there are at most. */
const STILL = { seconds: 0.025, rounds: 2, most: 40 };
const NONE: readonly Delivery[] = [];
const END: Next = { done: true, value: undefined };

const log = logger('broker', 'amqp');

export interface AmqpSubscriptionOptions {
  readonly connection: AmqpConnection;
  readonly channel: AmqpChannel;
  readonly generation: number;
  readonly subscribe: SubscribeOptions;
  /** One limit for the whole channel? */
  readonly isGlobal: boolean;
  readonly memory: TopologyMemory;
  readonly deadLetters: DeadLetterPolicy;
  /** Does this queue bear a limit for the whole channel? */
  readonly bearsGlobal: (queue: string) => boolean;
  readonly send: (messages: readonly Outgoing[], signal: AbortSignal) => Promise<void>;
  /** Declares a queue on the publishing connection. */
  readonly declareDead: (queue: string) => Promise<void>;
  /** Tickets of messages that did not start: those of all subscriptions of the broker, since a message comes again to the next one. */
  readonly inVain: Set<string>;
  readonly ended: () => void;
}

type Copied = Extract<Settlement, { readonly verdict: 'requeue' | 'deadLetter' | 'park' }>;

interface Copy {
  readonly held: HeldDelivery;
  readonly settlement: Copied;
}

type Next = IteratorResult<readonly Delivery[], undefined>;

/** Somebody who waits for a batch; the wait keeps the process alive. */
interface Demand {
  readonly resolve: (result: Next) => void;
  readonly reject: (error: unknown) => void;
  readonly release: () => void;
}

function outgoing(settlement: Copied): Outgoing {
  const { delivery } = settlement;
  if (settlement.verdict === 'deadLetter') return deadCopy(settlement);
  if (settlement.verdict === 'requeue') return copyOf(delivery, settlement.counted ? delivery.attempts + 1 : delivery.attempts);
  // RabbitMQ holds whole seconds. Nothing shorter than one is parked: it would come back at once, again and again.
  return { ...parkedCopy(delivery), dueAt: Math.max(settlement.until, Date.now() / 1000 + 1) };
}

/** Which of a batch were not taken, and why; empty when all were. */
async function sendAll(
  send: AmqpSubscriptionOptions['send'],
  messages: readonly Outgoing[],
  signal: AbortSignal,
): Promise<ReadonlyMap<number, unknown>> {
  try {
    await send(messages, signal);
    return new Map();
  } catch (error) {
    if (error instanceof PublishError) return new Map(error.failures.map(({ index, cause }) => [index, cause]));
    return new Map(messages.map((_, index) => [index, error]));
  }
}

export class AmqpSubscription implements Subscription {
  readonly #options: AmqpSubscriptionOptions;
  readonly #channel: AmqpChannel;
  readonly #held = new HeldDeliveries();
  readonly #consumers: Consumers;
  readonly #noAck: boolean;
  readonly #ends = new AbortController();
  readonly #pending = new Set<Promise<unknown>>();
  #ready: Delivery[] = [];
  #again: HeldDelivery[] = [];
  #limit: number;
  #demand: Demand | undefined;
  #isHandingOut = false;
  /** The limit was lowered to what is held, where RabbitMQ counts per consumer: no consumer takes until it is less. */
  #isPaused = false;
  /** Deliveries so far. */
  #received = 0;
  /** Resolves when verdicts may be written again. */
  #still: Promise<void> | undefined;
  /** Tickets of what has been started here and has not ended. */
  readonly #spent = new Set<string>();
  #isLineOpen = true;
  #isCancelled = false;
  #error: BrokerConnectionError | undefined;
  #isErrorTold = false;
  #releasing: Promise<void> | undefined;
  #disposing: Promise<void> | undefined;

  constructor(options: AmqpSubscriptionOptions) {
    this.#options = options;
    this.#channel = options.channel;
    this.#noAck = options.subscribe.noAck === true;
    this.#limit = options.subscribe.prefetch;
    this.#consumers = new Consumers(
      {
        channel: options.channel,
        noAck: this.#noAck,
        receive: (queue, message) => this.#receive(queue, message),
        held: (queue) => this.#held.countOf(queue),
        failed: (error) => this.#fail(explain('A change of consumers', error)),
        whenStill: (cancelling) => this.#whenStill(cancelling),
        livesByConsumer: (queue) => options.memory.queue(queue)?.autoDelete === true,
        argumentsOf: (queue) => options.memory.queue(queue)?.consumerArguments,
      },
      this.#limit,
      options.isGlobal,
    );
    this.#watchLine();
  }

  get lastHeard(): number {
    return this.#options.connection.lastHeard;
  }

  #watchLine(): void {
    const { channel, connection } = this.#options;
    let said: unknown;
    channel.on('error', (error: Error) => {
      said ??= error;
    });
    channel.once('close', () => {
      this.#isLineOpen = false;
      // The connection knows more than its channels; when it lives, the channel was closed for a reason of its own.
      if (connection.isOpen && said !== undefined) this.#fail(explain('The subscription', said));
    });
    void connection.closed.then((error) => {
      this.#isLineOpen = false;
      this.#fail(error ?? new BrokerConnectionError(`The connection to RabbitMQ at ${connection.url} was closed.`));
    });
  }

  /** Begins to consume. Throws QueueNotFoundError. */
  async start(queues: readonly string[]): Promise<void> {
    await this.#starting(queues, this.#consumers.start(queues));
    const { signal } = this.#options.subscribe;
    signal?.addEventListener('abort', () => void this.cancel().catch(() => undefined), { once: true });
  }

  async #starting(queues: readonly string[], step: Promise<void>): Promise<void> {
    const release = this.#options.connection.busy();
    try {
      await step;
    } catch (error) {
      throw explain(`The queue ${queues.map((queue) => `"${queue}"`).join(', ')}`, error);
    } finally {
      release();
    }
  }

  // --- deliveries ---

  #receive(queue: string, message: AmqpDelivery | null): void {
    if (message === null) {
      this.#fail(
        new BrokerConnectionError(
          `RabbitMQ ended the consumer of the queue "${queue}": the queue was deleted, or moved to another node.`,
        ),
      );
      return;
    }
    this.#received++;
    const delivery = toDelivery(message, queue, this.#options.generation);
    if (this.#noAck) this.#ready.push(delivery);
    else this.#hold(delivery, message);
    this.#handOut();
  }

  #hold(delivery: Delivery, { fields }: AmqpDelivery): void {
    const held = this.#held.add(fields.deliveryTag, delivery);
    this.#consumers.noteUse(delivery.queue);
    if (!fields.redelivered) this.#ready.push(delivery);
    else if (this.#again.push(held) === 1) setImmediate(() => this.#track(this.#recount()));
  }

  /** RabbitMQ does not count starts, so what came again goes to the queue once more with its count; that copy may run. */
  async #recount(): Promise<void> {
    const again = this.#again;
    this.#again = [];
    for (const held of again) held.isSettling = true;
    const copies = await recounted(
      this.#options.connection,
      again.map(({ delivery }) => delivery),
      this.#options.inVain,
    );
    let open = again.map((held, index) => ({ held, copy: copies[index] ?? copyOf(held.delivery, held.delivery.attempts) }));
    while (open.length > 0 && this.#isLineOpen) {
      const failures = await this.#send(open.map(({ copy }) => copy));
      // Without its queue a message has nowhere to go: the deletion took it.
      const done = open.filter((_, index) => !failures.has(index) || failures.get(index) instanceof QueueNotFoundError);
      await this.#still;
      const acks = done.map(({ held }) => held);
      if (this.#isLineOpen) this.#held.ack(this.#channel, acks);
      open = open.filter(({ held }) => !acks.includes(held));
      if (open.length === 0) return;
      log.warn('{count} redelivered messages wait to be counted: {error}', {
        count: open.length,
        error: [...failures.values()][0],
      });
      await sleep(RECOUNT_AGAIN, this.#ends.signal, { ref: false });
    }
  }

  async #send(messages: readonly Outgoing[]): Promise<ReadonlyMap<number, unknown>> {
    const late = (): Error => new BrokerError(`RabbitMQ did not confirm within ${COPY_TIMEOUT} s.`, { transient: true });
    using limit = deadline(COPY_TIMEOUT, late, this.#ends.signal);
    return await sendAll(this.#options.send, messages, limit.signal);
  }

  /** Remembers work under way, so that the end can wait for it. */
  #track(work: Promise<unknown>): void {
    const quiet = work.catch((error: unknown) => {
      if (!this.#ends.signal.aborted) log.warn('A copy could not be written: {error}', { error });
    });
    this.#pending.add(quiet);
    void quiet.then(() => this.#pending.delete(quiet));
  }

  // --- iteration ---

  [Symbol.asyncIterator](): AsyncIterator<readonly Delivery[], undefined> {
    return { next: () => this.#next() };
  }

  #next(): Promise<Next> {
    const batch = this.#takeReady();
    if (batch.length > 0) return Promise.resolve({ done: false, value: batch });
    if (this.#error !== undefined && !this.#isErrorTold) {
      this.#isErrorTold = true;
      return Promise.reject(this.#error);
    }
    if (this.#error !== undefined || this.#isCancelled) return Promise.resolve(END);
    if (this.#demand !== undefined)
      return Promise.reject(new BrokerError('Two loops iterate over one subscription. Use one subscription each.'));
    return new Promise((resolve, reject) => {
      this.#demand = { resolve, reject, release: this.#options.connection.busy() };
    });
  }

  /** What is ready, up to the free slots: with a limit for each consumer RabbitMQ may send a few more. */
  #takeReady(): readonly Delivery[] {
    if (this.#noAck) return this.#ready.splice(0);
    const batch = this.#ready.splice(0, Math.max(0, this.#limit - this.#held.out));
    for (const delivery of batch) {
      const held = this.#held.find(delivery);
      if (held !== undefined) held.isOut = true;
    }
    this.#held.out += batch.length;
    return batch;
  }

  /** Answers who waits, if somebody does. */
  #answer(how: (demand: Demand) => void): boolean {
    const demand = this.#demand;
    if (demand === undefined) return false;
    this.#demand = undefined;
    demand.release();
    how(demand);
    return true;
  }

  /** Behind this turn's frames, so that one read of the socket becomes one batch. */
  #handOut(): void {
    if (this.#isHandingOut || this.#demand === undefined) return;
    this.#isHandingOut = true;
    queueMicrotask(() => {
      this.#isHandingOut = false;
      const batch = this.#demand === undefined ? NONE : this.#takeReady();
      if (batch.length > 0) this.#answer((demand) => demand.resolve({ done: false, value: batch }));
    });
  }

  // --- starts ---

  async starting(delivery: Delivery): Promise<void> {
    const ticket = ticketOf(delivery);
    if (ticket === undefined || delivery.generation !== this.#options.generation) return;
    try {
      using limit = deadline(TICKET_TIMEOUT, () => new BrokerError('RabbitMQ does not answer.'), this.#ends.signal);
      await orAborted(spend(this.#options.connection, [ticket]), limit.signal);
      this.#spent.add(ticket);
    } catch (error) {
      // Without it the start would not be counted, so it cannot be made on this line.
      this.#fail(explain('The ticket of a message that came again', error));
      throw error;
    }
  }

  unstarted(delivery: Delivery): void {
    // Whether RabbitMQ has taken the ticket we may not know.
    const ticket = ticketOf(delivery);
    if (ticket !== undefined) this.#options.inVain.add(ticket);
  }

  /** Of what ends without a start. */
  #spendQuietly(ended: readonly HeldDelivery[]): void {
    const tickets = ended.flatMap(({ delivery }) => ticketOf(delivery) ?? []).filter((ticket) => !this.#spent.delete(ticket));
    if (tickets.length > 0) this.#track(spend(this.#options.connection, tickets));
  }

  // --- verdicts ---

  async settle(settlements: readonly Settlement[]): Promise<readonly Delivery[]> {
    await this.#still;
    const lost: Delivery[] = [];
    const acks: HeldDelivery[] = [];
    const rejects: HeldDelivery[] = [];
    const copies: Copy[] = [];
    for (const settlement of settlements) {
      const { delivery } = settlement;
      if (delivery.generation !== this.#options.generation || !this.#isLineOpen) {
        lost.push(delivery);
        continue;
      }
      const held = this.#held.find(delivery);
      // Broadcasts need no verdict, and a second one has nothing to say.
      if (held === undefined || held.isSettling) continue;
      held.isSettling = true;
      this.#sort(settlement, held, acks, rejects, copies);
    }
    if (acks.length > 0) this.#held.ack(this.#channel, acks);
    for (const held of rejects) this.#reject(held, false);
    this.#spendQuietly([...acks, ...rejects]);
    this.#resume();
    if (copies.length > 0) lost.push(...(await this.#copy(copies)));
    this.#resume();
    this.#handOut();
    return lost;
  }

  #sort(settlement: Settlement, held: HeldDelivery, acks: HeldDelivery[], rejects: HeldDelivery[], copies: Copy[]): void {
    if (settlement.verdict === 'ack') acks.push(held);
    else if (settlement.verdict === 'reject') rejects.push(held);
    else if (settlement.verdict !== 'deadLetter' || this.#options.deadLetters.mode === 'lovage')
      copies.push({ held, settlement });
    else if (this.#options.deadLetters.mode === 'broker') rejects.push(held);
    else {
      const { delivery, reason, error } = settlement;
      log.error('Dropped a message of the queue "{queue}" ({reason}): {error}', { queue: delivery.queue, reason, error });
      acks.push(held);
    }
  }

  #reject(held: HeldDelivery, requeue: boolean): void {
    this.#held.remove(held);
    this.#channel.nack({ fields: { deliveryTag: held.tag } }, false, requeue);
  }

  /** Publishes copies and acks the originals; resolves to those whose line broke before they could be acked. */
  #copy(copies: readonly Copy[]): Promise<readonly Delivery[]> {
    const work = this.#copyAll(copies);
    this.#track(work);
    return work;
  }

  async #copyAll(copies: readonly Copy[]): Promise<readonly Delivery[]> {
    await this.#declareDead(copies);
    const failures = await this.#send(copies.map(({ settlement }) => outgoing(settlement)));
    if (!this.#isLineOpen) return copies.map(({ held }) => held.delivery);
    this.#held.ack(
      this.#channel,
      copies.flatMap(({ held }, index) => (failures.has(index) ? [] : [held])),
    );
    for (const [index, error] of failures) {
      const copy = copies[index];
      if (copy === undefined) continue;
      log.warn('Could not {verdict} a message of "{queue}", it goes back: {error}', {
        verdict: copy.settlement.verdict,
        queue: copy.held.delivery.queue,
        error,
      });
      this.#reject(copy.held, true);
    }
    return NONE;
  }

  async #declareDead(copies: readonly Copy[]): Promise<void> {
    const dead = copies
      .map(({ settlement }) => settlement)
      .filter((settlement): settlement is DeadLetterSettlement => settlement.verdict === 'deadLetter');
    for (const queue of new Set(
      dead.map(({ delivery }) => deadLetterDeclaration(delivery.queue, this.#options.deadLetters).name),
    )) {
      // Publishing to a queue that is not there says so, and the message goes back.
      await this.#options
        .declareDead(queue)
        .catch((error: unknown) => log.warn('Cannot declare "{queue}": {error}', { queue, error }));
    }
  }

  // --- queues and limits ---

  async prefetch(limit: number): Promise<void> {
    const grows = limit > this.#limit;
    this.#limit = limit;
    const isPaused = !grows && !this.#noAck && this.#held.out >= limit && this.#consumers.exceed(limit);
    this.#isPaused = isPaused;
    this.#handOut();
    if (!this.#isLineOpen || this.#isCancelled) return;
    await this.#consumers.limit(isPaused ? 0 : limit);
    if (grows || this.#noAck) return;
    // All that RabbitMQ sent under the old limit has arrived by now.
    await nextTurn();
    const unseen = this.#ready.splice(Math.max(0, this.#limit - this.#held.out));
    await this.settle(unseen.map((delivery) => ({ verdict: 'requeue', delivery, counted: false })));
    await Promise.all(this.#pending);
  }

  /**
   * A quorum queue counts what is on its way to a consumer that is being cancelled as delivered, although nobody ever sees it. Verdicts
   * make room for more, so they wait until nothing comes any more and the consumer is cancelled.
   */
  async #whenStill(cancelling: () => Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#still = promise;
    try {
      for (let round = 0, quiet = 0; quiet < STILL.rounds && round < STILL.most; round++) {
        const before = this.#received;
        await sleep(STILL.seconds, this.#ends.signal);
        quiet = this.#received === before ? quiet + 1 : 0;
      }
      await cancelling();
    } finally {
      this.#still = undefined;
      resolve();
    }
  }

  /** The held have become fewer than the limit again. */
  #resume(): void {
    if (!this.#isPaused || this.#held.out >= this.#limit) return;
    this.#isPaused = false;
    if (this.#isLineOpen && !this.#isCancelled) void this.#consumers.limit(this.#limit);
  }

  async add(queue: string): Promise<void> {
    const { connection, memory, bearsGlobal } = this.#options;
    await declareTopology(connection, memory.of([queue]));
    await this.#starting([queue], this.#consumers.add(queue, bearsGlobal(queue)));
  }

  async cancel(queue?: string): Promise<void> {
    if (queue === undefined) {
      this.#isCancelled = true;
      this.#answer((demand) => demand.resolve(END));
    }
    const queues = queue === undefined ? this.#consumers.queues : [queue];
    const release = this.#options.connection.busy();
    if (this.#isLineOpen) await Promise.all(queues.map((name) => this.#consumers.cancel(name))).catch(() => undefined);
    const unseen = this.#ready.filter((delivery) => queues.includes(delivery.queue));
    this.#ready = this.#ready.filter((delivery) => !queues.includes(delivery.queue));
    await this.settle(unseen.map((delivery) => ({ verdict: 'requeue', delivery, counted: false })));
    release();
  }

  // --- the end ---

  /** Whoever iterates is told once. What is held can still be settled while the channel lives. */
  #fail(error: Error): void {
    if (this.#error !== undefined || this.#releasing !== undefined) return;
    this.#error = error instanceof BrokerConnectionError ? error : new BrokerConnectionError(error.message, { cause: error });
    this.#ready = [];
    if (!this.#isLineOpen) this.#ends.abort(this.#error);
    const lost = this.#error;
    this.#isErrorTold = this.#answer((demand) => demand.reject(lost));
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= this.#dispose();
    return this.#disposing;
  }

  async #dispose(): Promise<void> {
    await this.release();
    await this.#options.connection[Symbol.asyncDispose]();
    this.#options.ended();
  }

  /** Takes nothing more and gives back what is held; only the line is left to close. */
  release(): Promise<void> {
    this.#releasing ??= this.#release();
    return this.#releasing;
  }

  async #release(): Promise<void> {
    this.#isCancelled = true;
    this.#answer((demand) => demand.resolve(END));
    const release = this.#options.connection.busy();
    using limit = deadline(DISPOSE_TIMEOUT, () => new BrokerError('Giving back took too long.'), undefined, { ref: true });
    try {
      // What is never acknowledged is never given back either: the end of the line is enough.
      if (this.#isLineOpen && this.#options.subscribe.noAck !== true) await orAborted(this.#giveBackAll(), limit.signal);
    } catch (error) {
      log.warn('What was held goes back by the closing of the line, counted: {error}', { error });
    }
    this.#ends.abort(new BrokerError('The subscription was closed.'));
    this.#consumers[Symbol.dispose]();
    release();
  }

  async #giveBackAll(): Promise<void> {
    await Promise.all(this.#consumers.queues.map((queue) => this.#consumers.cancel(queue).catch(() => undefined)));
    await Promise.all(this.#pending);
    await this.settle(this.#held.unsettled().map(({ delivery }) => ({ verdict: 'requeue', delivery, counted: false })));
  }
}
