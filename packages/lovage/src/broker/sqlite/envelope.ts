// The envelope of a message in the file. Pure.
import type { Message, MessageProperties } from '../seam.ts';

/** All of a message but its body, as one JSON text. */
type Envelope = readonly [exchange: string, routingKey: string, headers: Message['headers'], properties: MessageProperties];

export function writeEnvelope(message: Message): string {
  const envelope: Envelope = [message.exchange, message.routingKey, message.headers, message.properties];
  return JSON.stringify(envelope);
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
    const fields: unknown = JSON.parse(text);
    return Array.isArray(fields) && isRecord(fields[2]) && isRecord(fields[3]) ? (fields as unknown as Envelope) : undefined;
  } catch {
    return undefined;
  }
}

function unreadable(body: Uint8Array, queue: string): Message {
  const properties: MessageProperties = { contentType: 'application/octet-stream', contentEncoding: 'binary' };
  return { exchange: '', routingKey: queue, headers: {}, properties, body };
}
