// Dead letters: which queue a message goes to that no worker can finish, and the header that says why. All drivers use this.
import type { DeadLetterPolicy, DeathReason, Delivery, Message, Outgoing, QueueDeclaration, Settlement } from './seam.ts';

/** Names of dead-letter queues start with this. */
export const DEAD_LETTER_PREFIX = 'lovage.dead.';
/** The header that tells of a message's death. */
export const DEATH_HEADER = 'x-lovage-death';
/** The header that carries how often a message was started, on brokers that keep no count of their own. A message that has it is no first one, also with 0. */
export const ATTEMPTS_HEADER = 'x-lovage-attempts';

/** How often a message was started before it was published, as its sender says: a worker that gave it back. Foreign senders may write no headers. */
export function startedBefore(headers: Readonly<Record<string, unknown>> | null): number {
  const started = headers?.[ATTEMPTS_HEADER];
  return typeof started === 'number' && Number.isSafeInteger(started) && started > 0 ? started : 0;
}

/** May the same message have been sent before? Who cannot know says so by that header alone, whatever its count: beat, and a publish whose confirm was lost. */
export function isRepeat(headers: Readonly<Record<string, unknown>> | null): boolean {
  return headers?.[ATTEMPTS_HEADER] !== undefined;
}

/** The message as one that may have been sent before. */
export function asRepeat({ headersText: _, ...message }: Outgoing): Outgoing {
  return isRepeat(message.headers) ? message : { ...message, headers: { ...message.headers, [ATTEMPTS_HEADER]: 0 } };
}

/** How long dead letters are kept, and how many, when nothing else is said. */
export const DEFAULT_DEAD_LETTERS: DeadLetterPolicy = { mode: 'lovage', ttl: 1_209_600, maxLength: 100_000 };

/** Where the dead of a queue lie. What dies there a second time stays there. */
export function deadLetterQueue(queue: string): string {
  return queue.startsWith(DEAD_LETTER_PREFIX) ? queue : DEAD_LETTER_PREFIX + queue;
}

/** The declaration of a dead-letter queue, with the policy's limits. */
export function deadLetterDeclaration(queue: string, policy: DeadLetterPolicy): QueueDeclaration {
  return {
    name: deadLetterQueue(queue),
    durable: true,
    arguments: { 'x-message-ttl': Math.round(policy.ttl * 1000), 'x-max-length': policy.maxLength },
  };
}

/** What `x-lovage-death` holds. Plain values only, so that every header codec takes it. */
export interface Death {
  readonly reason: DeathReason;
  readonly error: string | null;
  readonly attempts: number;
  readonly origin: { readonly queue: string; readonly exchange: string; readonly routing_key: string };
  /** ISO 8601. */
  readonly time: string;
  readonly node: string | null;
}

export type DeadLetterSettlement = Extract<Settlement, { readonly verdict: 'deadLetter' }>;

/** Longest error text that travels in the header; brokers limit headers to a frame. */
const MAX_ERROR_LENGTH = 2000;

/** The message as it lies in the dead-letter queue: body and headers as they came, plus the death. */
export function deadLetter(settlement: DeadLetterSettlement, nowSeconds: number): Message {
  const { delivery, reason, error, node } = settlement;
  const death: Death = {
    reason,
    error: error === undefined ? null : error.slice(0, MAX_ERROR_LENGTH),
    attempts: delivery.attempts,
    origin: { queue: delivery.queue, exchange: delivery.exchange, routing_key: delivery.routingKey },
    time: new Date(nowSeconds * 1000).toISOString(),
    node: node ?? null,
  };
  // Its own time to live would let it vanish without a trace; the dead-letter queue has one.
  const { expiration: _, ...properties } = delivery.properties;
  return {
    exchange: '',
    routingKey: deadLetterQueue(delivery.queue),
    headers: { ...delivery.headers, [DEATH_HEADER]: death },
    properties,
    body: delivery.body,
  };
}

/** All that there are, for whoever chooses by them. */
export const DEATH_REASONS: readonly DeathReason[] = Object.keys({
  'unknown-task': true,
  undecodable: true,
  'refused-content': true,
  'refused-signature': true,
  malformed: true,
  'too-large': true,
  rejected: true,
  'delivery-limit': true,
  failed: true,
} satisfies Record<DeathReason, true>) as DeathReason[];

/** The death of a message that was read from a dead-letter queue; undefined when it tells none that can be read. */
export function readDeath(message: Message | Delivery): Death | undefined {
  // Foreign senders may write no headers.
  const value = (message.headers as Message['headers'] | null)?.[DEATH_HEADER];
  if (typeof value !== 'object' || value === null) return undefined;
  const { reason, error, attempts, origin, time, node } = value as Partial<Record<keyof Death, unknown>>;
  if (typeof reason !== 'string' || typeof origin !== 'object' || origin === null) return undefined;
  const { queue, exchange, routing_key } = origin as Record<string, unknown>;
  return {
    reason: reason as DeathReason,
    error: typeof error === 'string' ? error : null,
    attempts: typeof attempts === 'number' ? attempts : 1,
    origin: { queue: text(queue), exchange: text(exchange), routing_key: text(routing_key) },
    time: text(time),
    node: typeof node === 'string' ? node : null,
  };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
