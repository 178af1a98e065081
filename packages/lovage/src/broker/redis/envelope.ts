// Celery's envelope: one JSON text for each message in a list. Writing keeps Celery's order of keys; reading never throws; changing
// one (redelivered, attempts, death) keeps every number and key of the text as it came, also those that JavaScript cannot hold.
import { MAX_DEPTH, readHeaderJson, writeHeaderJson } from '../../serialization/index.ts';
import { escaped, quoted, uuid } from '../../util/index.ts';
import { ATTEMPTS_HEADER, DEATH_HEADER, type DeadLetterSettlement, deadLetter, isRepeat } from '../dead-letters.ts';
import type { Message, MessageProperties, Outgoing } from '../seam.ts';
import { etaHeader, followsHeader } from '../waiting.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Writes the envelope; each call gives it a fresh delivery tag. */
export function writeEnvelope(message: Outgoing, encoding: BodyEncoding = 'base64'): string {
  // Put together by hand, of few pieces: one JSON.stringify of the whole costs four times as much (bench row redis-enqueue-bulk).
  const body = bodyText(message.body, encoding);
  const headers = message.headersText ?? writeHeaderJson(message.headers);
  const { correlationId, extra } = message.properties;
  if (extra !== undefined)
    return `{"body":"${body}${contentText(message)}${headers},"properties":${extended(message, encoding)}}`;
  if (frame === undefined || !fits(frame, message, encoding)) frame = makeFrame(message, encoding);
  const { content, rest, behindId } = frame;
  if (correlationId === undefined) return `{"body":"${body}${content}${headers},"properties":{${rest}${uuid()}"}}`;
  return `{"body":"${body}${content}${headers},"properties":{"correlation_id":"${escaped(correlationId)}${behindId}${uuid()}"}}`;
}

/** What the messages of one task have in common around their headers. The last is kept: a function's memory, not state. */
interface Frame {
  readonly of: Message;
  readonly encoding: BodyEncoding;
  /** From the end of the body to the headers. */
  readonly content: string;
  /** The properties behind the correlation id, up to the tag; and the same from the id's closing quote on. */
  readonly rest: string;
  readonly behindId: string;
}
let frame: Frame | undefined;

function fits({ of, encoding: known }: Frame, message: Message, encoding: BodyEncoding): boolean {
  const [one, other] = [of.properties, message.properties];
  return (
    one.replyTo === other.replyTo &&
    one.contentType === other.contentType &&
    one.contentEncoding === other.contentEncoding &&
    one.deliveryMode === other.deliveryMode &&
    one.priority === other.priority &&
    one.expiration === other.expiration &&
    of.exchange === message.exchange &&
    of.routingKey === message.routingKey &&
    known === encoding
  );
}

function makeFrame(message: Message, encoding: BodyEncoding): Frame {
  const { exchange, routingKey, properties } = message;
  // Not the message itself: its body would be kept as well.
  const of = { exchange, routingKey, properties, headers: {}, body: new Uint8Array() };
  const rest = restText(message, encoding);
  return { of, encoding, content: contentText(message), rest, behindId: `",${rest}` };
}

function contentText({ properties }: Message): string {
  return `","content-encoding":${quoted(properties.contentEncoding)},"content-type":${quoted(properties.contentType)},"headers":`;
}

type BodyEncoding = 'base64' | 'utf-8';

/** The body as it stands between quotes. */
function bodyText(body: Uint8Array, encoding: BodyEncoding): string {
  const bytes = body instanceof Buffer ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return encoding === 'base64' ? bytes.toString('base64') : escaped(bytes.toString('utf8'));
}

function restText(message: Message, encoding: BodyEncoding): string {
  const { replyTo, deliveryMode, expiration, priority } = message.properties;
  let text = '';
  if (replyTo !== undefined) text += `"reply_to":${quoted(replyTo)},`;
  text += `"delivery_mode":${deliveryMode ?? 2},`;
  if (expiration !== undefined) text += `"expiration":${quoted(expiration)},`;
  text += `"delivery_info":{"exchange":${quoted(message.exchange)},"routing_key":${quoted(message.routingKey)}},`;
  return `${text}"priority":${priority ?? 0},"body_encoding":"${encoding}","delivery_tag":"`;
}

