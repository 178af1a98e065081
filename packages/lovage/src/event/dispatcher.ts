// The sender of events: workers have one, and so has every app that sends some. `send` writes the event, gives it to the outbox and
// returns; task events of a worker travel as arrays.
import { eventGroup, eventRoutingKey, utcOffset, writeFields } from '../protocol/index.ts';
import { writeHeaderJson } from '../serialization/index.ts';
import { redactData } from '../util/index.ts';
import type { Sender, Waiting, Written } from './backlog.ts';
import { arrayKeyOf } from './messages.ts';
import { type DispatcherInfo, type EventHost, type EventOutbox, patiently } from './outbox.ts';

/** Seconds for which the offset of the time zone holds. */
const OFFSET_FOR = 60;

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
