// Jobs and outcomes as the head and body of a frame. What JSON can carry goes as JSON, whose reading and writing is a third of V8's own
// format; anything else (dates, bytes, integers beyond doubles in headers) goes in that. Bodies are bytes all the way.
import { deserialize, serialize } from 'node:v8';
import type { Job, Outcome } from '../task/index.ts';
import {
  BrokerConnectionError,
  LovageError,
  ShutdownError,
  SoftTimeLimitExceededError,
  TaskRevokedError,
} from '../util/index.ts';
import { type Frame, V8_HEAD } from './frames.ts';

/** The parts of a frame. */
export interface Parts {
  readonly head: string | Uint8Array;
  readonly body: Uint8Array;
}

const NOTHING = new Uint8Array(0);
const MAX_DEPTH = 20;
const NO_MESSAGES: Outcome['next'] = [];
const NO_RECORDS: Outcome['results'] = [];

/** Comes back from JSON as it went in? */
function isPlain(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'undefined':
      return true;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0);
    case 'object':
      return value === null || (depth > 0 && isPlainObject(value, depth));
    default:
      return false;
  }
}

function isPlainObject(value: object, depth: number): boolean {
  if (Array.isArray(value)) return value.every((item) => item !== undefined && isPlain(item, depth - 1));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  if ('toJSON' in value || Object.hasOwn(value, '__proto__')) return false;
  for (const key in value) {
    if (!isPlain((value as Record<string, unknown>)[key], depth - 1)) return false;
  }
  return true;
}

function headOf(frame: Frame): unknown {
  return frame.kind === V8_HEAD ? deserialize(frame.head) : JSON.parse(frame.text);
}

/** A value for a frame's head. */
export function writeValue(value: unknown): string | Uint8Array {
  return isPlain(value, MAX_DEPTH) ? JSON.stringify(value) : serialize(value);
}

export function readValue(frame: Frame): unknown {
  return headOf(frame);
}

/** How a job is to be run. */
export interface HowRun {
  readonly lane: number;
  /** The worker has to know of its beginning before it begins. */
  readonly announce: boolean;
  /** It waits for the job that is in its lane, and may be taken back until it begins. */
  readonly waits: boolean;
}

export function writeJob({ request, body, timeLimit, softTimeLimit }: Job, { lane, announce, waits }: HowRun): Parts {
  // The parts of a request that somebody else wrote; all others are ours, and plain.
  const plain =
    isPlain(request.headers, MAX_DEPTH) && isPlain(request.stamps, MAX_DEPTH) && isPlain(request.properties, MAX_DEPTH);
  const head = { lane, announce, waits: waits || undefined, timeLimit, softTimeLimit, request };
  return { head: plain ? JSON.stringify(head) : serialize(head), body };
}

export interface ReadJob extends HowRun {
  readonly job: Job;
}

export function readJob(frame: Frame): ReadJob {
  const head = headOf(frame) as Omit<HowRun, 'waits'> & { readonly waits?: true } & Omit<Job, 'body'>;
  const { lane, announce, waits = false, request, timeLimit, softTimeLimit } = head;
  return { lane, announce, waits, job: { request, body: frame.body, timeLimit, softTimeLimit } };
}

type Result = Outcome['results'][number];

/** Most outcomes are one record and nothing to send. Read, it becomes the outcome itself, so that nothing is copied. */
interface Short extends HowEnded {
  readonly outcome: Omit<Outcome, 'results' | 'next'> & { results?: readonly Result[]; next?: Outcome['next'] };
  readonly record?: Omit<Result, 'body'> & { body?: Uint8Array };
}

/** What a slot says of a job that has ended. */
export interface HowEnded {
  /** Something of it still runs. */
  readonly left: boolean;
  /** Its task has begun, which a message that cannot be read never does. */
  readonly began: boolean;
}

export function writeOutcome(outcome: Outcome, how: HowEnded): Parts {
  try {
    return written(outcome, how);
  } catch {
    return written({ ...outcome, next: outcome.next.map(asData) }, how);
  }
}

/** A message whose headers somebody made of what is no data, as JSON has them. */
function asData(message: Outcome['next'][number]): Outcome['next'][number] {
  return { ...message, headers: JSON.parse(JSON.stringify(message.headers)) as typeof message.headers };
}

function written(outcome: Outcome, { left, began }: HowEnded): Parts {
  const { results, next, openings, parts } = outcome;
  const [result] = results;
  const isShort =
    next.length === 0 &&
    openings === undefined &&
    parts === undefined &&
    results.length < 2 &&
    result?.unreadable === undefined &&
    isPlain(outcome.runtime, 1);
  if (!isShort) return { head: serialize({ left, began, outcome: portable(outcome) }), body: NOTHING };
  // What is undefined JSON leaves out.
  const short = { left, began, outcome: { ...outcome, results: undefined, next: undefined } };
  if (result === undefined) return { head: JSON.stringify(short), body: NOTHING };
  return { head: JSON.stringify({ ...short, record: { ...result, body: undefined } }), body: result.body };
}

/** V8 knows bytes as they are, but not classes of ours. */
function portable(outcome: Outcome): Outcome {
  return { ...outcome, results: outcome.results.map(({ unreadable: _, ...result }) => result) };
}

export interface ReadOutcome extends HowEnded {
  readonly outcome: Outcome;
}

export function readOutcome(frame: Frame): ReadOutcome {
  const head = headOf(frame);
  if (frame.kind === V8_HEAD) return head as ReadOutcome;
  const { left, began, outcome, record } = head as Short;
  outcome.next = NO_MESSAGES;
  outcome.results = record === undefined ? NO_RECORDS : [withBody(record, frame.body)];
  return { left, began, outcome: outcome as Outcome };
}

function withBody(record: NonNullable<Short['record']>, body: Uint8Array): Result {
  record.body = body;
  return record as Result;
}

/** Why a job shall stop, as data. */
export interface AbortReason {
  readonly code: string;
  readonly message: string;
  readonly signal?: string | undefined;
}

export function abortReasonOf(reason: unknown): AbortReason {
  const message = reason instanceof Error ? reason.message : String(reason);
  const code = reason instanceof LovageError ? reason.code : 'LOVAGE_SHUTDOWN';
  return { code, message, ...(reason instanceof TaskRevokedError ? { signal: reason.signal } : {}) };
}

/** The error again, of the class that tasks and outcomes know it by. */
export function errorOf({ code, message, signal }: AbortReason): Error {
  if (code === 'LOVAGE_TASK_REVOKED') return new TaskRevokedError(message, signal === undefined ? {} : { signal });
  if (code === 'LOVAGE_SOFT_TIME_LIMIT') return new SoftTimeLimitExceededError(message);
  return code === 'LOVAGE_BROKER_CONNECTION' ? new BrokerConnectionError(message) : new ShutdownError(message);
}
