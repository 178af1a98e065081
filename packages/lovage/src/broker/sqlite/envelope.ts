// The envelope of a message in the file. Pure.
import type { Message, MessageProperties } from '../seam.ts';

/** All of a message but its body, as one JSON text. */
type Envelope = readonly [exchange: string, routingKey: string, headers: Message['headers'], properties: MessageProperties];

export function writeEnvelope(message: Message): string {
  const envelope: Envelope = [message.exchange, message.routingKey, message.headers, message.properties];
  return JSON.stringify(envelope);
}

export function readEnvelope(text: string): Omit<Message, 'body'> {
  const [exchange, routingKey, headers, properties] = JSON.parse(text) as Envelope;
  return { exchange, routingKey, headers, properties };
}
