// The way out of a process's events. Those of one turn of the event loop leave in one publish, those of a busy worker a hundred times a
// second. One publish is under way at a time: behind a slow broker events gather in a ring, from which the oldest fall and are counted.
// Most events are heard by nobody. Where the broker tells, one of those that wait asks on behalf of all: only when somebody heard it are the
// others written at all. Whoever listens before they leave hears them all.
import type { Broker, Outgoing } from '../broker/index.ts';
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
import { eventExchange } from './topology.ts';

/** Events kept while the broker takes none. */
const CAPACITY = 10_000;
/** Events in one array. */
const MAX_BATCH = 500;
/** Events in one publish. */
const MAX_PUBLISH = 2000;
/**
 * Seconds between two publishes, unless so many events wait: one publish costs as much as a dozen events, and a busy worker has some in
 * every turn of its loop (bench row redis-drain-events). The first after a pause leaves at once.
 */
const GATHER = 0.01;
/** Seconds in which the broker has to take them. */
const TAKE_TIMEOUT = 10;
/** Seconds before another try. */
const AGAIN = 1;
/** Seconds that the last events get at the end. */
const CLOSE_TIMEOUT = 2;
const TRANSIENT = 1;
const NONE: readonly Waiting[] = [];
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

/** Who sends: the same in each of its messages. */
export interface Sender {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly headersText: string;
}

/** An event: its JSON, where it travels as JSON; else the object. */
export type Written = string | Readonly<Record<string, unknown>>;

/** One event that waits. */
export interface Waiting {
  readonly from: Sender;
  /** undefined: travels in an array of its group. */
  readonly routingKey: string | undefined;
  readonly group: string;
  /** The routing key of arrays of its group. */
  readonly arrayKey: string;
  readonly event: Written;
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

class Outbox implements EventOutbox {
  readonly #host: EventHost;
  readonly #capacity: number;
  readonly #declared = new WeakMap<Broker, string>();
  readonly #idlers: (() => void)[] = [];
  #waiting: Waiting[] = [];
  /** Positions in `#waiting` before this one are gone. */
  #head = 0;
  /** Keys of arrays that nobody heard last time. */
  readonly #unheard = new Set<string>();
  #scheduled = false;
  #isSending = false;
  #pause: Timer | undefined;
  /** Waits until enough has gathered. */
  #gathering: Timer | undefined;
  /** When the last publish began (performance.now()). */
  #last = Number.NEGATIVE_INFINITY;
  #isOffline = false;
  #closing: Promise<void> | undefined;
  #sent = 0;
  #dropped = 0;

  constructor(host: EventHost, capacity: number) {
    this.#host = host;
    this.#capacity = capacity;
  }

