// What a queue's declaration means to stores that keep queues themselves: sameness, limits, life times. Memory and SQLite use it.
import { QueueNotFoundError, TopologyMismatchError } from '../util/index.ts';
import type { Message, QueueDeclaration } from './seam.ts';

/** The limits that a queue's arguments set; times in seconds. */
export interface QueueLimits {
  readonly messageTtl: number | undefined;
  /** Unused for so long, the queue is deleted. */
  readonly expires: number | undefined;
  readonly maxLength: number | undefined;
}

/** The limits in RabbitMQ's arguments. */
export function queueLimits(queue: QueueDeclaration): QueueLimits {
  const number = (name: string): number | undefined => {
    const value = queue.arguments[name];
    return typeof value === 'number' && value >= 0 ? value : undefined;
  };
  const seconds = (name: string): number | undefined => {
    const value = number(name);
    return value === undefined ? undefined : value / 1000;
  };
  return { messageTtl: seconds('x-message-ttl'), expires: seconds('x-expires'), maxLength: number('x-max-length') };
}

/** A declaration as one text that is equal for equal declarations, whatever the order of the arguments. */
export function declarationText(queue: QueueDeclaration): string {
  const sorted = Object.fromEntries(Object.entries(queue.arguments).sort(([a], [b]) => (a < b ? -1 : 1)));
  return JSON.stringify([queue.durable, queue.exclusive ?? false, queue.autoDelete ?? false, sorted]);
}

/** What a passive declaration of something that is not there ends with. */
export function notThere(what: string, cause?: unknown): QueueNotFoundError {
  return new QueueNotFoundError(
    `${what} is not there, and it is declared passive: looked for, never made. Declare it where it belongs first, or take passive away.`,
    { cause },
  );
}

/** Throws when a queue of this name was declared differently, and for a passive declaration when it was not declared at all. */
export function refuseOtherDeclaration(queue: QueueDeclaration, known: string | undefined): void {
  if (queue.passive === true) {
    if (known === undefined) throw notThere(`Queue "${queue.name}"`);
    return;
  }
  const wanted = declarationText(queue);
  if (known === undefined || known === wanted) return;
  throw new TopologyMismatchError(
    `Queue "${queue.name}" exists with other arguments (${known}) than declared now (${wanted}). Declare it alike everywhere, or remove it first.`,
  );
}

/**
 * Epoch seconds at which a message vanishes: the limit of its queue alone. A task that is too late by its own `expiration` must still
 * reach a worker, which records that it expired; dropped here, whoever waits for its result would wait for ever.
 */
export function expiresAt(messageTtl: number | undefined, now: number): number | undefined {
  return messageTtl === undefined ? undefined : now + messageTtl;
}

/** The list of a message's priority, 0 to 9; none means 0, and so does whatever a stranger wrote there instead of a number. */
export function priorityOf(message: Message): number {
  const priority: unknown = message.properties.priority;
  return typeof priority === 'number' && priority > 0 ? Math.min(9, Math.floor(priority)) : 0;
}
