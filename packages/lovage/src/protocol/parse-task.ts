// A delivery becomes a TaskRequest: protocol 2 from its headers alone (the body stays in bytes), protocol 1 from its body, hybrids of
// the two from both.
import { InvalidTaskError } from '../util/index.ts';
import { inZone, parseTime } from './moments.ts';
import { isRecord, kindOf, own } from './record.ts';
import type { TaskBody, TaskHeaders, TaskRequest } from './request.ts';
import { argsRepr, kwargsRepr } from './saferepr.ts';
import { parseMappingBody } from './task-body.ts';
import { parseTaskHeaders } from './task-headers.ts';

/** What parseTask looks at: the broker room's Delivery fits. */
export interface TaskDelivery {
  readonly exchange: string;
  readonly routingKey: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly properties: {
    readonly contentType?: string | undefined;
    readonly contentEncoding?: string | undefined;
    readonly correlationId?: string | undefined;
    readonly replyTo?: string | undefined;
    readonly priority?: number | undefined;
    readonly extra?: Readonly<Record<string, unknown>> | undefined;
  };
  readonly body: Uint8Array;
  /** The queue that it was taken from. */
  readonly queue?: string | undefined;
  readonly redelivered: boolean;
  readonly attempts: number;
  /** Set when these headers came before but for a few texts. */
  readonly likeness?: Likeness;
}

interface Likeness {
  readonly kind: object;
  readonly id: string;
  readonly rootId: string;
  readonly parentId?: string | undefined;
  readonly groupId?: string | undefined;
  readonly groupIndex?: number | undefined;
  readonly argsRepr?: string | undefined;
  readonly kwargsRepr?: string | undefined;
}

export interface ParseTaskOptions<Delivery extends TaskDelivery> {
  /** Node name of the worker. */
  readonly hostname: string;
  /** Zone of times without an offset when a message says that they are local. @default this machine's */
  readonly zone?: string | undefined;
  /** Decodes a body by its content headers; called for protocol 1, whose errors pass through, and for headers with gaps. */
  readonly decodeBody: (delivery: Delivery) => unknown;
}

export interface ParsedTask {
  readonly request: TaskRequest;
  /** Protocol 1 and hybrids: read already. */
  readonly body: TaskBody | undefined;
}

/** What times without an offset are: UTC, or local when protocol 1 says `utc: false`. */
type Naive = 'utc' | { readonly zone: string | undefined };

function moment(headers: TaskHeaders, key: 'eta' | 'expires', naive: Naive): number | undefined {
  const text = headers[key];
  if (text === undefined) return undefined;
  const time = parseTime(text);
  if (time === undefined)
    throw new InvalidTaskError(`The header '${key}' is not a moment in ISO 8601: ${JSON.stringify(text.slice(0, 64))}`);
  return naive === 'utc' || /[zZ]$|[+-]\d{2}(:?\d{2}){0,2}$/.test(text.slice(10)) ? time : inZone(time, naive.zone);
}

function requestOf(delivery: TaskDelivery, headers: TaskHeaders, hostname: string, protocol: 1 | 2, naive: Naive): TaskRequest {
  const { properties } = delivery;
  // `headers: null` does come from the wire.
  const compression = isRecord(delivery.headers) ? own(delivery.headers, 'compression') : undefined;
  return {
    ...headers,
    properties: properties.extra,
    correlationId: properties.correlationId,
    replyTo: properties.replyTo,
    deliveryInfo: deliveryInfoOf(delivery),
    attempts: delivery.attempts,
    etaAt: moment(headers, 'eta', naive),
    expiresAt: moment(headers, 'expires', naive),
    hostname,
    contentType: properties.contentType || 'application/data',
    contentEncoding: properties.contentEncoding || 'utf-8',
    compression: typeof compression === 'string' && compression !== '' ? compression : undefined,
    protocol,
  };
}

function deliveryInfoOf({ exchange, routingKey, properties, redelivered, queue }: TaskDelivery): TaskRequest['deliveryInfo'] {
  return { exchange, routingKey, priority: properties.priority, redelivered, queue };
}

/** A protocol 1 body as headers: `taskset` is an old name of `group` and wins, the reprs are ours to make. */
function headersOfBody(wire: Readonly<Record<string, unknown>>, body: TaskBody): TaskHeaders {
  const taskset = own(wire, 'taskset');
  const group = taskset === undefined || taskset === null ? own(wire, 'group') : taskset;
  const { headers: _, ...fields } = wire;
  return parseTaskHeaders({ ...fields, group, argsrepr: argsRepr(body.args), kwargsrepr: kwargsRepr(body.kwargs) });
}

