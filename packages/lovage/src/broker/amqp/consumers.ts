// The consumers of one subscription's channel, and how many unsettled messages RabbitMQ may hand to them.
// Classic queues before RabbitMQ 4 take one limit for the whole channel; elsewhere a limit belongs to a consumer from its beginning to
// its end, so the slots are shared among the queues, and a queue whose share grows gets a further consumer for the difference.
import type { AmqpChannel, AmqpDelivery } from '../../util/index.ts';
import { type QueueDemand, shareSlots } from './shares.ts';

/** RabbitMQ keeps the number in 16 bits. */
const MAX_PREFETCH = 65_535;
/** Seconds between looks at who needs more slots. */
const SHARE_EVERY = 1;

export interface ConsumerOptions {
  readonly channel: AmqpChannel;
  readonly noAck: boolean;
  readonly receive: (queue: string, message: AmqpDelivery | null) => void;
  /** Unsettled messages of a queue. */
  readonly held: (queue: string) => number;
  /** A change of slots failed; the channel tells why. */
  readonly failed: (error: unknown) => void;
  /** Is this queue deleted when it has no consumer? */
  readonly livesByConsumer: (queue: string) => boolean;
  /** Arguments of the consumers of a queue. */
  readonly argumentsOf: (queue: string) => Readonly<Record<string, unknown>> | undefined;
  /** Runs a cancelling while nothing is on its way to this channel. */
  readonly whenStill: (cancelling: () => Promise<void>) => Promise<void>;
}

/** One consumer on RabbitMQ, and the slots that it was begun with. */
interface Part {
  readonly tag: string;
  readonly slots: number;
}

/** What a queue of the subscription has. */
interface Consumer {
  readonly queue: string;
  readonly parts: Part[];
  share: number;
  peak: number;
}

const prefetchOf = (slots: number): number => Math.min(MAX_PREFETCH, Math.max(1, slots));

