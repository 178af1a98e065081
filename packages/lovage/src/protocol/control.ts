// Remote control on the wire: kombu's pidbox. A request goes to all workers, each that is meant answers with one message.
// Everything that comes in is checked here; nothing in it is ever more than data.
import { DecodeError } from '../util/index.ts';
import { isRecord, kindOf, own } from './record.ts';

/** Which end of a name pattern: `glob` as shells have it, `pcre` a regular expression from the start of the name. */
export type Matcher = 'glob' | 'pcre';

/** Where the answers to a request go. */
export interface ReplyAddress {
  readonly exchange: string;
  readonly routingKey: string;
}

/** A command to workers. */
export interface ControlRequest {
  readonly method: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  /** Node names; undefined: all. */
  readonly destination: readonly string[] | undefined;
  readonly pattern: string | undefined;
  readonly matcher: string | undefined;
  /** Set when answers are wanted. */
  readonly reply: { readonly ticket: string; readonly to: ReplyAddress } | undefined;
}

/** One worker's answer. */
export interface ControlReply {
  readonly node: string;
  readonly value: unknown;
}

/** The names that all sides of remote control share. `name` is the setting controlExchange. */
export interface ControlNames {
  /** The fanout exchange of requests. */
  readonly requests: string;
  /** The direct exchange of answers. */
  readonly replies: string;
  /** The queue in which a node finds its requests. */
  nodeQueue(node: string): string;
  /** The queue of whoever asked, by its routing key. */
  replyQueue(routingKey: string): string;
}

/** Names under this control exchange. */
export function controlNames(name: string): ControlNames {
  return {
    requests: `${name}.pidbox`,
    replies: `reply.${name}.pidbox`,
    nodeQueue: (node) => `${node}.${name}.pidbox`,
    replyQueue: (routingKey) => `${routingKey}.reply.${name}.pidbox`,
  };
}

/** Longest pattern that is tried: names are short, and a pattern comes from outside. */
const MAX_PATTERN = 500;

/** The body of a request; keys in the order of kombu's. */
export function writeControlRequest(request: ControlRequest): Readonly<Record<string, unknown>> {
  const { method, destination = null, pattern = null, matcher = null, reply } = request;
  const plain = { method, arguments: request.arguments, destination, pattern, matcher };
  if (reply === undefined) return plain;
  return { ...plain, ticket: reply.ticket, reply_to: { exchange: reply.to.exchange, routing_key: reply.to.routingKey } };
}

function malformed(what: string): DecodeError {
  return new DecodeError(`A control message cannot be used: ${what}.`);
}

function textOf(record: Readonly<Record<string, unknown>>, key: string): string | undefined {
  const value = own(record, key);
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw malformed(`'${key}' is ${kindOf(value)}, not a text`);
  return value;
}

function destinationOf(value: unknown): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined;
  const names = typeof value === 'string' ? [value] : value;
  if (!Array.isArray(names) || names.some((name) => typeof name !== 'string'))
    throw malformed("'destination' is no list of node names");
  return names.length === 0 ? undefined : (names as readonly string[]);
}

function replyOf(body: Readonly<Record<string, unknown>>): ControlRequest['reply'] {
  const to = own(body, 'reply_to');
  if (to === undefined || to === null) return undefined;
  if (!isRecord(to)) throw malformed(`'reply_to' is ${kindOf(to)}, not an object`);
  const exchange = textOf(to, 'exchange');
  const routingKey = textOf(to, 'routing_key');
  if (exchange === undefined || routingKey === undefined) throw malformed("'reply_to' lacks its exchange or its routing key");
  return { ticket: textOf(body, 'ticket') ?? '', to: { exchange, routingKey } };
}

/** Checks a decoded request. Throws DecodeError that says what is wrong with it. */
export function parseControlRequest(body: unknown): ControlRequest {
  if (!isRecord(body)) throw malformed(`its body is ${kindOf(body)}, not an object`);
  const method = textOf(body, 'method');
  if (method === undefined || method === '') throw malformed('it names no command');
  const given = own(body, 'arguments') ?? {};
  if (!isRecord(given)) throw malformed(`'arguments' of the command is ${kindOf(given)}, not an object`);
  return {
    method,
    arguments: given,
    destination: destinationOf(own(body, 'destination')),
    pattern: textOf(body, 'pattern'),
    matcher: textOf(body, 'matcher'),
    reply: replyOf(body),
  };
}

/** Python's fnmatch: `*`, `?`, `[abc]`, `[!abc]`; everything else stands for itself. */
function globExpression(pattern: string): RegExp {
  const source = pattern.replaceAll(/\[(!?)(\]?[^\]]*)\]|[\s\S]/g, (part: string, not?: string, set?: string) => {
    if (part === '*') return '.*';
    if (part === '?') return '.';
    if (set === undefined) return part.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
    const inside = set.replaceAll(/[\\\]^[]/g, String.raw`\$&`);
    return `[${not === '!' ? '^' : ''}${inside}]`;
  });
  return new RegExp(`^(?:${source})$`, 's');
}

/** Is this node meant? Throws DecodeError for a matcher or a pattern that nobody understands. */
export function isAddressed({ destination, pattern, matcher }: ControlRequest, node: string): boolean {
  if (destination !== undefined) return destination.includes(node);
  if (pattern === undefined || matcher === undefined) return true;
  if (matcher !== 'glob' && matcher !== 'pcre') throw malformed(`the matcher '${matcher}' is neither glob nor pcre`);
  if (pattern.length > MAX_PATTERN) throw malformed(`its pattern has ${pattern.length} characters, more than ${MAX_PATTERN}`);
  try {
    return (matcher === 'glob' ? globExpression(pattern) : new RegExp(`^(?:${pattern})`, 's')).test(node);
  } catch (error) {
    throw malformed(`the pattern '${pattern}' is none (${error instanceof Error ? error.message : String(error)})`);
  }
}

/** Did its sender stop waiting? Celery's workers do not ask, and run an old `shutdown` when they come back. */
export function isStale(headers: Readonly<Record<string, unknown>>, now: number): boolean {
  const expires = own(headers, 'expires');
  return typeof expires === 'number' && expires > 0 && expires < now;
}

/** Checks a decoded answer: one key, the node. Throws DecodeError. */
export function parseControlReply(body: unknown): ControlReply {
  const entries = isRecord(body) ? Object.entries(body) : [];
  const [first] = entries;
  if (first === undefined || entries.length > 1) throw new DecodeError('An answer of a worker has not exactly one node in it.');
  return { node: first[0], value: first[1] };
}

/** A text as Python shows it: in single quotes, in double ones when only single ones are in it. */
export function pythonText(text: string): string {
  const body = text.replaceAll('\\', '\\\\').replaceAll('\n', String.raw`\n`);
  if (body.includes("'") && !body.includes('"')) return `"${body}"`;
  return `'${body.replaceAll("'", String.raw`\'`)}'`;
}

/** An exception as Python shows it: `ValueError('no')`. */
export function pythonException(type: string, message: string): string {
  return `${type}(${pythonText(message)})`;
}

/** A set as Python shows it: `{'a', 'b'}`. */
export function pythonSet(texts: readonly string[]): string {
  return texts.length === 0 ? 'set()' : `{${texts.map(pythonText).join(', ')}}`;
}

/** The body of an answer. */
export function writeControlReply(node: string, value: unknown): Readonly<Record<string, unknown>> {
  return { [node]: value };
}
