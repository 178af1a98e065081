// Events as they travel: one object for each, Celery's fields in Celery's order, several in an array. What comes is checked here and gets
// camelCase names; a type that Celery does not have comes out as `custom`, with its fields as they were sent.
import { DecodeError } from '../util/index.ts';
import { textRepr } from './python-repr.ts';
import { isRecord, kindOf, own } from './record.ts';

/** What every event carries. */
export interface EventEnvelope {
  /** Node name of the sender: `celery@host`; programs that only send are `gen<pid>@host`. */
  readonly hostname: string;
  /** Whole hours west of UTC in the sender's zone. `timestamp` needs no correction by it. */
  readonly utcoffset: number | undefined;
  readonly pid: number | undefined;
  /** Lamport clock of the sender; undefined where the sender has none. */
  readonly clock: number | undefined;
  /** Epoch seconds. */
  readonly timestamp: number;
}

/** What a worker says of itself. A peer may leave fields out, which means: as before. */
export interface WorkerFields {
  /** Seconds between two heartbeats. */
  readonly freq?: number;
  /** Tasks that run. */
  readonly active?: number;
  /** Tasks started since the worker did. */
  readonly processed?: number;
  readonly loadavg?: readonly number[];
  /** Name of the software: `py-celery`, `lovage`. */
  readonly swIdent?: string;
  readonly swVer?: string;
  readonly swSys?: string;
}

export interface WorkerEvent extends EventEnvelope, WorkerFields {
  readonly type: 'worker-online' | 'worker-heartbeat' | 'worker-offline';
}

/** A worker stands for election. */
export interface WorkerElectEvent extends EventEnvelope {
  readonly type: 'worker-elect';
  readonly id: string;
  readonly topic?: string;
  readonly action?: unknown;
  readonly cver?: number;
}

export interface WorkerElectAckEvent extends EventEnvelope {
  readonly type: 'worker-elect-ack';
  readonly id: string;
}

interface TaskEventBase extends EventEnvelope {
  /** Id of the task. */
  readonly uuid: string;
}

/** The fields that name a call. `args` and `kwargs` are texts as Python prints the values. */
export interface CallFields {
  readonly name?: string;
  readonly args?: string;
  readonly kwargs?: string;
  readonly rootId?: string | null;
  readonly parentId?: string | null;
  readonly retries?: number;
  /** ISO text. */
  readonly eta?: string | null;
  readonly expires?: string | null;
}

/** A publisher sent the task (setting taskSendSentEvent). */
export interface TaskSentEvent extends TaskEventBase, CallFields {
  readonly type: 'task-sent';
  readonly queue?: string | null;
  readonly exchange?: string | null;
  readonly routingKey?: string | null;
}

/** A worker has its message. */
export interface TaskReceivedEvent extends TaskEventBase, CallFields {
  readonly type: 'task-received';
}

export interface TaskStartedEvent extends TaskEventBase {
  readonly type: 'task-started';
}

export interface TaskSucceededEvent extends TaskEventBase {
  readonly type: 'task-succeeded';
  /** The value as Python prints it, shortened. */
  readonly result?: string;
  /** Seconds. */
  readonly runtime?: number;
}

export interface TaskFailedEvent extends TaskEventBase {
  readonly type: 'task-failed';
  /** The error as Python prints it: `ValueError('bad')`. */
  readonly exception?: string;
  readonly traceback?: string | null;
}

export interface TaskRetriedEvent extends TaskEventBase {
  readonly type: 'task-retried';
  readonly exception?: string;
  readonly traceback?: string | null;
}

export interface TaskRevokedEvent extends TaskEventBase {
  readonly type: 'task-revoked';
  /** It ran, and was stopped. */
  readonly terminated?: boolean;
  readonly signum?: number | string | null;
  /** It was too late; nobody revoked it. */
  readonly expired?: boolean;
}

export interface TaskRejectedEvent extends TaskEventBase {
  readonly type: 'task-rejected';
  readonly requeue?: boolean;
}

/** The worker stopped, or lost its broker, while the task ran; it runs again elsewhere. */
export interface TaskCancelledEvent extends TaskEventBase {
  readonly type: 'task-cancelled';
}

