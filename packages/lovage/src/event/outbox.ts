// The way out of a process's events. Those of one turn of the event loop leave in one publish, those of a busy worker a hundred times a
// second. One publish is under way at a time; what waits for the next is the backlog's (backlog.ts), and whether anybody would hear it the
// audience's (audience.ts). Whoever listens before they leave hears them all.
import type { Broker } from '../broker/index.ts';
import type { Serialization } from '../serialization/index.ts';
import {
  after,
  BrokerConnectionError,
  type Clock,
  deadline,
  type LamportClock,
  logger,
  PublishError,
  type Timer,
} from '../util/index.ts';
import { Audience } from './audience.ts';
import { Backlog, type Waiting } from './backlog.ts';
import { MAX_ARRAY, messagesOf } from './messages.ts';
import { eventExchange } from './topology.ts';

/** Events kept while the broker takes none. */
const CAPACITY = 10_000;
/** Events in one publish. */
const MAX_PUBLISH = 2000;
/**
 * Seconds between two publishes, unless a whole array waits: one publish costs as much as a dozen events, and a busy worker has some in
 * every turn of its loop (bench row redis-drain-events). The first after a pause leaves at once.
 */
const GATHER = 0.01;
/** Seconds in which the broker has to take them. */
const TAKE_TIMEOUT = 10;
/** Seconds before another try. */
const AGAIN = 1;
/** Seconds that the last events get at the end. */
const CLOSE_TIMEOUT = 2;
const log = logger('event');

/** The settings that a dispatcher reads, each time it sends. */
export interface EventSettings {
  readonly eventExchange: string;
  readonly eventSerializer: string;
  /** null: that of this machine's zone. */
  readonly eventUtcOffset: number | null;
}

/** What a dispatcher needs of its app. */
export interface EventHost {
  readonly settings: EventSettings;
  readonly serialization: Pick<Serialization, 'encode'>;
  readonly lamport: LamportClock;
  readonly clock: Clock;
  /** Where events go; opened with the first one. */
  broker(): Promise<Broker>;
}

/** How the sending goes. */
export interface DispatcherInfo {
  readonly sent: number;
  /** Fell from the ring, or were lost on the way. */
  readonly dropped: number;
  readonly waiting: number;
}

/** The way out for the events of a process: whoever makes them, they leave in the order in which they were made. */
export interface EventOutbox extends AsyncDisposable {
  add(event: Waiting): void;
  flush(): Promise<void>;
  info(): DispatcherInfo;
}

/** Makes the way out. It opens nothing before the first event. */
export function createEventOutbox(host: EventHost, { capacity = CAPACITY }: { readonly capacity?: number } = {}): EventOutbox {
  return new Outbox(host, capacity);
}

/** Waits, but not for ever: the last events are no reason to keep a program. */
export async function patiently(work: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const patience = after(CLOSE_TIMEOUT, resolve, { ref: true });
  await Promise.race([work, promise]);
  patience.cancel();
}

/** How a publish went: it failed; it was taken; it was taken, and somebody hears those that waited to know. */
type Went = 'failed' | 'sent' | 'heard';

class Outbox implements EventOutbox {
  readonly #host: EventHost;
  readonly #backlog: Backlog;
  readonly #audience = new Audience();
  readonly #declared = new WeakMap<Broker, string>();
  readonly #idlers: (() => void)[] = [];
  #isScheduled = false;
  #isSending = false;
  /** Waits before another try. */
  #pause: Timer | undefined;
  /** Waits until enough has gathered. */
  #gathering: Timer | undefined;
  /** When the last publish began (performance.now()). */
  #last = Number.NEGATIVE_INFINITY;
  #isOffline = false;
  #closing: Promise<void> | undefined;
  #sent = 0;
  /** Lost on the way. */
  #lost = 0;

  constructor(host: EventHost, capacity: number) {
    this.#host = host;
    this.#backlog = new Backlog(capacity);
  }