/** Properties of the user's own may take the place of the first two, and only of those. */
function extended(message: Message, encoding: BodyEncoding): string {
  const { extra, correlationId, replyTo, ...rest } = message.properties;
  const first: Record<string, unknown> = {};
  if (correlationId !== undefined) first.correlation_id = correlationId;
  if (replyTo !== undefined) first.reply_to = replyTo;
  const last = JSON.parse(`{${restText({ ...message, properties: rest }, encoding)}${uuid()}"}`) as Fields;
  return writeHeaderJson({ ...first, ...extra, ...last });
}

/** What an envelope says, as far as it can be read. */
export interface ReadEnvelope {
  readonly message: Message;
  /** As the text says: a broker gave it back, or who sent it may have sent it before. */
  readonly redelivered: boolean;
  /** Header x-lovage-attempts: how often it has been started before. */
  readonly started: number;
  /** Undefined when its body is no text. */
  readonly bodyEncoding: 'base64' | 'utf-8' | undefined;
}

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Reads an envelope. What is no envelope becomes a message without headers, whose body is the text: the intake refuses it. */
export function readEnvelope(raw: string, queue: string): ReadEnvelope {
  const fields = parse(raw);
  if (fields === undefined) return { message: unreadable(raw, queue), redelivered: false, started: 0, bodyEncoding: undefined };
  const headers = isRecord(fields.headers) ? fields.headers : {};
  const properties = isRecord(fields.properties) ? fields.properties : {};
  const info = isRecord(properties.delivery_info) ? properties.delivery_info : {};
  const started = headers[ATTEMPTS_HEADER];
  return {
    message: {
      exchange: text(info.exchange),
      routingKey: typeof info.routing_key === 'string' ? info.routing_key : queue,
      headers,
      properties: readProperties(fields, properties),
      body: readBody(fields.body, properties.body_encoding),
    },
    redelivered: headers.redelivered === true || info.redelivered === true || fields.redelivered === true || isRepeat(headers),
    started: typeof started === 'number' && started > 0 ? Math.trunc(started) : 0,
    bodyEncoding: typeof fields.body !== 'string' ? undefined : properties.body_encoding === 'base64' ? 'base64' : 'utf-8',
  };
}

/** Undefined too when it is nested deeper than it could be written again: such a message would stay with whoever took it, and be in the way of others. */
function parse(raw: string): Fields | undefined {
  try {
    const fields = readHeaderJson(raw);
    return isRecord(fields) && (raw.length < 2 * MAX_DEPTH || isWithin(fields, MAX_DEPTH)) ? fields : undefined;
  } catch {
    return undefined;
  }
}

function isWithin(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((item) => isWithin(item, depth - 1));
}

function unreadable(raw: string, queue: string): Message {
  const properties: MessageProperties = { contentType: 'application/octet-stream', contentEncoding: 'binary' };
  return { exchange: '', routingKey: queue, headers: {}, properties, body: Buffer.from(raw) };
}

function readBody(body: unknown, encoding: unknown): Uint8Array {
  if (typeof body === 'string') return Buffer.from(body, encoding === 'base64' ? 'base64' : 'utf8');
  return Buffer.from(body === undefined ? '' : JSON.stringify(body));
}

const KNOWN: ReadonlySet<string> = new Set([
  ...['correlation_id', 'reply_to', 'delivery_mode', 'expiration', 'delivery_info', 'priority', 'body_encoding', 'delivery_tag'],
]);

function readProperties(fields: Fields, given: Fields): MessageProperties {
  const unknown = Object.keys(given).filter((key) => !KNOWN.has(key));
  const expiration = given.expiration;
  return {
    contentType: text(fields['content-type']),
    contentEncoding: text(fields['content-encoding']),
    ...(typeof given.correlation_id === 'string' ? { correlationId: given.correlation_id } : {}),
    ...(typeof given.reply_to === 'string' ? { replyTo: given.reply_to } : {}),
    ...(typeof given.delivery_mode === 'number' ? { deliveryMode: given.delivery_mode } : {}),
    ...(typeof given.priority === 'number' ? { priority: given.priority } : {}),
    ...(typeof expiration === 'string' || typeof expiration === 'number' ? { expiration: `${expiration}` } : {}),
    ...(unknown.length === 0 ? {} : { extra: Object.fromEntries(unknown.map((key) => [key, given[key]])) }),
  };
}