/** Whatever a program sends under a name of its own. */
export interface CustomEvent extends EventEnvelope {
  readonly type: 'custom';
  /** As it was sent: `task-progress`. */
  readonly name: string;
  /** Set for events about a task. */
  readonly uuid?: string;
  /** As they were sent. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** An event about a task that Celery knows. */
export type TaskEvent =
  | TaskSentEvent
  | TaskReceivedEvent
  | TaskStartedEvent
  | TaskSucceededEvent
  | TaskFailedEvent
  | TaskRetriedEvent
  | TaskRevokedEvent
  | TaskRejectedEvent
  | TaskCancelledEvent;

/** An event as it came. */
export type CeleryEvent = TaskEvent | WorkerEvent | WorkerElectEvent | WorkerElectAckEvent | CustomEvent;

type Kind = 'text' | 'textOrNull' | 'number' | 'boolean' | 'numbers' | 'any';
/** camelCase name, name on the wire, what it must be. */
type Field = readonly [name: string, wire: string, kind: Kind];

const same = (kind: Kind, ...names: readonly string[]): readonly Field[] => names.map((name) => [name, name, kind]);

const SOFTWARE: readonly Field[] = [
  ['swIdent', 'sw_ident', 'text'],
  ['swVer', 'sw_ver', 'text'],
  ['swSys', 'sw_sys', 'text'],
];
const WORKER: readonly Field[] = [
  ...same('number', 'freq', 'active', 'processed'),
  ['loadavg', 'loadavg', 'numbers'],
  ...SOFTWARE,
];
const IDS: readonly Field[] = [
  ['rootId', 'root_id', 'textOrNull'],
  ['parentId', 'parent_id', 'textOrNull'],
];
const UUID = same('text', 'uuid');
const ERROR = [...UUID, ...same('text', 'exception'), ...same('textOrNull', 'traceback')];

/** Fields of each type, in the order in which Celery writes them. */
const FIELDS: Readonly<Record<Exclude<CeleryEvent['type'], 'custom'>, readonly Field[]>> = {
  'worker-online': WORKER,
  'worker-heartbeat': WORKER,
  'worker-offline': WORKER,
  'worker-elect': [...same('text', 'id', 'topic'), ...same('any', 'action'), ...same('number', 'cver')],
  'worker-elect-ack': same('text', 'id'),
  'task-sent': [
    ...UUID,
    ...IDS,
    ...same('text', 'name', 'args', 'kwargs'),
    ...same('number', 'retries'),
    ...same('textOrNull', 'eta', 'expires', 'queue', 'exchange'),
    ['routingKey', 'routing_key', 'textOrNull'],
  ],
  'task-received': [
    ...UUID,
    ...same('text', 'name', 'args', 'kwargs'),
    ...IDS,
    ...same('number', 'retries'),
    ...same('textOrNull', 'eta', 'expires'),
  ],
  'task-started': UUID,
  'task-succeeded': [...UUID, ...same('text', 'result'), ...same('number', 'runtime')],
  'task-failed': ERROR,
  'task-retried': ERROR,
  'task-revoked': [...UUID, ...same('boolean', 'terminated'), ...same('any', 'signum'), ...same('boolean', 'expired')],
  'task-rejected': [...UUID, ...same('boolean', 'requeue')],
  'task-cancelled': UUID,
};

const ENVELOPE: ReadonlySet<string> = new Set(['hostname', 'utcoffset', 'pid', 'clock', 'timestamp', 'type']);

/** The fields of a type; undefined for one that Celery does not have. */
export function eventFields(type: string): readonly Field[] | undefined {
  return Object.hasOwn(FIELDS, type) ? FIELDS[type as keyof typeof FIELDS] : undefined;
}

/** `task-succeeded` → `task`. */
export function eventGroup(type: string): string {
  const dash = type.indexOf('-');
  return dash === -1 ? type : type.slice(0, dash);
}

/** `worker-elect-ack` → `worker.elect.ack`. */
export function eventRoutingKey(type: string): string {
  return type.replaceAll('-', '.');
}

/** Whole hours west of UTC, as Celery counts them: UTC+5:30 is -6. */
export function utcOffset(date: Date = new Date()): number {
  // Not -0, which JSON writers of peers would print as a float.
  return Math.floor(date.getTimezoneOffset() / 60) || 0;
}

function fits(value: unknown, kind: Kind): boolean {
  if (kind === 'numbers') return Array.isArray(value) && value.every((entry) => typeof entry === 'number');
  if (kind === 'any') return true;
  if (kind === 'textOrNull') return value === null || typeof value === 'string';
  return kind === 'text' ? typeof value === 'string' : typeof value === kind;
}

/** The farthest moment that a Date holds, in seconds. What lies beyond is in other units, or made to end whoever shows it. */
const LAST_MOMENT = 8.64e12;

const numberIn = (wire: Readonly<Record<string, unknown>>, key: string): number | undefined => {
  const value = own(wire, key);
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
};

/** Checks one event. Throws DecodeError when it is none; a field of a wrong kind is left out. */
export function parseEvent(wire: unknown): CeleryEvent {
  if (!isRecord(wire)) throw new DecodeError(`An event must be an object, not ${kindOf(wire)}.`);
  const type = own(wire, 'type');
  const hostname = own(wire, 'hostname');
  const timestamp = numberIn(wire, 'timestamp');
  if (typeof type !== 'string' || type === '') throw new DecodeError('An event has no type.');
  if (typeof hostname !== 'string' || timestamp === undefined || Math.abs(timestamp) > LAST_MOMENT)
    throw new DecodeError(`An event '${type}' does not say who sent it, or when.`);
  const envelope: EventEnvelope = {
    hostname,
    utcoffset: numberIn(wire, 'utcoffset'),
    pid: numberIn(wire, 'pid'),
    clock: numberIn(wire, 'clock'),
    timestamp,
  };
  const fields = eventFields(type);
  return fields === undefined ? custom(type, wire, envelope) : known(type, wire, envelope, fields);
}

function custom(name: string, wire: Readonly<Record<string, unknown>>, envelope: EventEnvelope): CustomEvent {
  const uuid = own(wire, 'uuid');
  const fields = Object.fromEntries(Object.entries(wire).filter(([key]) => !ENVELOPE.has(key)));
  return { ...envelope, type: 'custom', name, ...(typeof uuid === 'string' ? { uuid } : {}), fields };
}

function known(
  type: string,
  wire: Readonly<Record<string, unknown>>,
  envelope: EventEnvelope,
  fields: readonly Field[],
): CeleryEvent {
  const event: Record<string, unknown> = { ...envelope, type };
  for (const [name, key, kind] of fields) {
    const value = own(wire, key);
    if (value !== undefined && fits(value, kind)) event[name] = value;
  }
  const id = type.startsWith('task-') ? event.uuid : type.startsWith('worker-elect') ? event.id : '';
  if (typeof id !== 'string') throw new DecodeError(`An event '${type}' does not say whom it is about.`);
  // The table has put in what the interface of this type names.
  return event as unknown as CeleryEvent;
}

/** Checks a body: one event, or an array of them. What is no event is counted and left out. */
export function parseEvents(body: unknown): { readonly events: readonly CeleryEvent[]; readonly refused: number } {
  const events: CeleryEvent[] = [];
  const all: readonly unknown[] = Array.isArray(body) ? body : [body];
  for (const wire of all) {
    try {
      events.push(parseEvent(wire));
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
    }
  }
  return { events, refused: all.length - events.length };
}

/** The event as it travels, in Celery's order. */
export function writeEvent(event: CeleryEvent): Readonly<Record<string, unknown>> {
  const { hostname, utcoffset, pid, clock, timestamp } = event;
  const type = event.type === 'custom' ? event.name : event.type;
  const own = event.type === 'custom' ? event.fields : writeFields(type, event as unknown as Readonly<Record<string, unknown>>);
  return { hostname, utcoffset, pid, clock: clock ?? null, ...own, timestamp, type };
}

/** camelCase fields of a type under their names on the wire, in Celery's order. Those of a custom type are as they are. */
export function writeFields(type: string, fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const table = eventFields(type);
  if (table === undefined) return fields;
  const wire: Record<string, unknown> = {};
  for (const [name, key] of table) if (fields[name] !== undefined) wire[key] = fields[name];
  return wire;
}

const textIn = (headers: Readonly<Record<string, unknown>>, key: string): string | null => {
  const value = own(headers, key);
  return typeof value === 'string' ? value : null;
};

/** What `task-sent` says of a message with these headers; undefined when they are no task's. */
export function sentFields(
  headers: Readonly<Record<string, unknown>>,
  to: { readonly exchange: string; readonly routingKey: string; readonly queue: string | null },
): (CallFields & Pick<TaskSentEvent, 'uuid' | 'queue' | 'exchange' | 'routingKey'>) | undefined {
  const [uuid, name] = [textIn(headers, 'id'), textIn(headers, 'task')];
  if (uuid === null || name === null) return undefined;
  return {
    uuid,
    rootId: textIn(headers, 'root_id'),
    parentId: textIn(headers, 'parent_id'),
    name,
    args: textIn(headers, 'argsrepr') ?? '',
    kwargs: textIn(headers, 'kwargsrepr') ?? '',
    retries: numberIn(headers, 'retries') ?? 0,
    eta: textIn(headers, 'eta'),
    expires: textIn(headers, 'expires'),
    ...to,
  };
}

/** An error as Python prints it: `ValueError('bad')`. */
export function errorRepr(type: string, message: string, maxLength: number = 1024): string {
  const text = `${type}(${textRepr(message)})`;
  return text.length <= maxLength ? text : `${text.slice(0, maxLength - 4)}...)`;
}
