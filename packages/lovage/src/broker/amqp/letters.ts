// Messages in the seam's words and in RabbitMQ's, and the copies that Lovage writes: given back, parked, dead.
// Called by the broker, its subscriptions and its looks into queues.
import type { AmqpDelivery, AmqpLetter, AmqpProperties } from '../../util/index.ts';
import { ATTEMPTS_HEADER, type DeadLetterSettlement, deadLetter, isRepeat, startedBefore } from '../dead-letters.ts';
import type { Delivery, Message, MessageProperties } from '../seam.ts';
import { isDelayed } from './delayed.ts';

/** The key of the marks of a message that was given back, see marks.ts. */
export const MARK_HEADER = 'x-lovage-mark';
/** Quorum queues add it to what comes again, started or not. */
export const DELIVERY_COUNT_HEADER = 'x-delivery-count';
/** What RabbitMQ writes about dead-lettering, the way of native delayed delivery included; a copy begins without it. */
const BROKER_HEADERS = [
  DELIVERY_COUNT_HEADER,
  'x-death',
  ...['exchange', 'queue', 'reason'].flatMap((part) => [`x-first-death-${part}`, `x-last-death-${part}`]),
];

/** Properties that have no place of their own in the seam: Celery's name, amqplib's name. */
const EXTRA: readonly (readonly [wire: string, own: 'messageId' | 'timestamp' | 'type' | 'userId' | 'appId'])[] = [
  ['message_id', 'messageId'],
  ['timestamp', 'timestamp'],
  ['type', 'type'],
  ['user_id', 'userId'],
  ['app_id', 'appId'],
];

/** Milliseconds. RabbitMQ closes the channel over a longer life, and with it all that is on its way there; workers look at `expires` themselves. */
const LONGEST_LIFE = 2 ** 32 - 1;

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

function asBuffer(body: Uint8Array): Buffer {
  return Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}

function writeProperties({ properties, headers }: Message): Mutable<AmqpProperties> {
  const { contentType, contentEncoding, correlationId, replyTo, priority, expiration, extra } = properties;
  const deliveryMode = properties.deliveryMode ?? 2;
  const written: Mutable<AmqpProperties> = {
    contentType,
    contentEncoding,
    headers,
    deliveryMode,
    priority,
    correlationId,
    replyTo,
    ...(Number(expiration) > LONGEST_LIFE ? {} : { expiration }),
  };
  if (extra === undefined) return written;
  for (const [wire, own] of EXTRA) {
    const value = extra[wire] ?? extra[own];
    if (typeof value === 'string' || typeof value === 'number') Object.assign(written, { [own]: value });
  }
  return written;
}

function readProperties(properties: AmqpProperties): MessageProperties {
  const read: Mutable<MessageProperties> = {
    contentType: properties.contentType ?? 'application/data',
    contentEncoding: properties.contentEncoding ?? 'binary',
  };
  if (properties.correlationId !== undefined) read.correlationId = properties.correlationId;
  if (properties.replyTo !== undefined) read.replyTo = properties.replyTo;
  if (properties.deliveryMode !== undefined) read.deliveryMode = properties.deliveryMode;
  if (properties.priority !== undefined) read.priority = properties.priority;
  if (properties.expiration !== undefined) read.expiration = properties.expiration;
  const extra = EXTRA.filter(([, own]) => properties[own] !== undefined);
  if (extra.length > 0) read.extra = Object.fromEntries(extra.map(([wire, own]) => [wire, properties[own]]));
  return read;
}

/** A message on its way out. */
export function toLetter(message: Message, mandatory: boolean): AmqpLetter {
  const { exchange, routingKey, body } = message;
  return { exchange, routingKey, body: asBuffer(body), properties: writeProperties(message), mandatory };
}

/** The same once more, since RabbitMQ may have the first: whoever takes it looks first whether its task is over. Nobody starts events and broadcasts twice. */
export function toRepeat(letter: AmqpLetter): AmqpLetter {
  const { properties, mandatory } = letter;
  const headers = properties.headers ?? {};
  if (!mandatory || isRepeat(headers)) return letter;
  return { ...letter, properties: { ...properties, headers: { ...headers, [ATTEMPTS_HEADER]: 0 } } };
}

/** A message on its way through the delay levels. Its time to live must not end its stay on one of them early, so it goes without. */
export function toDelayedLetter(message: Message, exchange: string, routingKey: string): AmqpLetter {
  return {
    exchange,
    routingKey,
    body: asBuffer(message.body),
    properties: { ...writeProperties(message), expiration: undefined },
    mandatory: true,
  };
}

/** A waiting message as it lies in `queue`. What comes out of a delay level shall go back to its queue, not to the levels. */
export function toMessage({ content, fields, properties }: AmqpDelivery, queue: string): Message {
  const delayed = isDelayed(fields.exchange, fields.routingKey);
  return {
    exchange: delayed ? '' : fields.exchange,
    routingKey: delayed ? queue : fields.routingKey,
    headers: properties.headers ?? {},
    properties: readProperties(properties),
    body: content,
  };
}

/** How often it had been started when it was written. */
export function startsOf({ headers }: Message): number {
  return startedBefore(headers);
}

/** A message as a worker holds it; one that came again is taken for started. */
export function toDelivery(message: AmqpDelivery, queue: string, generation: number): Delivery {
  const plain = toMessage(message, queue);
  // RabbitMQ's flag says only that somebody held it. Quorum queues count how often, but also what was never more than on its way.
  const again = message.fields.redelivered;
  return {
    ...plain,
    queue,
    redelivered: again || isRepeat(plain.headers),
    attempts: 1 + startsOf(plain) + (again ? 1 : 0),
    generation,
    tag: message.fields.deliveryTag,
  };
}

function cleaned(headers: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const copy = { ...headers };
  for (const name of BROKER_HEADERS) delete copy[name];
  return copy;
}

/** The same message for the same queue; its next delivery will show `attempts`. */
export function copyOf(delivery: Delivery, attempts: number): Message {
  const { properties, body, queue } = delivery;
  return {
    exchange: '',
    routingKey: queue,
    properties,
    body,
    headers: { ...cleaned(delivery.headers), [ATTEMPTS_HEADER]: attempts - 1 },
  };
}

/** The same message as if new (a count that it has stays). */
export function parkedCopy(delivery: Delivery): Message {
  const headers = cleaned(delivery.headers);
  if (delivery.attempts > 1) headers[ATTEMPTS_HEADER] = delivery.attempts - 1;
  return { exchange: '', routingKey: delivery.queue, properties: delivery.properties, body: delivery.body, headers };
}

/** The message as it lies among the dead, where it shall outlive a restart of RabbitMQ. */
export function deadCopy(settlement: DeadLetterSettlement): Message {
  const letter = deadLetter(settlement, Date.now() / 1000);
  const { [MARK_HEADER]: _, ...headers } = letter.headers;
  return { ...letter, headers, properties: { ...letter.properties, deliveryMode: 2 } };
}