  add(event: Waiting): void {
    if (this.#closing !== undefined) return;
    this.#waiting.push(event);
    if (this.#size > this.#capacity) this.#drop(1);
    this.#schedule();
  }

  get #size(): number {
    return this.#waiting.length - this.#head;
  }

  /** The oldest go. */
  #drop(count: number): void {
    this.#dropped += count;
    this.#head += count;
    if (this.#head < this.#capacity) return;
    this.#waiting = this.#waiting.slice(this.#head);
    this.#head = 0;
  }

  #schedule(): void {
    if (this.#scheduled || this.#isSending || this.#pause !== undefined) return;
    const urgent = this.#idlers.length > 0 || this.#size >= MAX_BATCH;
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
    if (this.#scheduled || this.#isSending) return;
    this.#scheduled = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    this.#scheduled = false;
    if (this.#isSending || this.#size === 0) this.#tellIdlers();
    else void this.#sendAll();
  };

  async #sendAll(): Promise<void> {
    this.#isSending = true;
    const began = performance.now();
    let heard = false;
    while (this.#size > 0 && (heard || this.#last < began || this.#size >= MAX_BATCH || this.#idlers.length > 0)) {
      this.#last = performance.now();
      const batch = this.#waiting.slice(this.#head, this.#head + MAX_PUBLISH);
      this.#waiting = this.#size === batch.length ? [] : this.#waiting.slice(this.#head + batch.length);
      this.#head = 0;
      const [asked, silent] = this.#asking(batch);
      const failure = await this.#publish(asked);
      if (failure !== undefined) {
        if (this.#failed(batch, failure)) break;
        continue;
      }
      const others = silent.filter(({ arrayKey }) => !this.#unheard.has(arrayKey));
      this.#arrived(batch.length - others.length);
      heard = others.length > 0;
      if (heard) {
        this.#waiting = [...others, ...this.#waiting.slice(this.#head)];
        this.#head = 0;
      }
    }
    this.#isSending = false;
    this.#tellIdlers();
    if (this.#size > 0) this.#schedule();
  }

  /** What is published of a batch, and what waits for the answer whether anybody hears it: all but the first of an array that nobody heard. */
  #asking(batch: readonly Waiting[]): readonly [readonly Waiting[], readonly Waiting[]] {
    if (this.#unheard.size === 0) return [batch, NONE];
    const asked: Waiting[] = [];
    const silent: Waiting[] = [];
    const asking = new Set<string>();
    for (const waiting of batch) {
      const { routingKey, arrayKey } = waiting;
      const waits = routingKey === undefined && this.#unheard.has(arrayKey) && asking.has(arrayKey);
      (waits ? silent : asked).push(waiting);
      // Who leaves by itself, under a key of its own, asks for no array.
      if (routingKey === undefined) asking.add(arrayKey);
    }
    return [asked, silent];
  }

  /** Who was not heard is remembered. */
  #listen(broker: Broker, exchange: string, batch: readonly Waiting[]): void {
    if (broker.audience === undefined) return;
    for (const key of new Set(batch.filter(({ routingKey }) => routingKey === undefined).map((waiting) => waiting.arrayKey))) {
      if (broker.audience(exchange, key) === 0) this.#unheard.add(key);
      else this.#unheard.delete(key);
    }
  }

  #arrived(count: number): void {
    this.#sent += count;
    if (!this.#isOffline) return;
    this.#isOffline = false;
    log.info('Events are sent again; {dropped} were dropped so far.', { dropped: this.#dropped });
  }

  /** Answers true when nothing more can be sent for now. */
  #failed(batch: readonly Waiting[], error: unknown): boolean {
    // What is no publish error came before the publish: nothing was sent.
    const safe = !(error instanceof PublishError) || error.safeToRepeat;
    if (!this.#isOffline) {
      this.#isOffline = true;
      log.warn('Events cannot be sent; the newest {capacity} are kept. ({error})', {
        capacity: this.#capacity,
        error: String(error),
      });
    }
    if (this.#closing !== undefined || !safe) this.#dropped += batch.length;
    else {
      this.#waiting = [...batch, ...this.#waiting.slice(this.#head)];
      this.#head = 0;
      if (this.#size > this.#capacity) this.#drop(this.#size - this.#capacity);
    }
    if (this.#closing === undefined) {
      this.#pause = after(AGAIN, () => {
        this.#pause = undefined;
        this.#schedule();
      });
    }
    return true;
  }

  async #publish(batch: readonly Waiting[]): Promise<unknown> {
    const late = (): Error => new BrokerConnectionError(`The broker did not take events within ${TAKE_TIMEOUT} s.`);
    using limit = deadline(TAKE_TIMEOUT, late, undefined, { ref: true });
    try {
      const broker = await this.#host.broker();
      const exchange = this.#host.settings.eventExchange;
      if (this.#declared.get(broker) !== exchange) {
        await broker.declare({ exchanges: [eventExchange(exchange, broker.features)], queues: [], bindings: [] });
        this.#declared.set(broker, exchange);
      }
      await broker.publish(this.#messages(batch, exchange), { signal: limit.signal });
      this.#listen(broker, exchange, batch);
      return undefined;
    } catch (error) {
      return error ?? new BrokerConnectionError('Publishing events failed.');
    }
  }

  #messages(batch: readonly Waiting[], exchange: string): readonly Outgoing[] {
    const messages: Outgoing[] = [];
    let together: Waiting[] = [];
    const leave = (): void => {
      const [first] = together;
      if (first !== undefined) messages.push(this.#message(first.from, together, first.arrayKey, exchange));
      together = [];
    };
    for (const waiting of batch) {
      const [first] = together;
      const joins = waiting.routingKey === undefined && first?.group === waiting.group && first.from === waiting.from;
      if (!joins || together.length >= MAX_BATCH) leave();
      if (waiting.routingKey === undefined) together.push(waiting);
      else messages.push(this.#message(waiting.from, waiting, waiting.routingKey, exchange));
    }
    leave();
    return messages;
  }

  #message(from: Sender, content: Waiting | readonly Waiting[], routingKey: string, exchange: string): Outgoing {
    const { body, contentType, contentEncoding } = this.#body(content);
    return {
      exchange,
      routingKey,
      headers: from.headers,
      headersText: from.headersText,
      properties: { contentType, contentEncoding, deliveryMode: TRANSIENT, priority: 0 },
      body,
    };
  }

  #body(content: Waiting | readonly Waiting[]): { body: Uint8Array; contentType: string; contentEncoding: string } {
    const all = 'event' in content ? content.event : content.map(({ event }) => event);
    const isText = typeof all === 'string' || (Array.isArray(all) && all.every((event) => typeof event === 'string'));
    if (!isText) {
      // The serializer was changed while some waited as texts.
      const objects = Array.isArray(all) ? all.map((event: Written) => asObject(event)) : all;
      return this.#host.serialization.encode(objects, this.#host.settings.eventSerializer);
    }
    const text = typeof all === 'string' ? all : `[${(all as readonly string[]).join(',')}]`;
    return { body: Buffer.from(text), contentType: 'application/json', contentEncoding: 'utf-8' };
  }

  flush(): Promise<void> {
    return new Promise((resolve) => {
      this.#idlers.push(resolve);
      if (this.#pause !== undefined) this.#tellIdlers();
      else this.#schedule();
    });
  }

  #tellIdlers(): void {
    if (this.#isSending) return;
    for (const resolve of this.#idlers.splice(0)) resolve();
  }

  info(): DispatcherInfo {
    return { sent: this.#sent, dropped: this.#dropped, waiting: this.#size };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#pause?.cancel();
    this.#pause = undefined;
    await patiently(this.flush());
    this.#dropped += this.#size;
    this.#waiting = [];
    this.#head = 0;
  }
}

/** The routing key of arrays of a group. */
export function arrayKeyOf(group: string): string {
  return `${group}.multi`;
}

function asObject(event: Written): unknown {
  return typeof event === 'string' ? (JSON.parse(event) as unknown) : event;
}
