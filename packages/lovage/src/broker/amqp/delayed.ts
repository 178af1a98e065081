// RabbitMQ's native delayed delivery as Celery lays it out: 28 levels, each holding a message for a power of two of seconds.
// A message travels from level to level by the bits of its routing key and ends in the exchange celery_delayed_delivery.
import { createHash } from 'node:crypto';
import type { BindingDeclaration } from '../seam.ts';

const LEVELS = 28;
/** Bytes of a routing key. */
const LONGEST_KEY = 255;
/** The longest delay in seconds, about 8.5 years. */
export const MAX_DELAY: number = 2 ** LEVELS - 1;
export const DELIVERY_EXCHANGE = 'celery_delayed_delivery';
const BITS = /^(?:[01]\.){28}/;
/** A delay that is short of whole seconds by less than this was whole when its sender asked for it. */
const ROUNDING = 0.1;

export type DelayedQueueType = 'classic' | 'quorum';

export interface DelayLevel {
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  /** Exchange of the next level. */
  readonly next: string;
  /** Messages with this bit set stay here. */
  readonly stayKey: string;
  /** Messages without it pass. */
  readonly passKey: string;
}

function level(number: number, type: DelayedQueueType): DelayLevel {
  const next = number === 0 ? DELIVERY_EXCHANGE : `celery_delayed_${number - 1}`;
  const before = '*.'.repeat(LEVELS - 1 - number);
  return {
    name: `celery_delayed_${number}`,
    arguments: {
      'x-queue-type': type,
      'x-overflow': 'reject-publish',
      'x-message-ttl': 2 ** number * 1000,
      'x-dead-letter-exchange': next,
      ...(type === 'quorum' ? { 'x-dead-letter-strategy': 'at-least-once' } : {}),
    },
    next,
    stayKey: `${before}1.#`,
    passKey: `${before}0.#`,
  };
}

/** All levels, the longest first. */
export function delayLevels(type: DelayedQueueType): readonly DelayLevel[] {
  return Array.from({ length: LEVELS }, (_, index) => level(LEVELS - 1 - index, type));
}

/** Whole seconds for which RabbitMQ can hold what is due in `seconds`; the worker holds the rest. */
export function wholeDelay(seconds: number): number {
  return Math.min(MAX_DELAY, Math.max(0, Math.floor(seconds + ROUNDING)));
}

/**
 * Where a message that shall be held for `seconds` (1 or more) is published: the level of its highest bit, which is the first that would
 * hold it. Celery publishes to the highest level of all, from where it only passes on; each exchange on that way costs RabbitMQ a route.
 */
export function entryExchange(seconds: number): string {
  return `celery_delayed_${31 - Math.clz32(seconds)}`;
}

/** Routing key of a message that shall be held for `seconds` and then be routed by `key`. */
export function delayKey(seconds: number, key: string): string {
  return `${[...seconds.toString(2).padStart(LEVELS, '0')].join('.')}.${key}`;
}

/** What stands for a queue behind the bits: its name, or where a routing key has no room for both, a hash of it. */
export function directName(queue: string): string {
  if (Buffer.byteLength(queue) <= LONGEST_KEY - 2 * LEVELS) return queue;
  return `lovage-${createHash('sha256').update(queue).digest('hex')}`;
}

/** Binding of a queue to the delivery exchange by its name alone; `#.name` would also catch `a.name`. */
export function directKey(queue: string): string {
  return `${'*.'.repeat(LEVELS)}${directName(queue)}`;
}

/** Did a message come out of a delay level? */
export function isDelayed(exchange: string, routingKey: string): boolean {
  return exchange.startsWith('celery_delayed_') && BITS.test(routingKey);
}

/** Celery's additional binding key of queues on topic exchanges: delayed keys begin with the bits. */
export function topicKey(binding: BindingDeclaration): string {
  return binding.routingKey.startsWith('#') ? binding.routingKey : `#.${binding.routingKey}`;
}

/** Does a topic binding of this key take this routing key? By AMQP's rule: `*` is one word, `#` any number of them. */
export function topicTakes(bindingKey: string, routingKey: string): boolean {
  const takes = ([pattern, ...patterns]: readonly string[], words: readonly string[]): boolean => {
    if (pattern === undefined) return words.length === 0;
    if (pattern === '#') return takes(patterns, words) || (words.length > 0 && takes([pattern, ...patterns], words.slice(1)));
    return words.length > 0 && (pattern === '*' || pattern === words[0]) && takes(patterns, words.slice(1));
  };
  return takes(bindingKey.split('.'), routingKey.split('.'));
}
