// Names of keys and channels, exactly Celery's for queues, bindings and fanout; `lovage.…` for what is ours. One object for each broker.
import type { RedisTransportOptions } from './options.ts';

export interface RedisKeys {
  readonly prefix: string;
  readonly sep: string;
  readonly steps: readonly number[];
  /** The list in which a message of this priority waits. 0 is served first; what is no number counts as 0. */
  list(queue: string, priority: unknown): string;
  /** All lists of a queue, in the order in which they are served. */
  lists(queue: string): readonly string[];
  binding(exchange: string): string;
  /** Set of all incarnations that may hold messages. */
  readonly holders: string;
  lease(incarnation: string): string;
  held(incarnation: string): string;
  /** Exists while a live Lovage worker serves the queue. */
  serves(queue: string): string;
  /** Sorted set of parked envelopes by due time, and the set of queues that have one. */
  parked(queue: string): string;
  readonly parkedQueues: string;
  /** Set of the queues from which no worker shall take. */
  readonly paused: string;
  readonly unacked: string;
  readonly unackedIndex: string;
  readonly unackedMutex: string;
  /** Where a message to a fanout exchange is published. */
  channel(exchange: string, routingKey: string): string;
  /** What a queue bound with `routingKey` listens to. */
  pattern(exchange: string, routingKey: string): string;
}

export function redisKeys(options: RedisTransportOptions, db: number): RedisKeys {
  const { globalKeyprefix: prefix, sep, prioritySteps: steps } = options;
  const lowest = steps[0] ?? 0;
  const stepOf = (priority: unknown): number => {
    const clamped =
      typeof priority === 'number' && Number.isFinite(priority) ? Math.min(9, Math.max(0, Math.trunc(priority))) : 0;
    return steps.findLast((step) => step <= clamped) ?? lowest;
  };
  const stepList = (queue: string, step: number): string => `${prefix}${queue}${step === 0 ? '' : `${sep}${step}`}`;
  const fanout = options.fanoutPrefix === true ? `/${db}.` : options.fanoutPrefix === false ? '' : options.fanoutPrefix;
  const channel = (exchange: string, routingKey: string): string =>
    `${prefix}${fanout}${exchange}${options.fanoutPatterns && routingKey !== '' ? `/${routingKey}` : ''}`;
  return {
    prefix,
    sep,
    steps,
    list: (queue, priority) => stepList(queue, stepOf(priority)),
    lists: (queue) => steps.map((step) => stepList(queue, step)),
    binding: (exchange) => `${prefix}_kombu.binding.${exchange}`,
    holders: `${prefix}lovage.holders`,
    lease: (incarnation) => `${prefix}lovage.lease.${incarnation}`,
    held: (incarnation) => `${prefix}lovage.held.${incarnation}`,
    serves: (queue) => `${prefix}lovage.serves.${queue}`,
    parked: (queue) => `${prefix}lovage.eta.${queue}`,
    parkedQueues: `${prefix}lovage.etas`,
    paused: `${prefix}lovage.paused`,
    unacked: `${prefix}${options.unackedKey}`,
    unackedIndex: `${prefix}${options.unackedIndexKey}`,
    unackedMutex: `${prefix}${options.unackedMutexKey}`,
    channel,
    pattern: (exchange, routingKey) => channel(exchange, routingKey.replaceAll('#', '*')),
  };
}
