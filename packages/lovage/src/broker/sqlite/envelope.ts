// The envelope of a message in the file. Pure.
import { readHeaderJson, writeHeaderJson } from '../../serialization/index.ts';
import type { Message, MessageProperties, Outgoing } from '../seam.ts';

/** All of a message but its body, as one JSON text; `careful` 1 when it may hold what plain JSON would lose. */
type Envelope = readonly [
  exchange: string,
  routingKey: string,
  headers: Message['headers'],
  properties: MessageProperties,
  careful?: number,
];

/** Throws EncodeError for headers or properties that have no form. */
export function writeEnvelope(message: Outgoing): string {
  const { exchange, routingKey, headers, properties } = message;
  // Whoever has the text of its headers made them of plain texts and numbers: most messages are such, and this is in their way.
  if (message.headersText !== undefined && properties.extra === undefined) {
    return JSON.stringify([exchange, routingKey, headers, properties] satisfies Envelope);
  }
  return writeHeaderJson([exchange, routingKey, headers, properties, 1] satisfies Envelope);
}

/**
 * Reads an envelope and never throws: a damaged file must not stop whoever takes from it. What is no envelope becomes a message without
 * headers, whose body is the text and what else there was: the intake refuses it, and the dead letters keep it.
 */
export function readEnvelope(envelope: unknown, body: unknown, queue: string): Message {
  const bytes = body instanceof Uint8Array ? body : Buffer.from(body === null || body === undefined ? '' : String(body));
  const text = envelope instanceof Uint8Array ? Buffer.from(envelope).toString() : String(envelope);
  const fields = parse(text);
  if (fields === undefined) return unreadable(Buffer.concat([Buffer.from(text), bytes]), queue);
  const [exchange, routingKey, headers, properties] = fields;
  return {
    exchange: typeof exchange === 'string' ? exchange : '',
    routingKey: typeof routingKey === 'string' ? routingKey : queue,
    headers,
    properties,
    body: bytes,
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parse(text: string): Envelope | undefined {
  try {
    const plain = plainly(text);
    const fields = Array.isArray(plain) && plain[4] === undefined ? plain : readHeaderJson(text);
    return Array.isArray(fields) && isRecord(fields[2]) && isRecord(fields[3]) ? (fields as unknown as Envelope) : undefined;
  } catch {
    return undefined;
  }
}

/** undefined: it holds what JSON does not have, or it is damaged. */
function plainly(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unreadable(body: Uint8Array, queue: string): Message {
  const properties: MessageProperties = { contentType: 'application/octet-stream', contentEncoding: 'binary' };
  return { exchange: '', routingKey: queue, headers: {}, properties, body };
}