  add(event: Waiting): void {
    if (this.#closing !== undefined) return;
    this.#backlog.add(event);
    this.#schedule();
  }

  flush(): Promise<void> {
    return new Promise((resolve) => {
      this.#idlers.push(resolve);
      if (this.#pause !== undefined) this.#tellIdlers();
      else this.#schedule();
    });
  }

  info(): DispatcherInfo {
    return { sent: this.#sent, dropped: this.#dropped, waiting: this.#backlog.size };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#pause?.cancel();
    this.#pause = undefined;
    await patiently(this.flush());
    this.#backlog.clear();
  }

  get #dropped(): number {
    return this.#backlog.fallen + this.#lost;
  }

  #tellIdlers(): void {
    if (this.#isSending) return;
    for (const resolve of this.#idlers.splice(0)) resolve();
  }

  // --- when ---

  /** Somebody waits, or a whole array does. */
  get #isUrgent(): boolean {
    return this.#idlers.length > 0 || this.#backlog.size >= MAX_ARRAY;
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isSending || this.#pause !== undefined) return;
    const urgent = this.#isUrgent;
    if (this.#gathering !== undefined && !urgent) return;
    const wait = urgent ? 0 : GATHER - (performance.now() - this.#last) / 1000;
    if (wait > 0) {
      this.#gathering ??= after(wait, () => this.#leave(), { ref: true });
      return;
    }
    this.#leave();
  }

  /** Behind all that happens in this turn of the loop. */
  #leave(): void {
    this.#gathering?.cancel();
    this.#gathering = undefined;
    if (this.#isScheduled || this.#isSending) return;
    this.#isScheduled = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    this.#isScheduled = false;
    if (this.#isSending || this.#backlog.size === 0) this.#tellIdlers();
    else void this.#sendAll();
  };

  // --- what ---

  async #sendAll(): Promise<void> {
    this.#isSending = true;
    let went: Went;
    do went = await this.#sendSome();
    while (went !== 'failed' && this.#backlog.size > 0 && (went === 'heard' || this.#isUrgent));
    this.#isSending = false;
    this.#tellIdlers();
    if (this.#backlog.size > 0) this.#schedule();
  }

  async #sendSome(): Promise<Went> {
    this.#last = performance.now();
    const batch = this.#backlog.take(MAX_PUBLISH);
    const { asked, silent } = this.#audience.ask(batch);
    const failure = await this.#publish(asked);
    if (failure !== undefined) {
      this.#failed(batch, failure);
      return 'failed';
    }
    const heard = this.#audience.heard(silent);
    this.#arrived(batch.length - heard.length);
    if (heard.length === 0) return 'sent';
    this.#backlog.putBack(heard);
    return 'heard';
  }

  async #publish(batch: readonly Waiting[]): Promise<unknown> {
    const late = (): Error => new BrokerConnectionError(`The broker did not take events within ${TAKE_TIMEOUT} s.`);
    using limit = deadline(TAKE_TIMEOUT, late, undefined, { ref: true });
    try {
      const { serialization, settings } = this.#host;
      const broker = await this.#host.broker();
      const exchange = settings.eventExchange;
      if (this.#declared.get(broker) !== exchange) {
        await broker.declare({ exchanges: [eventExchange(exchange, broker.features)], queues: [], bindings: [] });
        this.#declared.set(broker, exchange);
      }
      const messages = messagesOf(batch, { exchange, serialization, serializer: settings.eventSerializer });
      await broker.publish(messages, { signal: limit.signal });
      this.#audience.listen(broker, exchange, batch);
      return undefined;
    } catch (error) {
      return error ?? new BrokerConnectionError('Publishing events failed.');
    }
  }

  #arrived(count: number): void {
    this.#sent += count;
    if (!this.#isOffline) return;
    this.#isOffline = false;
    log.info('Events are sent again; {dropped} were dropped so far.', { dropped: this.#dropped });
  }

  /** Nothing more can be sent for now. */
  #failed(batch: readonly Waiting[], error: unknown): void {
    // What is no publish error came before the publish: nothing was sent.
    const safe = !(error instanceof PublishError) || error.safeToRepeat;
    if (!this.#isOffline) {
      this.#isOffline = true;
      log.warn('Events cannot be sent; the newest {capacity} are kept. ({error})', {
        capacity: this.#backlog.capacity,
        error: String(error),
      });
    }
    if (this.#closing !== undefined || !safe) this.#lost += batch.length;
    else {
      this.#backlog.putBack(batch);
      this.#backlog.trim();
    }
    if (this.#closing === undefined) {
      this.#pause = after(AGAIN, () => {
        this.#pause = undefined;
        this.#schedule();
      });
    }
  }
}
