// One task as its events tell it. The events are kept in the order in which they happened and folded anew when one is added, so that late,
// doubled and shuffled ones lead to the same picture.
import type { CallFields, CeleryEvent, TaskEvent } from '../protocol/index.ts';

/** States by rank, highest first; those of custom events stand behind FAILURE. */
const RANKS = ['SUCCESS', 'FAILURE', 'custom', 'REVOKED', 'STARTED', 'RECEIVED', 'REJECTED', 'RETRY', 'PENDING'];
const STATES: Readonly<Record<TaskEvent['type'], string>> = {
  'task-sent': 'PENDING',
  'task-received': 'RECEIVED',
  'task-started': 'STARTED',
  'task-succeeded': 'SUCCESS',
  'task-failed': 'FAILURE',
  'task-retried': 'RETRY',
  'task-revoked': 'REVOKED',
  'task-rejected': 'REJECTED',
  'task-cancelled': 'CANCELLED',
};
const READY: ReadonlySet<string> = new Set(['SUCCESS', 'FAILURE', 'REVOKED']);
/** A run is over and another may come. */
const BETWEEN: ReadonlySet<string> = new Set(['RETRY', 'REJECTED', 'CANCELLED', 'PENDING']);
/** Events kept of one task; of more, the middle goes. */
const MAX_EVENTS = 32;
/** Of two events of one moment, what comes first. */
const STAGE = ['PENDING', 'RECEIVED', 'STARTED', 'custom', 'RETRY', 'REJECTED', 'CANCELLED', 'REVOKED', 'FAILURE', 'SUCCESS'];

/** An event about one task. */
export type AboutTask = CeleryEvent & { readonly uuid: string };

/** A task as monitors show it. Times are epoch seconds of the event of that name. */
export interface TaskView extends CallFields {
  readonly uuid: string;
  /** Celery's states, and those of custom events: `task-progress` makes `PROGRESS`. */
  readonly state: string;
  /** SUCCESS, FAILURE or REVOKED: nothing more will come of it. */
  readonly isReady: boolean;
  /** Of the event that made the state. */
  readonly timestamp: number;
  readonly clock: number | undefined;
  /** Node name of the worker that had it last. */
  readonly worker: string | undefined;
  /** Who sent it. */
  readonly client: string | undefined;
  readonly sent?: number;
  readonly received?: number;
  readonly started?: number;
  readonly succeeded?: number;
  readonly failed?: number;
  readonly retried?: number;
  readonly revoked?: number;
  readonly rejected?: number;
  readonly cancelled?: number;
  readonly result?: string;
  readonly runtime?: number;
  readonly exception?: string;
  readonly traceback?: string | null;
  readonly queue?: string | null;
  readonly exchange?: string | null;
  readonly routingKey?: string | null;
  /** Fields of the last custom event. */
  readonly custom?: Readonly<Record<string, unknown>>;
}

/** `task-custom-thing` → `CUSTOM-THING`. */
function stateOf(event: AboutTask): string {
  if (event.type === 'custom') return event.name.slice(event.name.indexOf('-') + 1).toUpperCase();
  return STATES[event.type as TaskEvent['type']];
}

function place(list: readonly string[], state: string): number {
  const index = list.indexOf(state);
  return index === -1 ? list.indexOf('custom') : index;
}

/** The order in which events of one task happened. What was sent was sent first, whatever the clock of its sender says. */
function compare(a: AboutTask, b: AboutTask): number {
  const [aSent, bSent] = [a.type === 'task-sent', b.type === 'task-sent'];
  if (aSent !== bSent) return aSent ? -1 : 1;
  const time = a.timestamp - b.timestamp || (a.clock ?? 0) - (b.clock ?? 0);
  return (
    time ||
    place(STAGE, stateOf(a)) - place(STAGE, stateOf(b)) ||
    (a.hostname < b.hostname ? -1 : a.hostname > b.hostname ? 1 : 0)
  );
}

function isSame(a: AboutTask, b: AboutTask): boolean {
  return compare(a, b) === 0 && stateOf(a) === stateOf(b);
}

/** Adds an event where it belongs. Answers false for one that is there already. */
export function addEvent(events: AboutTask[], event: AboutTask): boolean {
  let at = events.length;
  while (at > 0 && compare(events[at - 1] as AboutTask, event) > 0) at--;
  for (let before = at - 1; before >= 0 && compare(events[before] as AboutTask, event) === 0; before--) {
    if (isSame(events[before] as AboutTask, event)) return false;
  }
  events.splice(at, 0, event);
  // The first say what it is, the last how it is.
  if (events.length > MAX_EVENTS) events.splice(MAX_EVENTS / 2, 1);
  return true;
}

const CALL_FIELDS = ['name', 'args', 'kwargs', 'rootId', 'parentId', 'retries', 'eta', 'expires'] as const;
const ENVELOPE: ReadonlySet<string> = new Set([
  'hostname',
  'utcoffset',
  'pid',
  'clock',
  'timestamp',
  'type',
  'localReceived',
  'fields',
  'name',
]);

interface Fold {
  state: string;
  timestamp: number;
  clock: number | undefined;
  worker: string | undefined;
  client: string | undefined;
  retries: number;
  fields: Record<string, unknown>;
}

/** Does the event make the state, or is it too late for that? */
function decides(fold: Fold, state: string, event: AboutTask): boolean {
  if (READY.has(fold.state)) {
    // A task that ended comes again only as a later attempt.
    if (state === 'RECEIVED' && event.type === 'task-received') return (event.retries ?? 0) > fold.retries;
    return READY.has(state) && place(RANKS, state) <= place(RANKS, fold.state);
  }
  // Events stand in their order, so what ends a run came after all of it.
  return BETWEEN.has(state) || BETWEEN.has(fold.state) || place(RANKS, state) <= place(RANKS, fold.state);
}

function merge(fold: Fold, event: AboutTask, isLate: boolean): void {
  if (event.type === 'custom') {
    fold.fields.custom = event.fields;
    return;
  }
  const given = event as unknown as Readonly<Record<string, unknown>>;
  const names = event.type === 'task-received' || event.type === 'task-sent' ? CALL_FIELDS : [];
  if (names.length > 0 && isLate) {
    for (const name of names) if (given[name] !== undefined) fold.fields[name] = given[name];
    return;
  }
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined && (name === 'name' || !ENVELOPE.has(name))) fold.fields[name] = value;
  }
}

/** The picture that these events make; undefined for none. */
export function foldTask(uuid: string, events: readonly AboutTask[]): TaskView | undefined {
  const [first] = events;
  if (first === undefined) return undefined;
  const fold: Fold = {
    state: 'PENDING',
    timestamp: first.timestamp,
    clock: first.clock,
    worker: undefined,
    client: undefined,
    retries: 0,
    fields: {},
  };
  for (const event of events) {
    const state = stateOf(event);
    const makes = decides(fold, state, event);
    merge(fold, event, !makes);
    if (event.type === 'task-sent') fold.client ??= event.hostname;
    else fold.worker = event.hostname;
    if (event.type !== 'custom') fold.fields[event.type.slice('task-'.length)] = event.timestamp;
    if (event.type === 'task-received') fold.retries = Math.max(fold.retries, event.retries ?? 0);
    if (makes) Object.assign(fold, { state, timestamp: event.timestamp, clock: event.clock });
  }
  const { fields, state, timestamp, clock, worker, client } = fold;
  return { ...fields, uuid, state, isReady: READY.has(state), timestamp, clock, worker, client };
}
