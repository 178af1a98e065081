// Starts of messages that came again, or were given back after a start. Each is marked (marks.ts) before it begins, so that a death of it is
// counted. What was given back after a start does not start while the message is there that it replaces: a death would bring both again.
import {
  BrokerConnectionError,
  BrokerError,
  BrokerFullError,
  Condition,
  deadline,
  logger,
  orAborted,
  PublishError,
  QueueNotFoundError,
  uuid,
} from '../../util/index.ts';
import type { Delivery, Message } from '../seam.ts';
import type { HeldDelivery } from './held.ts';
import { MARK_HEADER } from './letters.ts';
import type { Line } from './line.ts';
import { askByLetter, askByName, counted, forget, mark, StartsInVain, startOf, startsUntil } from './marks.ts';
import type { Send } from './questions.ts';
import { isForbidden, type Run, refusesAll, Steps } from './topology.ts';

/** Seconds in which a start has to be marked on a line that lives; one that is silent is given up by itself. */
const MARK_TIMEOUT = 60;
/** Seconds in which RabbitMQ has to take letters that ask for marks at first; then twice as long. */
const ASK_TIMEOUT = 2;
/** And that it gets at most. Behind that there may be no line to ask on, as where a vhost may have no more of them. */
const ASK_LONGEST = 30;
/** Milliseconds until it is tried again, where RabbitMQ refused marks or letters. */
const REFUSED_FOR = 300_000;

const log = logger('broker', 'amqp');

/** What all subscriptions of a broker know of starts, since a message comes again to the next one. */
export class StartsMemory {
  readonly inVain: StartsInVain = new StartsInVain();
  #mayMark: boolean | undefined;
  #refusedAt = 0;
  #lettersRefusedAt = Number.NEGATIVE_INFINITY;

  /** May this user send letters that ask for marks, as far as is known? */
  get takesLetters(): boolean {
    return performance.now() - this.#lettersRefusedAt > REFUSED_FOR;
  }

  lettersRefused(): void {
    this.#lettersRefusedAt = performance.now();
  }