function parseProtocol1<Delivery extends TaskDelivery>(delivery: Delivery, options: ParseTaskOptions<Delivery>): ParsedTask {
  const wire = options.decodeBody(delivery);
  if (!isRecord(wire) || !Object.hasOwn(wire, 'task')) {
    throw new InvalidTaskError(
      `The message is not a task: it has no header 'task', and its body is ${kindOf(wire)} without 'task'`,
    );
  }
  const body = parseMappingBody(wire);
  const headers = { ...headersOfBody(wire, body), headers: forwardable(delivery.headers) };
  return { request: requestOf(delivery, headers, options.hostname, 1, naiveOf(wire, options)), body };
}

function naiveOf(body: Readonly<Record<string, unknown>>, { zone }: { readonly zone?: string | undefined }): Naive {
  return own(body, 'utc') === false ? { zone } : 'utc';
}

/** Protocol 1 keeps its fields in the body, so whatever its headers hold is the user's. */
function forwardable(headers: unknown): Record<string, unknown> {
  if (!isRecord(headers)) return {};
  return Object.fromEntries(Object.entries(headers).filter(([key]) => key !== 'compression' && !key.startsWith('x-lovage-')));
}

/** Headers that Celery writes always. Where one is missing, the body may be that of protocol 1 and have it. */
const ALWAYS = ['id', 'eta', 'expires', 'retries', 'timelimit', 'group', 'shadow', 'root_id', 'parent_id'];
/** What the body of a hybrid says for headers that are missing. */
const OF_BODY = [...ALWAYS, 'lang', 'meth', 'argsrepr', 'kwargsrepr', 'origin'];

/** The body of a hybrid: headers of protocol 2 over a body of protocol 1. Undefined when it is none, or nobody can read it here. */
function hybridBody<Delivery extends TaskDelivery>(delivery: Delivery, { decodeBody }: ParseTaskOptions<Delivery>): unknown {
  if (ALWAYS.every((key) => Object.hasOwn(delivery.headers, key))) return undefined;
  try {
    return decodeBody(delivery);
  } catch {
    // What is wrong with it is found again where the body is wanted.
    return undefined;
  }
}

function parseHybrid(
  delivery: TaskDelivery,
  body: Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, unknown>>,
  options: Pick<ParseTaskOptions<never>, 'hostname' | 'zone'>,
): ParsedTask {
  const fields = Object.fromEntries(OF_BODY.filter((key) => Object.hasOwn(body, key)).map((key) => [key, body[key]]));
  const merged = parseTaskHeaders({ ...fields, ...headers });
  return { request: requestOf(delivery, merged, options.hostname, 2, naiveOf(body, options)), body: parseMappingBody(body) };
}

/** The first request of each kind of headers that are alike. */
const kinds = new WeakMap<object, TaskRequest>();

/** Reads a task message of either protocol. Throws InvalidTaskError when it is none, and what decodeBody throws. */
export function parseTask<Delivery extends TaskDelivery>(delivery: Delivery, options: ParseTaskOptions<Delivery>): ParsedTask {
  const { likeness } = delivery;
  if (likeness === undefined) return parseNew(delivery, options);
  const known = kinds.get(likeness.kind);
  if (known !== undefined && likeness.id !== '')
    return { request: alike(known, likeness, delivery, options.hostname), body: undefined };
  const parsed = parseNew(delivery, options);
  const { request, body } = parsed;
  const repeats = body === undefined && request.protocol === 2 && request.etaAt === undefined && request.expiresAt === undefined;
  if (repeats && request.id === likeness.id) kinds.set(likeness.kind, request);
  return parsed;
}

/** A request that differs from a known one in nothing but what each message has of its own. */
function alike(known: TaskRequest, likeness: Likeness, delivery: TaskDelivery, hostname: string): TaskRequest {
  const { properties } = delivery;
  return {
    ...known,
    id: likeness.id,
    rootId: likeness.rootId,
    parentId: likeness.parentId ?? known.parentId,
    group: likeness.groupId ?? known.group,
    groupIndex: likeness.groupIndex ?? known.groupIndex,
    argsRepr: likeness.argsRepr ?? known.argsRepr,
    kwargsRepr: likeness.kwargsRepr ?? known.kwargsRepr,
    properties: properties.extra,
    correlationId: properties.correlationId,
    replyTo: properties.replyTo,
    deliveryInfo: deliveryInfoOf(delivery),
    attempts: delivery.attempts,
    hostname,
  };
}

function parseNew<Delivery extends TaskDelivery>(delivery: Delivery, options: ParseTaskOptions<Delivery>): ParsedTask {
  // Whatever a driver hands over: `headers: null` comes from the wire, too.
  const headers: unknown = delivery.headers;
  if (!isRecord(headers) || !Object.hasOwn(headers, 'task')) return parseProtocol1(delivery, options);
  const body = hybridBody(delivery, options);
  if (isRecord(body) && Object.hasOwn(body, 'args')) return parseHybrid(delivery, body, headers, options);
  return { request: requestOf(delivery, parseTaskHeaders(headers), options.hostname, 2, 'utc'), body: undefined };
}