/** JSON.parse that hands numbers through as they were written, and its counterpart: see "JSON.parse source text access". NaN is beyond both. */
const exactly = JSON as unknown as {
  parse(text: string, reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown): unknown;
  rawJSON(text: string): unknown;
};

/** A text that can be changed and written again. Throws SyntaxError. */
function parseExactly(raw: string): { readonly value: unknown; write(value: unknown): string } {
  try {
    const value = exactly.parse(raw, (_, item, { source }) =>
      typeof item === 'number' && source !== undefined ? exactly.rawJSON(source) : item,
    );
    return { value, write: JSON.stringify };
  } catch {
    return { value: readHeaderJson(raw), write: writeHeaderJson };
  }
}

/** The first member of an `unacked` entry `[envelope, exchange, routing_key]`, as a text of its own. */
export function unackedEnvelope(
  entry: string,
): { readonly raw: string; readonly exchange: string; readonly routingKey: string } | undefined {
  try {
    const { value: parts, write } = parseExactly(entry);
    if (!Array.isArray(parts)) return undefined;
    return { raw: write(parts[0]), exchange: text(parts[1]), routingKey: text(parts[2]) };
  } catch {
    return cutEntry(entry);
  }
}

const ENTRY = /^\[([\s\S]+), ("(?:[^"\\]|\\.)*"), ("(?:[^"\\]|\\.)*")\]$/;

/** What is no JSON, or nested too deep, lies between the same marks. */
function cutEntry(entry: string): ReturnType<typeof unackedEnvelope> {
  const [, raw, exchange, routingKey] = ENTRY.exec(entry) ?? [];
  if (raw === undefined || exchange === undefined || routingKey === undefined) return undefined;
  return { raw, exchange: unquoted(exchange), routingKey: unquoted(routingKey) };
}

function unquoted(source: string): string {
  try {
    return text(JSON.parse(source));
  } catch {
    return '';
  }
}

/** The text of a message that goes back to its queue: flags as Celery writes them, and its count when it was started. */
export function returnedEnvelope(raw: string, options: { readonly started?: number }): string {
  return edit(raw, (headers, info) => {
    headers.redelivered = true;
    if (options.started !== undefined) headers[ATTEMPTS_HEADER] = options.started;
    info.redelivered = true;
  });
}

/** The text of a message that is due at another time. */
export function rescheduledEnvelope(raw: string, dueAt: number | undefined): string {
  return edit(raw, (headers) => {
    if (followsHeader(headers)) headers.eta = etaHeader(dueAt);
  });
}

/** The text of a message on its way to the dead letters. What is no envelope is wrapped into one, its text as the body. */
export function deadEnvelope(raw: string, settlement: DeadLetterSettlement, nowSeconds: number): string {
  const dead = deadLetter(settlement, nowSeconds);
  if (parse(raw) === undefined) return writeEnvelope(dead);
  return edit(raw, (headers, info, properties) => {
    headers[DEATH_HEADER] = dead.headers[DEATH_HEADER];
    info.exchange = dead.exchange;
    info.routing_key = dead.routingKey;
    delete properties.expiration;
  });
}

type Editable = Record<string, unknown>;

/** Changes the envelope in place and writes it again; a text that is no envelope stays as it is. */
function edit(raw: string, change: (headers: Editable, info: Editable, properties: Editable) => void): string {
  if (parse(raw) === undefined) return raw;
  const { value, write } = parseExactly(raw);
  const envelope = value as Editable;
  const headers = child(envelope, 'headers');
  const properties = child(envelope, 'properties');
  change(headers, child(properties, 'delivery_info'), properties);
  return write(envelope);
}

function child(parent: Editable, key: string): Editable {
  const value = parent[key];
  // A number in exact writing is an object too, and frozen.
  if (isRecord(value) && !Object.isFrozen(value)) return value as Editable;
  const made: Editable = {};
  parent[key] = made;
  return made;
}
