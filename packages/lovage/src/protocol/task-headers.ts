// The headers of a task message, read: every field checked once, so that nobody checks again.
import { InvalidTaskError } from '../util/index.ts';
import { isRecord, kindOf, own } from './record.ts';
import type { TaskHeaders } from './request.ts';

type Wire = Readonly<Record<string, unknown>>;

/** Names that are fields of their own; all others are the user's. */
const STANDARD: ReadonlySet<string> = new Set(
  [
    'lang task id shadow eta expires group group_index retries timelimit root_id parent_id argsrepr kwargsrepr origin',
    'ignore_result replaced_task_nesting stamped_headers stamps compression meth',
  ]
    .join(' ')
    .split(' '),
);

/**
 * Headers that a broker adds: RabbitMQ on the way to a dead-letter exchange and when it delivers again, Celery's Redis transport when it
 * gives a message back. Never sent on: they tell of that message alone.
 */
const BROKER_HEADERS: ReadonlySet<string> = new Set([
  'x-death',
  'x-delivery-count',
  'redelivered',
  ...['first', 'last'].flatMap((which) => ['exchange', 'queue', 'reason'].map((fact) => `x-${which}-death-${fact}`)),
]);

function invalid(key: string, expected: string, value: unknown): InvalidTaskError {
  return new InvalidTaskError(`The header '${key}' must be ${expected}, not ${kindOf(value)}`);
}

/** Text; a number is taken for its digits, as ids written by hand sometimes are. */
function text(wire: Wire, key: string): string | undefined {
  const value = own(wire, key);
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  throw invalid(key, 'text', value);
}

function requiredText(wire: Wire, key: string): string {
  const value = text(wire, key);
  if (value === undefined || value === '') throw new InvalidTaskError(`The header '${key}' is missing or empty`);
  return value;
}

function number(wire: Wire, key: string): number | undefined {
  const value = own(wire, key);
  if (value === undefined || value === null) return undefined;
  return finite(value) ?? fail(invalid(key, 'a number', value));
}

function fail(error: Error): never {
  throw error;
}

/** A finite number; header tables of AMQP may bring big integers. */
function finite(value: unknown): number | undefined {
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** `[hard, soft]`, hard first; null means no limits. */
function limits(wire: Wire): readonly [number | undefined, number | undefined] {
  const value = own(wire, 'timelimit');
  if (value === undefined || value === null) return [undefined, undefined];
  if (!Array.isArray(value)) throw invalid('timelimit', 'an array of two', value);
  const limit = (index: number): number | undefined => {
    const part: unknown = value[index];
    return part === undefined || part === null ? undefined : (finite(part) ?? fail(invalid('timelimit', 'two numbers', part)));
  };
  return [limit(0), limit(1)];
}

function stampNames(wire: Wire): readonly string[] | undefined {
  const value = own(wire, 'stamped_headers');
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw invalid('stamped_headers', 'an array of names', value);
  return value.filter((name): name is string => typeof name === 'string');
}

/** What is only shown, in logs and by monitors: what is no text is left out, since no task should fail of it. */
function shown(wire: Wire, key: string): string | undefined {
  const value = own(wire, key);
  return typeof value === 'string' ? value : undefined;
}

/** Only the stamps whose names are listed. */
function stampsOf(wire: Wire, names: readonly string[] | undefined): Record<string, unknown> {
  const stamps = own(wire, 'stamps');
  if (!isRecord(stamps) || names === undefined) return {};
  return Object.fromEntries(names.filter((name) => Object.hasOwn(stamps, name)).map((name) => [name, stamps[name]]));
}

/** User headers: those of nobody else, or what the header called `headers` holds, as Celery has it. Lovage's own stay on their message. */
function userHeaders(wire: Wire): Record<string, unknown> {
  const nested = own(wire, 'headers');
  if (isRecord(nested)) return nested;
  const keys = Object.keys(wire).filter((key) => !STANDARD.has(key) && !key.startsWith('x-lovage-'));
  return keys.length === 0 ? NO_HEADERS : Object.fromEntries(keys.map((key) => [key, wire[key]]));
}
const NO_HEADERS: Record<string, unknown> = Object.freeze({});

/** User headers as a retry sends them on: without what a broker added. */
export function forwardedHeaders(headers: Wire): Record<string, unknown> {
  return Object.fromEntries(Object.entries(headers).filter(([key]) => !BROKER_HEADERS.has(key)));
}

/** The id that headers (or a protocol 1 body) carry, if they carry a usable one: for those who must report a message that is no good. */
export function taskIdOf(headers: unknown): string | undefined {
  const id = isRecord(headers) ? own(headers, 'id') : undefined;
  return typeof id === 'string' && id !== '' ? id : undefined;
}

/** The task name likewise. */
export function taskNameOf(headers: unknown): string | undefined {
  const name = isRecord(headers) ? own(headers, 'task') : undefined;
  return typeof name === 'string' && name !== '' ? name : undefined;
}

/** What a revoke goes by, of headers that nobody has checked. */
export function revocableOf(headers: Wire): Pick<TaskHeaders, 'stampedHeaders' | 'stamps'> & { readonly id: string | undefined } {
  const listed = own(headers, 'stamped_headers');
  const stampedHeaders = Array.isArray(listed) ? stampNames(headers) : undefined;
  return { id: taskIdOf(headers), stampedHeaders, stamps: stampsOf(headers, stampedHeaders) };
}

/** Headers of protocol 2, or the body of protocol 1, as a record. Throws InvalidTaskError. */
export function parseTaskHeaders(wire: Wire): TaskHeaders {
  const id = requiredText(wire, 'id');
  const [timeLimit, softTimeLimit] = limits(wire);
  const stampedHeaders = stampNames(wire);
  const ignoreResult = own(wire, 'ignore_result');
  return {
    id,
    task: requiredText(wire, 'task'),
    lang: shown(wire, 'lang'),
    shadow: shown(wire, 'shadow'),
    eta: text(wire, 'eta'),
    expires: text(wire, 'expires'),
    group: text(wire, 'group'),
    groupIndex: number(wire, 'group_index'),
    retries: number(wire, 'retries') ?? 0,
    timeLimit,
    softTimeLimit,
    rootId: text(wire, 'root_id') ?? id,
    parentId: text(wire, 'parent_id'),
    argsRepr: shown(wire, 'argsrepr') ?? '',
    kwargsRepr: shown(wire, 'kwargsrepr') ?? '',
    origin: shown(wire, 'origin'),
    ignoreResult: ignoreResult === undefined || ignoreResult === null ? undefined : Boolean(ignoreResult),
    replacedTaskNesting: number(wire, 'replaced_task_nesting') ?? 0,
    stampedHeaders,
    stamps: stampsOf(wire, stampedHeaders),
    headers: userHeaders(wire),
  };
}
