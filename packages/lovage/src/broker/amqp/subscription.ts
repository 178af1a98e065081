// A subscription on RabbitMQ: what came over its line (line.ts) is held, handed out in batches, and settled.
//
// A delivery:  RabbitMQ → held → (came before? its starts are counted, starts.ts) → ready → iterator
// A start:     of what came before: it is noted first, so that a death of it is counted
// A verdict:   ack, reject: written at once, joined · requeue, deadLetter, park: a copy is confirmed, then the original is acked (copies.ts)
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
} from '../../util/index.ts';
import type { Delivery, Settlement, SubscribeOptions, Subscription } from '../seam.ts';
import { Batches } from './batches.ts';
import { Consumers } from './consumers.ts';
import { Copies, type CopiesOptions, type Copy } from './copies.ts';
import { HeldDeliveries, type HeldDelivery } from './held.ts';
import { toDelivery } from './letters.ts';
import { Line } from './line.ts';
import { Starts, type StartsMemory } from './starts.ts';
import { Stillness } from './stillness.ts';
import { declareTopology, explain, type TopologyMemory } from './topology.ts';

/** Seconds for giving back at the end; the server gives back what this cannot. */
const DISPOSE_TIMEOUT = 5;

const log = logger('broker', 'amqp');

export interface AmqpSubscriptionOptions extends Pick<CopiesOptions, 'deadLetters' | 'send' | 'declareDead'> {
  readonly connection: AmqpConnection;
  readonly channel: AmqpChannel;
  readonly generation: number;
  readonly subscribe: SubscribeOptions;
  /** One limit for the whole channel? */
  readonly isGlobal: boolean;
  readonly memory: TopologyMemory;
  readonly startsMemory: StartsMemory;
  /** Does this queue bear a limit for the whole channel? */
  readonly bearsGlobal: (queue: string) => boolean;
  readonly ended: () => void;
}

function returnsOf(given: Readonly<Record<string, unknown>> | undefined): number | undefined {
  const limit = given?.['x-delivery-limit'];
  return typeof limit === 'number' && limit >= 0 ? limit : undefined;
}

/** The verdicts of one call, by how they are carried out. */
interface Verdicts {
  readonly acks: HeldDelivery[];
  readonly rejects: HeldDelivery[];
  readonly copies: Copy[];
  /** Came over another line, or this one is lost. */
  readonly lost: Delivery[];
}

export class AmqpSubscription implements Subscription {
  readonly #options: AmqpSubscriptionOptions;
  readonly #line: Line;
  readonly #held: HeldDeliveries;
  readonly #batches: Batches;
  readonly #stillness = new Stillness();
  readonly #starts: Starts;
  readonly #copies: Copies;
  readonly #consumers: Consumers;
  readonly #noAck: boolean;
  /** What came again in this turn. */
  readonly #again: HeldDelivery[] = [];
  /** Work under way that the end waits for. */
  readonly #pending = new Set<Promise<unknown>>();
  /** The limit was lowered to what is held, where RabbitMQ counts per consumer: no consumer takes until it is less. */
  #isPaused = false;
  #error: BrokerConnectionError | undefined;
  #releasing: Promise<void> | undefined;
  #disposing: Promise<void> | undefined;

