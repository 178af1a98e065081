// Events as the messages in which they travel: one by one, or neighbours of one sender and group together in an array. Pure.
import type { Outgoing } from '../broker/index.ts';
import type { Serialization } from '../serialization/index.ts';
import type { Sender, Waiting, Written } from './backlog.ts';

/** Events in one array. */
export const MAX_ARRAY = 500;
const TRANSIENT = 1;

export interface MessageOptions {
  readonly exchange: string;
  readonly serializer: string;
  readonly serialization: Pick<Serialization, 'encode'>;
}

/** The routing key of arrays of a group. */
export function arrayKeyOf(group: string): string {
  return `${group}.multi`;
}

/** The messages of a batch, in its order. */
export function messagesOf(batch: readonly Waiting[], options: MessageOptions): readonly Outgoing[] {
  const messages: Outgoing[] = [];
  let together: Waiting[] = [];
  const leave = (): void => {
    const [first] = together;
    if (first !== undefined) messages.push(messageOf(first.from, together, first.arrayKey, options));
    together = [];
  };
  for (const waiting of batch) {
    const [first] = together;
    const joins = waiting.routingKey === undefined && first?.group === waiting.group && first.from === waiting.from;
    if (!joins || together.length >= MAX_ARRAY) leave();
    if (waiting.routingKey === undefined) together.push(waiting);
    else messages.push(messageOf(waiting.from, waiting, waiting.routingKey, options));
  }
  leave();
  return messages;
}

function messageOf(from: Sender, content: Waiting | readonly Waiting[], routingKey: string, options: MessageOptions): Outgoing {
  const { body, contentType, contentEncoding } = bodyOf(content, options);
  return {
    exchange: options.exchange,
    routingKey,
    headers: from.headers,
    headersText: from.headersText,
    properties: { contentType, contentEncoding, deliveryMode: TRANSIENT, priority: 0 },
    body,
  };
}

function bodyOf(
  content: Waiting | readonly Waiting[],
  { serialization, serializer }: MessageOptions,
): Omit<ReturnType<Serialization['encode']>, 'compression'> {
  const all = 'event' in content ? content.event : content.map(({ event }) => event);
  const isText = typeof all === 'string' || (Array.isArray(all) && all.every((event) => typeof event === 'string'));
  if (!isText) {
    // The serializer was changed while some waited as texts.
    const objects = Array.isArray(all) ? all.map((event: Written) => asObject(event)) : all;
    return serialization.encode(objects, serializer);
  }
  const text = typeof all === 'string' ? all : `[${(all as readonly string[]).join(',')}]`;
  return { body: Buffer.from(text), contentType: 'application/json', contentEncoding: 'utf-8' };
}

function asObject(event: Written): unknown {
  return typeof event === 'string' ? (JSON.parse(event) as unknown) : event;
}
