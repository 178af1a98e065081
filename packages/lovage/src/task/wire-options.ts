// Call options as they stand in a signature on the wire, both ways. Celery writes a signature's options flat: what it does not know
// (stamps, AMQP properties) lies between the others under its own name.
import { timeHeader, type WireSignature } from '../protocol/index.ts';
import { ConfigurationError } from '../util/index.ts';
import type { CallOptions, SignatureLike } from './options.ts';

type Wire = Readonly<Record<string, unknown>>;
type Key = keyof CallOptions;

/** Options that are the same value on both sides: our name, Celery's name, the type that a reader accepts. */
const PLAIN: readonly (readonly [Key, string, 'string' | 'number' | 'boolean' | 'object' | 'list' | 'moment'])[] = [
  ['taskId', 'task_id', 'string'],
  ['queue', 'queue', 'string'],
  ['exchange', 'exchange', 'string'],
  ['routingKey', 'routing_key', 'string'],
  ['priority', 'priority', 'number'],
  ['countdown', 'countdown', 'number'],
  ['eta', 'eta', 'moment'],
  ['expires', 'expires', 'moment'],
  ['serializer', 'serializer', 'string'],
  ['compression', 'compression', 'string'],
  ['timeLimit', 'time_limit', 'number'],
  ['softTimeLimit', 'soft_time_limit', 'number'],
  ['shadow', 'shadow', 'string'],
  ['headers', 'headers', 'object'],
  ['ignoreResult', 'ignore_result', 'boolean'],
  ['addToParent', 'add_to_parent', 'boolean'],
  ['rootId', 'root_id', 'string'],
  ['parentId', 'parent_id', 'string'],
  ['groupId', 'group_id', 'string'],
  ['groupIndex', 'group_index', 'number'],
  ['chord', 'chord', 'object'],
  ['chain', 'chain', 'list'],
  ['retries', 'retries', 'number'],
  ['replyTo', 'reply_to', 'string'],
  ['replacedTaskNesting', 'replaced_task_nesting', 'number'],
  ['origin', 'origin', 'string'],
  ['argsRepr', 'argsrepr', 'string'],
  ['kwargsRepr', 'kwargsrepr', 'string'],
  ['retry', 'retry', 'boolean'],
];

/** Read from the wire in a way of their own, or meaningless there (`immutable` is an option that Celery writes by mistake). */
const SPECIAL: ReadonlySet<string> = new Set([
  'link',
  'link_error',
  'delivery_mode',
  'exchange_type',
  'stamped_headers',
  'immutable',
  'producer',
  'publisher',
  'connection',
  'result_cls',
  'router',
  'route_name',
  'task_type',
  'retry_policy',
  'declare',
  'timeout',
  'confirm_timeout',
  'immediate',
  'mandatory',
  'event_dispatcher',
]);
const BY_WIRE_NAME: ReadonlyMap<string, (typeof PLAIN)[number]> = new Map(PLAIN.map((entry) => [entry[1], entry]));

const isObject = (value: unknown): value is Wire => typeof value === 'object' && value !== null && !Array.isArray(value);

function fits(value: unknown, kind: (typeof PLAIN)[number][2]): boolean {
  if (kind === 'list') return Array.isArray(value);
  if (kind === 'object') return isObject(value) && !(value instanceof Date);
  if (kind === 'moment') return typeof value === 'string' || typeof value === 'number' || value instanceof Date;
  return typeof value === kind;
}

/** A signature that came over the wire, as one that can be passed on. */
export function likeSignature(wire: WireSignature): SignatureLike {
  return { toWire: () => wire };
}

const isSignature = (value: unknown): value is WireSignature => isObject(value) && typeof value.task === 'string';

/** One signature, a list of them, or nothing, as a list. */
export function linkList(links: SignatureLike | readonly SignatureLike[] | undefined): readonly SignatureLike[] {
  if (links === undefined) return [];
  return 'toWire' in links ? [links] : links;
}

/** Options of a signature as Celery writes them. Throws ConfigurationError for a priority that is still a word. */
export function writeOptions(options: Readonly<CallOptions>): Record<string, unknown> {
  if (typeof options.priority === 'string') {
    throw new ConfigurationError(
      `The priority '${options.priority}' cannot be written into a signature here: no app says which number it is. Give a number.`,
    );
  }
  const wire: Record<string, unknown> = {};
  for (const [name, wireName, kind] of PLAIN) {
    const value = options[name];
    if (value === undefined || value === null) continue;
    wire[wireName] = kind === 'moment' && value instanceof Date ? timeHeader(value) : value;
  }
  const link = linkList(options.link);
  const linkError = linkList(options.linkError);
  if (link.length > 0) wire.link = link.map((next) => next.toWire());
  if (linkError.length > 0) wire.link_error = linkError.map((next) => next.toWire());
  if (options.deliveryMode !== undefined) wire.delivery_mode = options.deliveryMode;
  if (options.exchangeType !== undefined) wire.exchange_type = options.exchangeType;
  const stampNames = options.stampedHeaders ?? (options.stamps === undefined ? undefined : Object.keys(options.stamps));
  if (stampNames !== undefined) Object.assign(wire, { stamped_headers: stampNames }, options.stamps);
  return { ...options.properties, ...wire };
}

/** Options of a signature that came over the wire. What does not fit is left out, what is unknown becomes a property or a stamp. */
export function readOptions(wire: Wire): CallOptions {
  const options: Record<string, unknown> = {};
  const properties: Record<string, unknown> = {};
  const stampNames = Array.isArray(wire.stamped_headers) ? wire.stamped_headers.filter((name) => typeof name === 'string') : [];
  const stamps: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(wire)) {
    const known = BY_WIRE_NAME.get(name);
    if (stampNames.includes(name)) stamps[name] = value;
    else if (known !== undefined) {
      if (fits(value, known[2])) options[known[0]] = value;
    } else if (!SPECIAL.has(name) && value !== null) properties[name] = value;
  }
  const mode = wire.delivery_mode;
  if (mode === 1 || mode === 2 || mode === 'transient' || mode === 'persistent') options.deliveryMode = mode;
  const type = wire.exchange_type;
  if (type === 'direct' || type === 'topic' || type === 'fanout') options.exchangeType = type;
  const links = readLinks(wire.link);
  const linkErrors = readLinks(wire.link_error);
  if (links.length > 0) options.link = links;
  if (linkErrors.length > 0) options.linkError = linkErrors;
  if (stampNames.length > 0) Object.assign(options, { stampedHeaders: stampNames, stamps });
  if (Object.keys(properties).length > 0) options.properties = properties;
  return options;
}

function readLinks(value: unknown): readonly SignatureLike[] {
  return (Array.isArray(value) ? value : [value]).filter(isSignature).map(likeSignature);
}

/** Options of a signature under those of its call: the call's win, except a group and stamps that the signature has already. */
export function mergeOptions(stored: Readonly<CallOptions>, given: Readonly<CallOptions> | undefined): CallOptions {
  if (given === undefined) return stored;
  const merged: CallOptions = { ...stored, ...given };
  const kept: { groupId?: string; stamps?: Wire; stampedHeaders?: readonly string[] } = {};
  if (stored.groupId !== undefined) kept.groupId = stored.groupId;
  if (stored.stampedHeaders !== undefined)
    kept.stampedHeaders = [...new Set([...stored.stampedHeaders, ...(given.stampedHeaders ?? [])])];
  if (stored.stamps !== undefined) kept.stamps = { ...given.stamps, ...stored.stamps };
  return { ...merged, ...kept };
}
