// The receiver of events: a queue of its own on the broker, read without acknowledgement, opened anew whenever the line is lost. A slow
// reader costs bounded memory: the oldest events fall out and a gap says so.
//   connecting → listening → lost → waiting → connecting …   (ended by its signal, its limit or its reader)
import type { Broker, Delivery, Subscription } from '../broker/index.ts';
import { type CeleryEvent, parseEvents } from '../protocol/index.ts';
import type { Serialization } from '../serialization/index.ts';
import {
  backoff,
  type Clock,
  ContentError,
  type LamportClock,
  LovageError,
  logger,
  orAborted,
  sleep,
  uuid,
} from '../util/index.ts';
import { type MonitorSettings, monitorTopology } from './topology.ts';

/** Events that wait for a slow reader, and in a queue of a broker that does not drop by age. */
const BUFFER = 10_000;
const RECONNECT = { first: 0.2, cap: 30 };
/** RabbitMQ hands them over without being asked; other brokers so many at once. */
const PREFETCH = 1000;
const log = logger('event');

/** An event, and when it was heard here (epoch seconds). */
export type ReceivedEvent = CeleryEvent & { readonly localReceived: number };

/** Something may be missing before the next event. */
export interface GapEvent {
  readonly type: 'gap';
  /** `reconnected`: nobody listened for a while. `overflow`: the reader was too slow. */
  readonly reason: 'reconnected' | 'overflow';
  /** Events that were dropped; undefined where nobody can know. */
  readonly dropped: number | undefined;
  /** Epoch seconds. */
  readonly timestamp: number;
}

export type StreamEvent = ReceivedEvent | GapEvent;
export type StreamState = 'connecting' | 'listening' | 'lost' | 'ended';

export interface ReceiveOptions {
  /** Which events the broker hands over: `#` all, `worker.#` those of workers. Task events of a worker travel together as `task.multi`. @default '#' */
  readonly routingKey?: string;
  /** Only these types, or names of custom ones. Gaps come in any case. */
  readonly types?: readonly string[];
  /** End after so many events. */
  readonly limit?: number;
  readonly signal?: AbortSignal;
  /** Ask all workers for a heartbeat when listening begins, so that they are known at once. @default true */
  readonly wakeup?: boolean;
  /** Events kept for a slow reader. @default 10000 */
  readonly buffer?: number;
  /** Seconds for which an event waits in the queue. @default the setting eventQueueTtl */
  readonly ttl?: number;
  /** Told when the line changes, with the error that ended it. */
  readonly onState?: (state: StreamState, error?: unknown) => void;
}

/** What a receiver needs of its app. */
export interface ReceiverHost {
  readonly settings: MonitorSettings & { readonly eventSerializer: string };
  readonly serialization: Pick<Serialization, 'decode' | 'accept'>;
  readonly lamport: LamportClock;
  readonly clock: Clock;
  /** For the broker's lists of who listens. */
  readonly name: string;
  broker(): Promise<Broker>;
  /** Asks all workers for a heartbeat. */
  wakeup(): Promise<void>;
}

/** Events as they come: `for await (const event of stream)`. It listens from `ready()` or the first look on, and ends with its reader. */
export interface EventStream extends AsyncIterable<StreamEvent>, AsyncDisposable {
  /** Begins to listen. Resolves when events are heard; rejects when that can never be. */
  ready(): Promise<void>;
  /** What waits for the reader: a batch at once, or as soon as something comes; undefined at the end. */
  batch(): Promise<readonly StreamEvent[] | undefined>;
}

/** Makes a stream. Nothing is opened yet. */
export function receiveEvents(host: ReceiverHost, options: ReceiveOptions = {}): EventStream {
  return new Receiver(host, options);
}