  /** May this user have starts marked? Tried when nobody knows. Throws BrokerConnectionError. */
  async mayMark(run: Run): Promise<boolean> {
    if (this.#mayMark === false && performance.now() - this.#refusedAt > REFUSED_FOR) this.#mayMark = undefined;
    if (this.#mayMark !== undefined) return this.#mayMark;
    const probe = [{ key: uuid(), number: 1 }];
    try {
      await mark(run, probe);
      await forget(run, probe);
      this.#mayMark = true;
    } catch (error) {
      if (error instanceof BrokerConnectionError || !(error instanceof BrokerError)) throw error;
      this.refused(error);
    }
    return this.#mayMark === true;
  }

  /** RabbitMQ refuses marks, whatever they are for. */
  refused(error: unknown): void {
    this.#mayMark = false;
    this.#refusedAt = performance.now();
    log.warn(
      'RabbitMQ refuses to note that a message is started which came again. For some minutes it is written anew each time it comes again, and counts as started. It needs the right to configure and to read "lovage.start.*", and to write to "amq.default". ({error})',
      { error: String(error) },
    );
  }
}

/** Why letters were not taken. One that leads nowhere is an answer. */
function untaken(error: unknown): unknown {
  if (!(error instanceof PublishError)) return error;
  return error.failures.find(({ cause }) => !(cause instanceof QueueNotFoundError))?.cause;
}

export interface StartsOptions {
  readonly line: Line;
  readonly memory: StartsMemory;
  readonly send: Send;
  /** Has it no end yet? */
  readonly isHeld: (delivery: Delivery) => boolean;
}

export class Starts {
  readonly #line: Line;
  readonly #memory: StartsMemory;
  readonly #send: Send;
  readonly #isHeld: (delivery: Delivery) => boolean;
  /** All that is done to marks, in its order: what is forgotten is not declared behind that. */
  readonly #marks: Steps;
  /** Keys of copies whose originals are not acked yet: RabbitMQ may deliver a copy before it confirms it. */
  readonly #replacing = new Set<unknown>();
  readonly #replaced = new Condition();

  constructor({ line, memory, send, isHeld }: StartsOptions) {
    this.#line = line;
    this.#memory = memory;
    this.#send = send;
    this.#isHeld = isHeld;
    this.#marks = new Steps(line.connection);
  }

  /** May this user have starts noted? Throws BrokerConnectionError. */
  mayMark(): Promise<boolean> {
    return this.#memory.mayMark(this.#marks.run);
  }

  /** Before a start. Rejects when the line failed: then it could not be counted, and must not be made. */
  async note(delivery: Delivery): Promise<void> {
    const start = startOf(delivery);
    if (start.number < 1) return;
    const { signal } = this.#line;
    await orAborted(
      this.#replaced.until(() => !this.#replacing.has(start.key)),
      signal,
    );
    using limit = deadline(MARK_TIMEOUT, () => new BrokerError('RabbitMQ does not answer in time.'), signal);
    const marked = async (): Promise<void> => {
      if (await this.mayMark()) await mark(this.#marks.run, startsUntil(delivery), () => this.#isHeld(delivery));
    };
    try {
      await orAborted(marked(), limit.signal);
    } catch (error) {
      if (signal.aborted || error instanceof BrokerConnectionError || !(error instanceof BrokerError)) throw error;
      // Not any more, as where a vhost may have no more queues; or not this one, as where it lies on a node that is down.
      if (refusesAll(error)) this.#memory.refused(error);
      else log.warn('The start of a message that came again is not counted: {error}', { error: String(error) });
    }
  }

  /** A start that was to be noted is not made. Whether RabbitMQ has the mark we may not know. */
  noteInVain(delivery: Delivery): void {
    const start = startOf(delivery);
    if (start.number > 0) this.#memory.inVain.add(start);
  }

  /** These came again: with the starts that were noted. Throws BrokerError. */
  async counted(again: readonly Delivery[]): Promise<readonly Delivery[]> {
    const found = await this.#count(again);
    const inVain = new Set(found.filter((delivery) => this.#memory.inVain.take(delivery)));
    await forget(
      this.#marks.run,
      [...inVain].flatMap((delivery) => startsUntil(delivery).slice(-2, -1)),
    );
    return found.map((delivery) => (inVain.has(delivery) ? { ...delivery, attempts: delivery.attempts - 1 } : delivery));
  }

  async #count(again: readonly Delivery[]): Promise<readonly Delivery[]> {
    const { connection, signal } = this.#line;
    for (let patience = ASK_TIMEOUT; this.#memory.takesLetters; patience *= 2) {
      using limit = deadline(patience, () => new BrokerError('RabbitMQ does not confirm.'), signal);
      try {
        return await counted(again, askByLetter(this.#send, limit.signal));
      } catch (error) {
        signal.throwIfAborted();
        const why = untaken(error);
        const isFull = why instanceof BrokerFullError;
        // A server that is only slow is asked again, and given more time: one by one it would take longer still.
        if (limit.signal.aborted && !isFull && !isForbidden(why) && patience < ASK_LONGEST) continue;
        // An alarm blocks the lines that publish, not this one. Where this user may not write, each letter closes a channel.
        log.debug('Marks are asked for one by one: {error}', { error: String(error) });
        if (!isFull) this.#memory.lettersRefused();
        break;
      }
    }
    return await counted(again, askByName(connection));
  }

  /** These have ended, or are replaced: what was noted of them goes. Never rejects; what is left RabbitMQ deletes after some days. */
  async forget(ended: readonly HeldDelivery[]): Promise<void> {
    const noted = ended.flatMap(({ delivery }) => (delivery.attempts > 1 ? startsUntil(delivery) : []));
    try {
      await forget(this.#marks.run, noted);
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
