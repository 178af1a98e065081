// Remote control on the wire: kombu's pidbox. A request goes to all workers, each that is meant answers with one message.
// Everything that comes in is checked here; nothing in it is ever more than data.
import { runInNewContext } from 'node:vm';
import { DecodeError, type GlobPlace, globMatch } from '../util/index.ts';
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
/** Milliseconds that a regular expression from outside gets: `(.+)+!` would take years. */
const MATCH_TIME = 50;

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
function placesOf(glob: string): readonly GlobPlace[] {
  return Array.from(glob.matchAll(/\[(!?)(\]?[^\]]*)\]|[\s\S]/g), ([part, not, set]): GlobPlace => {
    if (set === undefined) return part;
    const inside = set.replaceAll(/[\\\]^[]/g, String.raw`\$&`);
    const one = new RegExp(`^[${not === '!' ? '^' : ''}${inside}]$`);
    return (character) => one.test(character);
  });
}

/** From the start of the text, as Python's `re.match`. A context of its own is what Node can interrupt. */
function matchesExpression(source: string, text: string): boolean {
  const expression = new RegExp(`^(?:${source})`, 's');
  return runInNewContext('expression.test(text)', { expression, text }, { timeout: MATCH_TIME }) === true;
}

/** Is this node meant? Throws DecodeError for a matcher or a pattern that nobody understands. */
export function isAddressed({ destination, pattern, matcher }: ControlRequest, node: string): boolean {
  if (destination !== undefined) return destination.includes(node);
  if (pattern === undefined || matcher === undefined) return true;
  if (matcher !== 'glob' && matcher !== 'pcre') throw malformed(`the matcher '${matcher}' is neither glob nor pcre`);
  if (pattern.length > MAX_PATTERN) throw malformed(`its pattern has ${pattern.length} characters, more than ${MAX_PATTERN}`);
  try {
    return matcher === 'glob' ? globMatch(placesOf(pattern), node) : matchesExpression(pattern, node);
  } catch (error) {
    // What a context of its own throws is no Error of ours.
    throw malformed(`the pattern '${pattern}' cannot be used (${String(error)})`);
  }
}

/**
 * Seconds that the clocks of two machines may differ, as far as monitors do not warn of it (event/state.ts): a command is not dropped
 * because its sender's clock is slow.
 */
const CLOCKS_APART = 16;
/** What must not run must not run later either, whoever waits for the answer. */
const LASTING: ReadonlySet<string> = new Set(['revoke', 'terminate', 'revoke_by_stamped_headers']);

/** Did its sender stop waiting? Celery's workers do not ask, and run an old `shutdown` when they come back. */
export function isStale(
  { method }: Pick<ControlRequest, 'method'>,
  headers: Readonly<Record<string, unknown>>,
  now: number,
): boolean {
  const expires = own(headers, 'expires');
  return typeof expires === 'number' && expires > 0 && expires + CLOCKS_APART < now && !LASTING.has(method);
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
