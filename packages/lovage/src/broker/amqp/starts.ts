// Starts of messages that came again, or were given back. Each is marked (marks.ts) before it begins, so that a death of it is counted.
// Nothing starts while the message that it replaces is still there: a death would bring both again, and each time one more.
import { BrokerConnectionError, BrokerError, Condition, deadline, logger, orAborted, uuid } from '../../util/index.ts';
import type { Delivery, Message } from '../seam.ts';
import type { HeldDelivery } from './held.ts';
import { MARK_HEADER } from './letters.ts';
import type { Line } from './line.ts';
import { counted, forget, mark, type Send, StartsInVain, startOf } from './marks.ts';

/** Seconds in which a start has to be marked, or marks to be counted. */
const MARK_TIMEOUT = 10;

const log = logger('broker', 'amqp');

/** What all subscriptions of a broker know of starts, since a message comes again to the next one. */
export interface StartsMemory {
  readonly inVain: StartsInVain;
  /** May this user declare marks? Undefined until somebody asks. */
  mayMark: Promise<boolean> | undefined;
}

export function createStartsMemory(): StartsMemory {
  return { inVain: new StartsInVain(), mayMark: undefined };
}

export class Starts {
  readonly #line: Line;
  readonly #memory: StartsMemory;
  readonly #send: Send;
  /** Keys of copies whose originals are not acked yet: RabbitMQ may deliver a copy before it confirms it. */
  readonly #replacing = new Set<unknown>();
  readonly #replaced = new Condition();

  constructor(line: Line, memory: StartsMemory, send: Send) {
    this.#line = line;
    this.#memory = memory;
    this.#send = send;
  }

  /** May this user have starts noted? Tried once. Throws BrokerConnectionError. */
  mayMark(): Promise<boolean> {
    this.#memory.mayMark ??= this.#tryMark().catch((error: unknown) => {
      this.#memory.mayMark = undefined;
      throw error;
    });
    return this.#memory.mayMark;
  }

  async #tryMark(): Promise<boolean> {
    const start = { key: uuid(), number: 1 };
    try {
      await mark(this.#line.connection, start);
    } catch (error) {
      if (error instanceof BrokerConnectionError || !(error instanceof BrokerError)) throw error;
      log.warn(
        'RabbitMQ does not let this user note that a message is started which came again: it is written anew each time it comes, and counts as started. Let the user configure "lovage.start.*". ({error})',
        { error: String(error) },
      );
      return false;
    }
    await forget(this.#line.connection, [start]);
    return true;
  }

  /** Before a start. Rejects when the line failed: then it could not be counted, and must not be made. */
  async note(delivery: Delivery): Promise<void> {
    const start = startOf(delivery);
    if (start.number < 1) return;
    const { signal, connection } = this.#line;
    await orAborted(
      this.#replaced.until(() => !this.#replacing.has(start.key)),
      signal,
    );
    using limit = deadline(MARK_TIMEOUT, () => new BrokerConnectionError('RabbitMQ does not answer.'), signal);
    if (await orAborted(this.mayMark(), limit.signal)) await orAborted(mark(connection, start), limit.signal);
  }

  /** A start that was to be noted is not made. Whether RabbitMQ has the mark we may not know. */
  noteInVain(delivery: Delivery): void {
    const start = startOf(delivery);
    if (start.number > 0) this.#memory.inVain.add(start);
  }

  /**
   * These came again: with the starts that were noted. As they came, which is as if started once, where RabbitMQ takes nothing now. Throws
   * BrokerConnectionError.
   */
  async counted(again: readonly Delivery[]): Promise<readonly Delivery[]> {
    const { connection, signal } = this.#line;
    await forget(connection, this.#memory.inVain.take(again));
    using limit = deadline(MARK_TIMEOUT, () => new BrokerError('RabbitMQ does not confirm.'), signal);
    try {
      return await counted(again, this.#send, limit.signal);
    } catch (error) {
      if (signal.aborted) throw error;
      log.warn('The starts of {count} messages that came again cannot be counted now: {error}', {
        count: again.length,
        error: String(error),
      });
      return again;
    }
  }

  /** These have ended, or are replaced: what was noted of them goes. Never rejects; what is left RabbitMQ deletes after some days. */
  async forget(ended: readonly HeldDelivery[]): Promise<void> {
    const again = ended.filter(({ delivery }) => delivery.attempts > 1);
    const noted = again.map(({ delivery }) => startOf(delivery)).filter(({ number }) => number > 0);
    if (noted.length === 0) return;
    try {
      if (await this.mayMark()) await forget(this.#line.connection, noted);
    } catch (error) {
      log.debug('A mark is left: {error}', { error: String(error) });
    }
  }

  /** These copies are about to be written. */
  replacing(copies: readonly Message[]): void {
    for (const { headers } of copies) this.#replacing.add(headers[MARK_HEADER]);
  }

  /** Their originals are acked, or stay. */
  replaced(copies: readonly Message[]): void {
    for (const { headers } of copies) this.#replacing.delete(headers[MARK_HEADER]);
    this.#replaced.changed();
  }
}