export class Consumers implements Disposable {
  readonly #options: ConsumerOptions;
  readonly #consumers = new Map<string, Consumer>();
  #limit: number;
  #isGlobal: boolean;
  #work: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ConsumerOptions, limit: number, isGlobal: boolean) {
    this.#options = options;
    this.#limit = limit;
    this.#isGlobal = isGlobal;
  }

  get queues(): readonly string[] {
    return [...this.#consumers.keys()];
  }

  /** Begins with all of them at once. */
  start(queues: readonly string[]): Promise<void> {
    return this.#next(async () => {
      if (this.#isGlobal && !this.#options.noAck) await this.#options.channel.prefetch(prefetchOf(this.#limit), true);
      const shares = shareSlots(
        this.#limit,
        queues.map((queue) => ({ queue, peak: 0, share: 0 })),
      );
      for (const queue of queues) await this.#begin(queue, shares.get(queue) ?? 1);
    });
  }

  /** `isGlobal` false: this queue does not bear a limit for the whole channel. */
  add(queue: string, isGlobal: boolean): Promise<void> {
    return this.#next(async () => {
      if (this.#consumers.has(queue)) return;
      if (this.#isGlobal && !isGlobal) await this.#giveUpGlobal();
      await this.#begin(queue, 1);
      if (!this.#isGlobal) await this.#share();
    });
  }

  cancel(queue: string): Promise<void> {
    return this.#next(async () => {
      const consumer = this.#consumers.get(queue);
      this.#consumers.delete(queue);
      for (const part of consumer?.parts ?? []) await this.#options.channel.cancel(part.tag);
    });
  }

  /** Could more come than that, although so many are held? Only where each consumer has a limit of its own. */
  exceed(limit: number): boolean {
    const slots = [...this.#consumers.values()].reduce((sum, { share }) => sum + share, 0);
    return !this.#isGlobal && (slots > limit || this.#limit > limit);
  }

  /** Resolves when it is in force. 0, for consumers with limits of their own: nothing comes any more. */
  limit(limit: number): Promise<void> {
    if (limit !== this.#limit) {
      this.#limit = limit;
      if (!this.#options.noAck) {
        this.#quietly(async () => {
          if (this.#isGlobal) await this.#options.channel.prefetch(prefetchOf(this.#limit), true);
          else await this.#share();
        });
      }
    }
    return this.#work.then(() => undefined);
  }

  /** A message of `queue` has come: remembers how much it uses. */
  noteUse(queue: string): void {
    const consumer = this.#consumers.get(queue);
    if (consumer !== undefined) consumer.peak = Math.max(consumer.peak, this.#options.held(queue));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  /** One change after another: they all speak to one channel. */
  #next<Out>(step: () => Promise<Out>): Promise<Out> {
    const done = this.#work.then(step);
    this.#work = done.catch(() => undefined);
    return done;
  }

  #quietly(step: () => Promise<void>): void {
    this.#next(step).catch(this.#options.failed);
  }

  async #giveUpGlobal(): Promise<void> {
    this.#isGlobal = false;
    // The consumers so far have no limits of their own. 0 lifts that of the channel, else RabbitMQ refuses quorum queues on it.
    for (const consumer of this.#consumers.values()) {
      for (const part of consumer.parts.splice(0)) await this.#options.channel.cancel(part.tag);
      consumer.share = 0;
    }
    await this.#options.channel.prefetch(0, true);
  }

  async #begin(queue: string, share: number): Promise<void> {
    // Known before its first message can come, which may be in the same turn as RabbitMQ's answer.
    const consumer: Consumer = { queue, parts: [], share: 0, peak: 0 };
    this.#consumers.set(queue, consumer);
    try {
      await this.#grow(consumer, share);
    } catch (error) {
      this.#consumers.delete(queue);
      throw error;
    }
    if (!this.#isGlobal && !this.#options.noAck && this.#consumers.size > 1) this.#watchNeed();
  }

  async #grow(consumer: Consumer, slots: number): Promise<void> {
    const { channel, noAck, receive, argumentsOf } = this.#options;
    const { queue } = consumer;
    if (!this.#isGlobal && !noAck) await channel.prefetch(prefetchOf(slots), false);
    const { consumerTag } = await channel.consume(queue, (message) => receive(queue, message), {
      noAck,
      arguments: argumentsOf(queue),
    });
    consumer.parts.push({ tag: consumerTag, slots });
    consumer.share += slots;
  }

  async #resize(consumer: Consumer, share: number): Promise<void> {
    if (consumer.share > share && consumer.parts.length > 0) await this.#options.whenStill(() => this.#shrink(consumer, share));
    if (consumer.share < share) await this.#grow(consumer, share - consumer.share);
  }

  async #shrink(consumer: Consumer, share: number): Promise<void> {
    while (consumer.share > share) {
      const part = consumer.parts.pop();
      if (part === undefined) break;
      consumer.share -= part.slots;
      await this.#options.channel.cancel(part.tag);
    }
  }

  #watchNeed(): void {
    this.#timer ??= setInterval(() => this.#quietly(() => this.#share()), SHARE_EVERY * 1000).unref();
  }

  async #share(): Promise<void> {
    const demands: QueueDemand[] = [...this.#consumers.values()];
    const shares = this.#limit === 0 ? this.#paused() : shareSlots(this.#limit, demands);
    // First those that shrink, so that no more are asked for than there are.
    const changes = [...this.#consumers.values()].sort((a, b) => growth(a, shares) - growth(b, shares));
    for (const consumer of changes) {
      consumer.peak = this.#options.held(consumer.queue);
      await this.#resize(consumer, shares.get(consumer.queue) ?? 1);
    }
  }

  #paused(): ReadonlyMap<string, number> {
    return new Map(this.queues.map((queue) => [queue, this.#options.livesByConsumer(queue) ? 1 : 0]));
  }
}

function growth(consumer: Consumer, shares: ReadonlyMap<string, number>): number {
  return (shares.get(consumer.queue) ?? 1) - consumer.share;
}