class Receiver implements EventStream {
  readonly #host: ReceiverHost;
  readonly #options: ReceiveOptions;
  readonly #stop = new AbortController();
  readonly #ready = Promise.withResolvers<void>();
  readonly #types: ReadonlySet<string> | undefined;
  #waiting: StreamEvent[] = [];
  #dropped = 0;
  #left: number;
  #wake: (() => void) | undefined;
  #running: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #ended = false;
  #name = '';

  constructor(host: ReceiverHost, options: ReceiveOptions) {
    this.#host = host;
    this.#options = options;
    this.#types = options.types === undefined ? undefined : new Set(options.types);
    this.#left = options.limit ?? Number.POSITIVE_INFINITY;
    this.#ready.promise.catch(() => undefined);
  }

  async ready(): Promise<void> {
    this.#start();
    using _alive = keepAlive();
    await this.#ready.promise;
  }

  #start(): void {
    const { signal } = this.#options;
    const stop = (): void => this.#end();
    if (this.#running !== undefined) return;
    if (signal?.aborted === true) stop();
    signal?.addEventListener('abort', stop, { once: true });
    this.#running = this.#run().finally(() => {
      signal?.removeEventListener('abort', stop);
      this.#ended = true;
      this.#ready.resolve();
      this.#options.onState?.('ended', this.#failure?.error);
      this.#wake?.();
    });
  }

  async #run(): Promise<void> {
    let failures = 0;
    let heard = false;
    while (!this.#stop.signal.aborted) {
      this.#options.onState?.('connecting');
      let error: unknown;
      try {
        await using subscription = await this.#open();
        if (heard) this.#push([this.#gap('reconnected', undefined)]);
        heard = true;
        failures = 0;
        this.#options.onState?.('listening');
        this.#ready.resolve();
        this.#wakeUp();
        await this.#listen(subscription);
      } catch (thrown) {
        error = thrown;
      }
      await this.#forget();
      if (this.#stop.signal.aborted) return;
      if (error instanceof LovageError && !error.transient) {
        this.#failure = { error };
        this.#ready.reject(error);
        return;
      }
      this.#options.onState?.('lost', error);
      log.debug('The line of a receiver of events was lost: {error}', { error: String(error) });
      await sleep(backoff(failures++, RECONNECT), this.#stop.signal).catch(() => undefined);
    }
  }

  async #open(): Promise<Subscription> {
    const { host, signal } = { host: this.#host, signal: this.#stop.signal };
    const broker = await host.broker();
    const { routingKey = '#', ttl } = this.#options;
    // A name of its own for each line: after a lost one RabbitMQ keeps an exclusive queue until it has noticed.
    const queue = { id: uuid(), routingKey, ...(ttl === undefined ? {} : { ttl }) };
    // RabbitMQ drops by age; the others drop when somebody looks, so there the number of what waits is limited.
    const bounded = broker.name === 'amqp' ? {} : { maxLength: BUFFER };
    const { name, ...topology } = monitorTopology({ ...queue, ...bounded }, host.settings, broker.features);
    this.#name = name;
    await orAborted(broker.declare(topology), signal);
    const opening = broker.subscribe([name], { prefetch: PREFETCH, node: `events.${host.name}`, noAck: true });
    return orAborted(opening, signal).catch((error: unknown) => {
      opening.then((late) => late[Symbol.asyncDispose]()).catch(() => undefined);
      throw error;
    });
  }

  /** The broker need not declare the queue again when it reconnects. */
  async #forget(): Promise<void> {
    const broker = await this.#host.broker().catch(() => undefined);
    const gone = broker?.remove(this.#name).catch((error: unknown) => {
      log.debug('The queue of a receiver of events could not be removed: {error}', { error: String(error) });
    });
    if (!this.#stop.signal.aborted) return;
    await Promise.race([gone, sleep(1, undefined, { ref: false })]);
  }

  #wakeUp(): void {
    if (this.#options.wakeup === false) return;
    this.#host.wakeup().catch((error: unknown) => {
      log.debug('Workers could not be asked for a heartbeat: {error}', { error: String(error) });
    });
  }

  async #listen(subscription: Subscription): Promise<void> {
    const cancel = (): void => void subscription.cancel().catch(() => undefined);
    if (this.#stop.signal.aborted) return;
    this.#stop.signal.addEventListener('abort', cancel, { once: true });
    try {
      for await (const batch of subscription) {
        const events: ReceivedEvent[] = [];
        for (const delivery of batch) this.#read(delivery, events);
        this.#push(events);
      }
    } finally {
      this.#stop.signal.removeEventListener('abort', cancel);
    }
  }

  #read({ body, properties, routingKey }: Delivery, into: ReceivedEvent[]): void {
    const { serialization, settings, clock } = this.#host;
    const { contentType, contentEncoding } = properties;
    let value: unknown;
    try {
      value = serialization.decode(
        { body, contentType, contentEncoding },
        serialization.accept(['json', settings.eventSerializer]),
      );
    } catch (error) {
      if (!(error instanceof ContentError)) throw error;
      log.debug('A message to the exchange of events ({routingKey}) cannot be read: {error}', {
        routingKey,
        error: String(error),
      });
      return;
    }
    const { events, refused } = parseEvents(value);
    if (refused > 0) log.debug('{refused} things in a message of events are none.', { refused });
    const localReceived = clock.now();
    for (const event of events) {
      this.#count(event);
      if (this.#wanted(event)) into.push({ ...event, localReceived });
    }
  }

  /** Programs that only send never hear of others, so their clocks say nothing. */
  #count({ type, clock }: CeleryEvent): void {
    if (type === 'task-sent') return;
    if (clock === undefined) this.#host.lamport.forward();
    else this.#host.lamport.adjust(clock);
  }

  #wanted(event: CeleryEvent): boolean {
    return this.#types === undefined || this.#types.has(event.type === 'custom' ? event.name : event.type);
  }

  #gap(reason: GapEvent['reason'], dropped: number | undefined): GapEvent {
    return { type: 'gap', reason, dropped, timestamp: this.#host.clock.now() };
  }

  #push(events: readonly StreamEvent[]): void {
    if (events.length === 0) return;
    const { buffer = BUFFER } = this.#options;
    this.#waiting = this.#waiting.length === 0 ? [...events] : this.#waiting.concat(events);
    const over = this.#waiting.length - buffer;
    if (over > 0) {
      this.#waiting = this.#waiting.slice(over);
      this.#dropped += over;
    }
    this.#wake?.();
  }

  async batch(): Promise<readonly StreamEvent[] | undefined> {
    this.#start();
    // Somebody waits for events: connections that are idle do not keep the process alive, the reader does.
    using _alive = this.#waiting.length === 0 ? keepAlive() : undefined;
    while (this.#waiting.length === 0 && !this.#ended && !this.#stop.signal.aborted && this.#left > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
      this.#wake = undefined;
    }
    if (this.#waiting.length === 0 || this.#left <= 0 || this.#stop.signal.aborted) {
      if (this.#failure !== undefined) throw this.#failure.error;
      return undefined;
    }
    return this.#take();
  }

  #take(): readonly StreamEvent[] {
    const batch = this.#waiting;
    this.#waiting = [];
    const dropped = this.#dropped;
    this.#dropped = 0;
    const events = batch.length > this.#left ? batch.slice(0, this.#left) : batch;
    this.#left -= events.length;
    return dropped === 0 ? events : [this.#gap('overflow', dropped), ...events];
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StreamEvent, undefined> {
    try {
      for (let batch = await this.batch(); batch !== undefined; batch = await this.batch()) yield* batch;
    } finally {
      await this[Symbol.asyncDispose]();
    }
    return undefined;
  }

  #end(): void {
    this.#stop.abort();
    this.#wake?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
    await this.#running;
  }
}

function keepAlive(): Disposable {
  const timer = setInterval(() => undefined, 2 ** 30);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
