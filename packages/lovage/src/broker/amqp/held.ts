// What one channel has handed over and nobody has acknowledged yet, in the order of its tags; joins acks where it may.
import type { AmqpChannel } from '../../util/index.ts';
import type { Delivery } from '../seam.ts';

export interface HeldDelivery {
  /** Replaced once its starts are counted. */
  delivery: Delivery;
  readonly tag: number;
  /** Handed to the iterator. */
  isOut: boolean;
  /** A verdict is being carried out; a second one is a no-op. */
  isSettling: boolean;
}

export class HeldDeliveries {
  readonly #channel: AmqpChannel;
  /** Map order is tag order: RabbitMQ counts upwards. */
  readonly #byTag = new Map<number, HeldDelivery>();
  readonly #perQueue = new Map<string, number>();
  #out = 0;

  constructor(channel: AmqpChannel) {
    this.#channel = channel;
  }

  /** How many the iterator has handed out. */
  get out(): number {
    return this.#out;
  }

  add(tag: number, delivery: Delivery): HeldDelivery {
    const held: HeldDelivery = { delivery, tag, isOut: false, isSettling: false };
    this.#byTag.set(tag, held);
    this.#perQueue.set(delivery.queue, this.countOf(delivery.queue) + 1);
    return held;
  }

  find(delivery: Delivery): HeldDelivery | undefined {
    return typeof delivery.tag === 'number' ? this.#byTag.get(delivery.tag) : undefined;
  }

  countOf(queue: string): number {
    return this.#perQueue.get(queue) ?? 0;
  }

  unsettled(): readonly HeldDelivery[] {
    return [...this.#byTag.values()].filter((held) => !held.isSettling);
  }

  /** The iterator hands these out. */
  handOut(batch: readonly Delivery[]): void {
    for (const delivery of batch) {
      const held = this.find(delivery);
      if (held !== undefined) held.isOut = true;
    }
    this.#out += batch.length;
  }

  /** Acknowledges these: one frame for all that nothing unsettled lies before, one for each of the others. */
  ack(batch: readonly HeldDelivery[]): void {
    const wanted = new Set(batch);
    let last: HeldDelivery | undefined;
    for (const held of this.#byTag.values()) {
      if (!wanted.delete(held)) break;
      last = held;
      this.#remove(held);
    }
    if (last !== undefined) this.#channel.ack({ fields: { deliveryTag: last.tag } }, true);
    for (const held of wanted) {
      this.#remove(held);
      this.#channel.ack({ fields: { deliveryTag: held.tag } }, false);
    }
  }

  reject(held: HeldDelivery, requeue: boolean): void {
    this.#remove(held);
    this.#channel.nack({ fields: { deliveryTag: held.tag } }, false, requeue);
  }

  #remove(held: HeldDelivery): void {
    if (!this.#byTag.delete(held.tag)) return;
    this.#perQueue.set(held.delivery.queue, this.countOf(held.delivery.queue) - 1);
    if (held.isOut) this.#out--;
  }
}