  constructor(options: AmqpSubscriptionOptions) {
    const { connection, channel, memory, subscribe, startsMemory, deadLetters, send, declareDead } = options;
    this.#options = options;
    this.#noAck = subscribe.noAck === true;
    const line = new Line(connection, channel, (error) => this.#fail(error));
    const held = new HeldDeliveries(channel);
    this.#line = line;
    this.#held = held;
    this.#batches = new Batches({
      held: this.#noAck ? undefined : held,
      limit: subscribe.prefetch,
      busy: () => connection.busy(),
    });
    const isHeld = (delivery: Delivery): boolean => held.find(delivery) !== undefined;
    this.#starts = new Starts({ line, memory: startsMemory, send, isHeld });
    this.#copies = new Copies({
      line,
      held,
      stillness: this.#stillness,
      starts: this.#starts,
      deadLetters,
      send,
      declareDead,
      returnsOf: (queue) => returnsOf(memory.queue(queue)?.arguments),
      run: (deliveries) => this.#run(deliveries),
    });
    this.#consumers = new Consumers(
      {
        channel,
        noAck: this.#noAck,
        receive: (queue, message) => this.#receive(queue, message),
        held: (queue) => held.countOf(queue),
        failed: (error) => this.#fail(explain('A change of consumers', error)),
        whenStill: (cancelling) => this.#stillness.during(cancelling, line.signal),
        livesByConsumer: (queue) => memory.queue(queue)?.autoDelete === true,
        argumentsOf: (queue) => memory.queue(queue)?.consumerArguments,
      },
      subscribe.prefetch,
      options.isGlobal,
    );
  }

  get lastHeard(): number {
    return this.#line.connection.lastHeard;
  }

  /** Begins to consume. Throws QueueNotFoundError. */
  async start(queues: readonly string[]): Promise<void> {
    try {
      await this.#consuming(queues, this.#consumers.start(queues));
    } catch (error) {
      // Nobody disposes what did not start.
      this.#consumers[Symbol.dispose]();
      throw error;
    }
    const { signal } = this.#options.subscribe;
    if (signal?.aborted) this.#abort();
    else signal?.addEventListener('abort', this.#abort, { once: true });
  }

  readonly #abort = (): void => {
    this.cancel().catch(() => undefined);
  };

  async #consuming(queues: readonly string[], step: Promise<void>): Promise<void> {
    const release = this.#line.connection.busy();
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
    this.#stillness.disturb();
    const delivery = toDelivery(message, queue, this.#options.generation);
    if (this.#noAck) this.#batches.add(delivery);
    else this.#hold(delivery, message);
    this.#batches.offer();
  }

  #hold(delivery: Delivery, { fields }: AmqpDelivery): void {
    const held = this.#held.add(fields.deliveryTag, delivery);
    this.#consumers.noteUse(delivery.queue);
    if (!fields.redelivered) this.#batches.add(delivery);
    else if (this.#again.push(held) === 1) setImmediate(() => this.#track(this.#copies.again(this.#again.splice(0))));
  }

  /** What came again may run now, unless its queue was cancelled meanwhile. */
  async #run(deliveries: readonly Delivery[]): Promise<void> {
    const { queues } = this.#consumers;
    const isOurs = ({ queue }: Delivery): boolean => queues.includes(queue);
    for (const delivery of deliveries.filter(isOurs)) this.#batches.add(delivery);
    this.#batches.offer();
    await this.#giveBack(deliveries.filter((delivery) => !isOurs(delivery)));
  }

  /** Remembers work under way, so that the end can wait for it. */
  #track(work: Promise<unknown>): void {
    const quiet = work.catch((error: unknown) => {
      if (!this.#line.signal.aborted) log.warn('Work for a message that came again failed: {error}', { error });
    });
    this.#pending.add(quiet);
    void quiet.then(() => this.#pending.delete(quiet));
  }

  [Symbol.asyncIterator](): AsyncIterator<readonly Delivery[], undefined> {
    return { next: () => this.#batches.next() };
  }

  // --- starts ---

  async starting(delivery: Delivery): Promise<void> {
    if (delivery.generation !== this.#options.generation) return;
    try {
      await this.#starts.note(delivery);
    } catch (error) {
      // Without it the start would not be counted, so it cannot be made on this line.
      this.#fail(explain('The start of a message that came again', error));
      throw error;
    }
  }

  unstarted(delivery: Delivery): void {
    this.#starts.noteInVain(delivery);
  }

  // --- verdicts ---

  async settle(settlements: readonly Settlement[]): Promise<readonly Delivery[]> {
    await this.#stillness.over;
    const { acks, rejects, copies, lost } = this.#sorted(settlements);
    if (acks.length > 0) this.#held.ack(acks);
    for (const held of rejects) this.#held.reject(held, false);
    const again = [...acks, ...rejects].filter(({ delivery }) => delivery.attempts > 1);
    if (again.length > 0) this.#track(this.#starts.forget(again));
    this.#resume();
    if (copies.length > 0) {
      const work = this.#copies.write(copies);
      this.#track(work);
      lost.push(...(await work));
    }
    this.#resume();
    this.#batches.offer();
    return lost;
  }

  #sorted(settlements: readonly Settlement[]): Verdicts {
    const verdicts: Verdicts = { acks: [], rejects: [], copies: [], lost: [] };
    for (const settlement of settlements) {
      const { delivery } = settlement;
      if (delivery.generation !== this.#options.generation || !this.#line.isOpen) {
        verdicts.lost.push(delivery);
        continue;
      }
      const held = this.#held.find(delivery);
      // Broadcasts need no verdict, and a second one has nothing to say.
      if (held === undefined || held.isSettling) continue;
      held.isSettling = true;
      this.#sort(settlement, held, verdicts);
    }
    return verdicts;
  }

  #sort(settlement: Settlement, held: HeldDelivery, { acks, rejects, copies }: Verdicts): void {
    if (settlement.verdict === 'become') throw new BrokerError('This subscription makes no successors.');
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

  async #giveBack(deliveries: readonly Delivery[]): Promise<void> {
    await this.settle(deliveries.map((delivery) => ({ verdict: 'requeue', delivery, counted: false })));
  }

  // --- queues and limits ---

  async prefetch(limit: number): Promise<void> {
    const grows = limit > this.#batches.limit;
    this.#batches.limit = limit;
    this.#isPaused = !grows && this.#batches.free === 0 && this.#consumers.exceed(limit);
    this.#batches.offer();
    if (!this.#line.isOpen || this.#batches.isEnded) return;
    await this.#consumers.limit(this.#isPaused ? 0 : limit);
    if (grows || this.#noAck) return;
    // All that RabbitMQ sent under the old limit has arrived by now; what of it came again may still be counted.
    await nextTurn();
    await Promise.all(this.#pending);
    await this.#giveBack(this.#batches.takeExcess());
  }

  /** The held have become fewer than the limit again. */
  #resume(): void {
    if (!this.#isPaused || this.#batches.free === 0) return;
    this.#isPaused = false;
    if (this.#line.isOpen && !this.#batches.isEnded) void this.#consumers.limit(this.#batches.limit);
  }

  async add(queue: string): Promise<void> {
    const { memory, bearsGlobal } = this.#options;
    await declareTopology(this.#line.connection, memory.of([queue]));
    await this.#consuming([queue], this.#consumers.add(queue, bearsGlobal(queue)));
  }

  async cancel(queue?: string): Promise<void> {
    if (queue === undefined) this.#batches.end();
    const queues = queue === undefined ? this.#consumers.queues : [queue];
    const release = this.#line.connection.busy();
    if (this.#line.isOpen) await Promise.all(queues.map((name) => this.#consumers.cancel(name))).catch(() => undefined);
    await this.#giveBack(this.#batches.takeFrom(queues));
    release();
  }

  // --- the end ---

  /** Whoever iterates is told once. What is held can still be settled while the channel lives. */
  #fail(error: Error): void {
    if (this.#error !== undefined || this.#releasing !== undefined) return;
    this.#error = error instanceof BrokerConnectionError ? error : new BrokerConnectionError(error.message, { cause: error });
    if (!this.#line.isOpen) this.#line.end(this.#error);
    this.#batches.fail(this.#error);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= this.#dispose();
    return this.#disposing;
  }

  async #dispose(): Promise<void> {
    await this.release();
    await this.#line.connection[Symbol.asyncDispose]();
    this.#options.ended();
  }

  /** Takes nothing more and gives back what is held; only the line is left to close. */
  release(): Promise<void> {
    this.#releasing ??= this.#release();
    return this.#releasing;
  }

  async #release(): Promise<void> {
    // Whoever subscribes again and again does so with one signal.
    this.#options.subscribe.signal?.removeEventListener('abort', this.#abort);
    this.#batches.end();
    const release = this.#line.connection.busy();
    using limit = deadline(DISPOSE_TIMEOUT, () => new BrokerError('Giving back took too long.'), undefined, { ref: true });
    try {
      // What is never acknowledged is never given back either: the end of the line is enough.
      if (this.#line.isOpen && !this.#noAck) await orAborted(this.#giveBackAll(), limit.signal);
    } catch (error) {
      log.warn('What was held goes back by the closing of the line, counted: {error}', { error });
    }
    this.#line.end(new BrokerError('The subscription was closed.'));
    this.#consumers[Symbol.dispose]();
    release();
  }

  async #giveBackAll(): Promise<void> {
    await Promise.all(this.#consumers.queues.map((queue) => this.#consumers.cancel(queue).catch(() => undefined)));
    // What came again in the turn of the answer is counted, too.
    await nextTurn();
    await Promise.all(this.#pending);
    await this.#giveBack(this.#held.unsettled().map(({ delivery }) => delivery));
  }
}
