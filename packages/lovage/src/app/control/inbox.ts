// Where the answers of workers arrive: one reply queue for each app, open while somebody waits and a moment longer, so that it does not
// keep a program alive. Answers are told apart by their tickets.
import type { Broker, Delivery, Subscription, Topology } from '../../broker/index.ts';
import { type ControlReply, parseControlReply } from '../../protocol/index.ts';
import { after, logger, sleep, type Timer } from '../../util/index.ts';

const log = logger('app', 'control');
/** Seconds that the queue stays open after the last answer was waited for: the next question often follows at once. */
const LINGER = 0.3;
/** Seconds before another try when the line was lost while somebody waits. */
const AGAIN = 0.1;

export interface InboxOptions {
  readonly queue: string;
  readonly topology: Topology;
  readonly broker: Broker;
  readonly node: string;
  readonly decode: (delivery: Delivery) => unknown;
}

/** Somebody who waits for the answers with a ticket. */
export type Listener = (reply: ControlReply) => void;

/** The reply queue of one app on one broker. */
export class Inbox implements AsyncDisposable {
  readonly #options: InboxOptions;
  readonly #listeners = new Map<string, Listener>();
  #opening: Promise<Subscription> | undefined;
  /** The end of the last subscription: it takes the queue with it, so the next one waits for it. */
  #closing: Promise<void> = Promise.resolve();
  #linger: Timer | undefined;
  #closed = false;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  /** Hears answers with this ticket until disposed; resolves once the queue is there. */
  async listen(ticket: string, listener: Listener): Promise<Disposable> {
    this.#linger?.cancel();
    this.#listeners.set(ticket, listener);
    const release = (): void => {
      this.#listeners.delete(ticket);
      if (this.#listeners.size > 0 || this.#closed) return;
      this.#linger?.cancel();
      this.#linger = after(LINGER, () => void this.#close(), { ref: false });
    };
    try {
      await this.#open();
    } catch (error) {
      release();
      throw error;
    }
    return { [Symbol.dispose]: release };
  }

  #open(): Promise<Subscription> {
    this.#opening ??= this.#subscribe().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async #subscribe(): Promise<Subscription> {
    const { broker, topology, queue, node } = this.#options;
    await this.#closing;
    await broker.declare(topology);
    const subscription = await broker.subscribe([queue], { prefetch: 100, node, noAck: true });
    void this.#read(subscription);
    return subscription;
  }

  async #read(subscription: Subscription): Promise<void> {
    try {
      for await (const batch of subscription) for (const delivery of batch) this.#receive(delivery);
      return;
    } catch (error) {
      log.debug('The line for answers of workers was lost: {error}', { error: String(error) });
    }
    await this.#close();
    while (this.#listeners.size > 0 && !this.#closed && this.#opening === undefined) {
      await sleep(AGAIN);
      await this.#open().catch((error: unknown) => log.debug('It is not back yet: {error}', { error: String(error) }));
    }
  }

  #receive(delivery: Delivery): void {
    const { ticket } = delivery.headers;
    // Late ones, whose asker has gone.
    const listener = typeof ticket === 'string' ? this.#listeners.get(ticket) : undefined;
    if (listener === undefined) return;
    try {
      listener(parseControlReply(this.#options.decode(delivery)));
    } catch (error) {
      log.warning('An answer to a control command cannot be read: {error}', { error: String(error) });
    }
  }

  #close(): Promise<void> {
    const opening = this.#opening;
    this.#opening = undefined;
    const before = this.#closing;
    this.#closing = before.then(() => this.#end(opening));
    return this.#closing;
  }

  async #end(opening: Promise<Subscription> | undefined): Promise<void> {
    try {
      await (await opening)?.[Symbol.asyncDispose]();
    } catch (error) {
      log.debug('The queue for answers of workers was not closed: {error}', { error: String(error) });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#linger?.cancel();
    this.#listeners.clear();
    await this.#close();
  }
}
