// What has come over a subscription and nobody has seen yet, as batches for whoever iterates. They are told of a lost line once;
// then, and after a cancel, the iteration ends.
import { BrokerError } from '../../util/index.ts';
import type { Delivery } from '../seam.ts';
import type { HeldDeliveries } from './held.ts';

type NextBatch = IteratorResult<readonly Delivery[], undefined>;

const END: NextBatch = { done: true, value: undefined };

/** Somebody who waits for a batch. */
interface Demand {
  readonly resolve: (result: NextBatch) => void;
  readonly reject: (error: unknown) => void;
  readonly release: () => void;
}

export interface BatchesOptions {
  /** Undefined where no verdicts are expected, and so no limit is kept. */
  readonly held: HeldDeliveries | undefined;
  /** Most that may be handed out and not settled. */
  readonly limit: number;
  /** Keeps the process alive while somebody waits. */
  readonly busy: () => () => void;
}

export class Batches {
  readonly #held: HeldDeliveries | undefined;
  readonly #busy: () => () => void;
  #ready: Delivery[] = [];
  #demand: Demand | undefined;
  #isOffering = false;
  #isEnded = false;
  #error: Error | undefined;
  #isErrorTold = false;
  limit: number;

  constructor({ held, limit, busy }: BatchesOptions) {
    this.#held = held;
    this.#busy = busy;
    this.limit = limit;
  }

  /** How many may be handed out now; with a limit for each consumer RabbitMQ may send a few more. */
  get free(): number {
    return this.#held === undefined ? Infinity : Math.max(0, this.limit - this.#held.out);
  }

  /** `end` was called. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  add(delivery: Delivery): void {
    this.#ready.push(delivery);
  }

  next(): Promise<NextBatch> {
    const batch = this.#take();
    if (batch.length > 0) return Promise.resolve({ done: false, value: batch });
    if (this.#error !== undefined && !this.#isErrorTold) {
      this.#isErrorTold = true;
      return Promise.reject(this.#error);
    }
    if (this.#error !== undefined || this.#isEnded) return Promise.resolve(END);
    if (this.#demand !== undefined)
      return Promise.reject(new BrokerError('Two loops iterate over one subscription. Use one subscription each.'));
    return new Promise((resolve, reject) => {
      this.#demand = { resolve, reject, release: this.#busy() };
    });
  }

  /** Hands out what is ready and free, behind this turn's frames, so that one read of the socket becomes one batch. */
  offer(): void {
    if (this.#isOffering || this.#demand === undefined) return;
    this.#isOffering = true;
    queueMicrotask(() => {
      this.#isOffering = false;
      if (this.#demand === undefined) return;
      const batch = this.#take();
      if (batch.length > 0) this.#answer((demand) => demand.resolve({ done: false, value: batch }));
    });
  }

  /** Nothing more comes; what is ready may still be taken. */
  end(): void {
    this.#isEnded = true;
    this.#answer((demand) => demand.resolve(END));
  }

  /** The line is lost, and with it what nobody has seen. */
  fail(error: Error): void {
    this.#error = error;
    this.#ready = [];
    this.#isErrorTold = this.#answer((demand) => demand.reject(error));
  }

  /** Takes back what is beyond the limit. */
  takeExcess(): readonly Delivery[] {
    return this.#ready.splice(this.free);
  }

  /** Takes back what came from these queues. */
  takeFrom(queues: readonly string[]): readonly Delivery[] {
    const isTheirs = ({ queue }: Delivery): boolean => queues.includes(queue);
    const taken = this.#ready.filter(isTheirs);
    this.#ready = this.#ready.filter((delivery) => !isTheirs(delivery));
    return taken;
  }

  #take(): readonly Delivery[] {
    const batch = this.#ready.splice(0, this.free);
    this.#held?.handOut(batch);
    return batch;
  }

  /** Answers who waits; was there somebody? */
  #answer(how: (demand: Demand) => void): boolean {
    const demand = this.#demand;
    if (demand === undefined) return false;
    this.#demand = undefined;
    demand.release();
    how(demand);
    return true;
  }
}
