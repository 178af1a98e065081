// The sender of events: workers have one, and so has every app that sends some. `send` writes the event and returns. The events of one
// turn of the event loop leave in one publish, those of a busy worker a hundred times a second; task events of a worker travel as arrays.
// One publish is under way at a time: behind a slow broker events gather in a ring, from which the oldest fall and are counted.
// Most events are heard by nobody. Where the broker tells, one of those that wait asks on behalf of all: only when somebody heard it are the
// others written at all. Whoever listens before they leave hears them all.
import type { Broker, Outgoing } from '../broker/index.ts';
import { eventGroup, eventRoutingKey, utcOffset, writeFields } from '../protocol/index.ts';
import { type Serialization, writeHeaderJson } from '../serialization/index.ts';
import {
  after,
  BrokerConnectionError,
  type Clock,
  deadline,
  type LamportClock,
  logger,
  PublishError,
  redactData,
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
/** Seconds for which the offset of the time zone holds. */
const OFFSET_FOR = 60;
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

export interface DispatcherOptions {
  /** Node name. */
  readonly hostname: string;
  /** Groups that pass (`worker`, `task`); absent: all. */
  readonly groups?: Iterable<string>;
  /** Groups whose events travel in arrays. @default none */
  readonly batched?: Iterable<string>;
  /** @default that of this process */
  readonly pid?: number;
}

/** How the sending goes. */
export interface DispatcherInfo {
  readonly sent: number;
  /** Fell from the ring, or were lost on the way. */
  readonly dropped: number;
  readonly waiting: number;
}

/** A kind of event that is written when it leaves, if it does. Its subject must not change before. */
export interface EventKind<Subject> {
  readonly type: string;
  /** Its fields, by their camelCase names. */
  fields(subject: Subject): Readonly<Record<string, unknown>>;
  /** The same as members of a JSON object, by their names on the wire in Celery's order, where writing them by hand pays. */
  members?(subject: Subject): string;
}

/** Sends events. */
export interface Dispatcher extends AsyncDisposable {
  readonly hostname: string;
  /** Does an event of this group go out? */
  passes(group: string): boolean;
  /** Lets a group out. Answers whether that is a change. */
  enable(group: string): boolean;
  disable(group: string): boolean;
  /** Sends an event if its group passes. Fields have camelCase names; those of a type that Celery does not have go out as they are. Throws EncodeError for values that cannot be written. */
  send(type: string, fields: Readonly<Record<string, unknown>>): void;
  /** The same, written when it leaves. */
  sendLater<Subject>(kind: EventKind<Subject>, subject: Subject): void;
  /** Resolves when nothing waits, or nothing can be sent. */
  flush(): Promise<void>;
  info(): DispatcherInfo;
}

/** Who sends: the same in each of its messages. */
interface Sender {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly headersText: string;
}

/** An event: its JSON, where it travels as JSON; else the object. */
type Written = string | Readonly<Record<string, unknown>>;

/** One event that waits. */
interface Waiting {
  readonly from: Sender;
  /** undefined: travels in an array of its group. */
  readonly routingKey: string | undefined;
  readonly group: string;
  /** The routing key of arrays of its group. */
  readonly arrayKey: string;
  readonly event: Written;
}

/** What all events of one kind of one dispatcher have in common. */
interface Way extends Pick<Waiting, 'from' | 'routingKey' | 'group' | 'arrayKey'> {
  readonly write: (subject: unknown, count: number, timestamp: number) => Written;
}

/** An event that is not written yet. */
class Later implements Waiting {
  readonly #way: Way;
  readonly #subject: unknown;
  readonly #count: number;
  readonly #timestamp: number;

  constructor(way: Way, subject: unknown, count: number, timestamp: number) {
    this.#way = way;
    this.#subject = subject;
    this.#count = count;
    this.#timestamp = timestamp;
  }

  get from(): Sender {
    return this.#way.from;
  }

  get routingKey(): string | undefined {
    return this.#way.routingKey;
  }

  get group(): string {
    return this.#way.group;
  }

  get arrayKey(): string {
    return this.#way.arrayKey;
  }

  get event(): Written {
    return this.#way.write(this.#subject, this.#count, this.#timestamp);
  }
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

/** Makes a dispatcher; several share one way out. */
export function createDispatcher(host: EventHost, outbox: EventOutbox, options: DispatcherOptions): Dispatcher {
  return new EventDispatcher(host, outbox, options);
}

class EventDispatcher implements Dispatcher {
  readonly hostname: string;
  readonly #host: EventHost;
  readonly #outbox: EventOutbox;
  readonly #groups: Set<string> | undefined;
  readonly #batched: ReadonlySet<string>;
  readonly #pid: number;
  readonly #from: Sender;
  readonly #ways = new Map<EventKind<never>, Way>();
  #isOver = false;
  #offset: { readonly until: number; readonly text: string; readonly hours: number } | undefined;

  constructor(host: EventHost, outbox: EventOutbox, options: DispatcherOptions) {
    this.hostname = options.hostname;
    this.#host = host;
    this.#outbox = outbox;
    this.#groups = options.groups === undefined ? undefined : new Set(options.groups);
    this.#batched = new Set(options.batched);
    this.#pid = options.pid ?? process.pid;
    const headers = { hostname: options.hostname };
    this.#from = { headers, headersText: writeHeaderJson(headers) };
  }

  passes(group: string): boolean {
    return this.#groups === undefined || this.#groups.has(group);
  }

  enable(group: string): boolean {
    if (this.passes(group)) return false;
    this.#groups?.add(group);
    return true;
  }

  disable(group: string): boolean {
    return this.#groups?.delete(group) ?? false;
  }

  send(type: string, fields: Readonly<Record<string, unknown>>): void {
    const group = eventGroup(type);
    if (!this.passes(group) || this.#isOver) return;
    const together = this.#batched.has(group);
    this.#outbox.add({
      from: this.#from,
      routingKey: together ? undefined : eventRoutingKey(type),
      group,
      arrayKey: arrayKeyOf(group),
      event: this.#write(type, fields),
    });
  }

  sendLater<Subject>(kind: EventKind<Subject>, subject: Subject): void {
    const way = this.#wayOf(kind);
    if (!this.passes(way.group) || this.#isOver) return;
    const { lamport, clock } = this.#host;
    this.#outbox.add(new Later(way, subject, lamport.forward(), clock.now()));
  }

  #wayOf<Subject>(kind: EventKind<Subject>): Way {
    const known = this.#ways.get(kind);
    if (known !== undefined) return known;
    const group = eventGroup(kind.type);
    const way: Way = {
      from: this.#from,
      group,
      arrayKey: arrayKeyOf(group),
      routingKey: this.#batched.has(group) ? undefined : eventRoutingKey(kind.type),
      // Only subjects of this kind go this way.
      write: (subject, count, timestamp) => this.#writeLater(kind, subject as Subject, count, timestamp),
    };
    this.#ways.set(kind, way);
    return way;
  }

  #writeLater<Subject>(kind: EventKind<Subject>, subject: Subject, count: number, timestamp: number): Written {
    const { text, hours } = this.#zone(timestamp);
    if (this.#host.settings.eventSerializer === 'json' && kind.members !== undefined)
      return `${text}${count},${kind.members(subject)},"timestamp":${timestamp},"type":"${kind.type}"}`;
    const head = { hostname: this.hostname, utcoffset: hours, pid: this.#pid, clock: count };
    return { ...head, ...writeFields(kind.type, kind.fields(subject)), timestamp, type: kind.type };
  }

  #write(type: string, fields: Readonly<Record<string, unknown>>): Written {
    const { settings, serialization, lamport, clock } = this.#host;
    const own = writeFields(type, fields);
    // Fields of the user's own: monitors are read by more people than the task that they are about.
    const wire = own === fields ? (redactData(fields) as typeof fields) : own;
    const timestamp = clock.now();
    const { text, hours } = this.#zone(timestamp);
    // By hand: what is the same in every event need not be written again (bench row events).
    if (settings.eventSerializer === 'json' && own !== fields) {
      const members = JSON.stringify(wire);
      const tail = `"timestamp":${timestamp},"type":"${type}"}`;
      return `${text}${lamport.forward()},${members.length > 2 ? `${members.slice(1, -1)},` : ''}${tail}`;
    }
    const head = { hostname: this.hostname, utcoffset: hours, pid: this.#pid };
    const whole = (count: number): Readonly<Record<string, unknown>> => ({ ...head, clock: count, ...wire, timestamp, type });
    // Said to the caller, who knows what it gave: an event that cannot be written would come back with every try.
    const { body, contentEncoding } = serialization.encode(whole(lamport.value + 1), settings.eventSerializer);
    const count = lamport.forward();
    return settings.eventSerializer === 'json' && contentEncoding === 'utf-8' ? new TextDecoder().decode(body) : whole(count);
  }

  /** The head of an event, which holds the hours west of UTC: they change with the season. */
  #zone(now: number): { readonly text: string; readonly hours: number } {
    if (this.#offset === undefined || this.#offset.until < now) {
      const hours = this.#host.settings.eventUtcOffset ?? utcOffset(new Date(now * 1000));
      const text = `{"hostname":${JSON.stringify(this.hostname)},"utcoffset":${hours},"pid":${this.#pid},"clock":`;
      this.#offset = { until: now + OFFSET_FOR, text, hours };
    }
    return this.#offset;
  }

  flush(): Promise<void> {
    return this.#outbox.flush();
  }

  info(): DispatcherInfo {
    return this.#outbox.info();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await patiently(this.#outbox.flush());
  }
}

/** Waits, but not for ever: the last events are no reason to keep a program. */
async function patiently(work: Promise<void>): Promise<void> {
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
      const key = waiting.arrayKey;
      const waits = waiting.routingKey === undefined && this.#unheard.has(key) && asking.has(key);
      (waits ? silent : asked).push(waiting);
      asking.add(key);
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
function arrayKeyOf(group: string): string {
  return `${group}.multi`;
}

function asObject(event: Written): unknown {
  return typeof event === 'string' ? (JSON.parse(event) as unknown) : event;
}
