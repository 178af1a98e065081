// Verdicts that RabbitMQ does not know: given back with a count, parked, dead. A copy is published, and when it is confirmed the original is
// acked. What breaks between the two leaves a message there twice, never not at all.
import { BrokerError, BrokerFullError, deadline, logger, PublishError, QueueNotFoundError, sleep } from '../../util/index.ts';
import { type DeadLetterSettlement, deadLetterDeclaration } from '../dead-letters.ts';
import type { DeadLetterPolicy, Delivery, Message, Outgoing, Settlement } from '../seam.ts';
import type { HeldDeliveries, HeldDelivery } from './held.ts';
import { copyOf, deadCopy, parkedCopy, startsOf } from './letters.ts';
import type { Line } from './line.ts';
import type { Starts } from './starts.ts';
import type { Stillness } from './stillness.ts';
import { recounted, spend, ticketed, ticketOf } from './tickets.ts';

/** Seconds in which a copy has to be confirmed; else the original goes back to the queue as it is. */
const COPY_TIMEOUT = 30;
/** Seconds before another try to write down that a message came again. */
const RECOUNT_AGAIN = 1;

/** How often a queue may have no room for the copies of what came again from it. */
const FULL_TRIES = 2;

const log = logger('broker', 'amqp');

type Copied = Extract<Settlement, { readonly verdict: 'requeue' | 'deadLetter' | 'park' }>;

/** A message of which a copy is to be written, and why. */
export interface Copy {
  readonly held: HeldDelivery;
  readonly settlement: Copied;
}

export interface CopiesOptions {
  readonly line: Line;
  readonly held: HeldDeliveries;
  readonly stillness: Stillness;
  readonly starts: Starts;
  readonly deadLetters: DeadLetterPolicy;
  /** Publishes, on a line of its own. */
  readonly send: (messages: readonly Outgoing[], signal: AbortSignal) => Promise<void>;
  /** Declares the dead letters of a queue there. */
  readonly declareDead: (queue: string) => Promise<void>;
  /** Tickets of messages that did not start: those of all subscriptions of the broker, since a message comes again to the next one. */
  readonly inVain: Set<string>;
  /** Hands these to whoever iterates. */
  readonly run: (deliveries: readonly Delivery[]) => void;
}

/** A message that came again, and the copy that is to lie in its place. */
interface Again {
  readonly one: HeldDelivery;
  readonly copy: Message;
}

function outgoing(settlement: Copied): Outgoing {
  const { delivery } = settlement;
  if (settlement.verdict === 'deadLetter') return deadCopy(settlement);
  if (settlement.verdict === 'requeue') return copyOf(delivery, settlement.counted ? delivery.attempts + 1 : delivery.attempts);
  // RabbitMQ holds whole seconds. Nothing shorter than one is parked: it would come back at once, again and again.
  return { ...parkedCopy(delivery), dueAt: Math.max(settlement.until, Date.now() / 1000 + 1) };
}

export class Copies {
  readonly #options: CopiesOptions;

  constructor(options: CopiesOptions) {
    this.#options = options;
  }

  /** Publishes the copies and acks the originals; resolves to those whose line broke before they could be acked. */
  async write(copies: readonly Copy[]): Promise<readonly Delivery[]> {
    const { line, held, stillness, starts } = this.#options;
    const lost = (): readonly Delivery[] => copies.map((copy) => copy.held.delivery);
    await this.#declareDead(copies);
    const messages = await this.#messages(copies);
    if (!line.isOpen) return lost();
    starts.replacing(messages);
    const failures = await this.#send(messages);
    // The quiet may have begun meanwhile.
    await stillness.over;
    if (!line.isOpen) return lost();
    const written = copies.filter((_, index) => !failures.has(index));
    held.ack(written.map((copy) => copy.held));
    starts.replaced(messages);
    for (const [index, error] of failures) {
      const copy = copies[index];
      if (copy === undefined) continue;
      log.warn('Could not {verdict} a message of "{queue}", it goes back: {error}', {
        verdict: copy.settlement.verdict,
        queue: copy.held.delivery.queue,
        error,
      });
      held.reject(copy.held, true);
    }
    await this.#endTickets(written.filter(({ settlement }) => settlement.verdict === 'deadLetter'));
    return [];
  }

  /** What they are replaced by. Where no ticket can be laid down they go without: then they count whenever they come again. */
  async #messages(copies: readonly Copy[]): Promise<readonly Outgoing[]> {
    const { line, starts } = this.#options;
    const messages = copies.map(({ settlement }) => outgoing(settlement));
    const back = new Set(messages.filter((_, index) => copies[index]?.settlement.verdict !== 'deadLetter'));
    try {
      return await ticketed(line.connection, messages, (message) => back.has(message) && starts.wantsTicket(message));
    } catch (error) {
      log.debug('No ticket can be laid down: {error}', { error: String(error) });
      return messages;
    }
  }

  /** The dead are not counted any more. */
  async #endTickets(dead: readonly Copy[]): Promise<void> {
    const { line, starts } = this.#options;
    const tickets = starts.unspentOf(dead.map((copy) => copy.held));
    if (tickets.length === 0) return;
    await spend(line.connection, tickets).catch((error: unknown) =>
      log.debug('A ticket is left: {error}', { error: String(error) }),
    );
  }

  /**
   * RabbitMQ does not count starts, so what came again goes to the queue once more with its count; that copy may run. Tries until all are
   * written or the line is lost.
   */
  async recount(again: readonly HeldDelivery[]): Promise<void> {
    const { line, held, stillness, starts, inVain } = this.#options;
    for (const one of again) one.isSettling = true;
    const deliveries = again.map(({ delivery }) => delivery);
    const copies = await recounted(line.connection, deliveries, inVain);
    let open = again.map((one, index): Again => ({ one, copy: copies[index] ?? copyOf(one.delivery, one.delivery.attempts) }));
    starts.replacing(open.map(({ copy }) => copy));
    for (let tries = 1; open.length > 0 && line.isOpen; tries++) {
      const failures = await this.#send(open.map(({ copy }) => copy));
      // Without its queue a message has nowhere to go: the deletion took it.
      const isDone = (index: number): boolean => !failures.has(index) || failures.get(index) instanceof QueueNotFoundError;
      const isRun = (index: number): boolean => tries >= FULL_TRIES && failures.get(index) instanceof BrokerFullError;
      const done = open.filter((_, index) => isDone(index));
      const uncounted = open.filter((_, index) => isRun(index));
      open = open.filter((_, index) => !isDone(index) && !isRun(index));
      await stillness.over;
      if (line.isOpen) held.ack(done.map(({ one }) => one));
      starts.replaced([...done, ...uncounted].map(({ copy }) => copy));
      if (line.isOpen) await this.#runUncounted(uncounted);
      if (open.length === 0) return;
      log.warn('{count} redelivered messages wait to be counted: {error}', {
        count: open.length,
        error: [...failures.values()][0],
      });
      await sleep(RECOUNT_AGAIN, line.signal, { ref: false });
    }
  }

  /**
   * A full queue takes no copies, and where they hold all slots nobody makes room in it: so these run as they are. If their death brings
   * them back once more they are not counted any further, unless there is room by then.
   */
  async #runUncounted(again: readonly Again[]): Promise<void> {
    if (again.length === 0) return;
    const { run, line } = this.#options;
    log.warn('{count} redelivered messages run without being counted: their queue is full', { count: again.length });
    const idle = again.flatMap(({ one, copy }) => {
      const ticket = ticketOf(copy);
      return ticket === undefined || ticket === ticketOf(one.delivery) ? [] : [ticket];
    });
    for (const { one } of again) one.isSettling = false;
    run(again.map(({ one, copy }) => ({ ...one.delivery, attempts: 1 + startsOf(copy) })));
    if (idle.length > 0) await spend(line.connection, idle);
  }

  /** Which of them were not taken, and why; empty when all were. */
  async #send(messages: readonly Outgoing[]): Promise<ReadonlyMap<number, unknown>> {
    const late = (): Error => new BrokerError(`RabbitMQ did not confirm within ${COPY_TIMEOUT} s.`, { transient: true });
    using limit = deadline(COPY_TIMEOUT, late, this.#options.line.signal);
    try {
      await this.#options.send(messages, limit.signal);
      return new Map();
    } catch (error) {
      if (error instanceof PublishError) return new Map(error.failures.map(({ index, cause }) => [index, cause]));
      return new Map(messages.map((_, index) => [index, error]));
    }
  }

  async #declareDead(copies: readonly Copy[]): Promise<void> {
    const { deadLetters, declareDead } = this.#options;
    const dead = copies
      .map(({ settlement }) => settlement)
      .filter((settlement): settlement is DeadLetterSettlement => settlement.verdict === 'deadLetter');
    for (const queue of new Set(dead.map(({ delivery }) => deadLetterDeclaration(delivery.queue, deadLetters).name))) {
      // Publishing to a queue that is not there says so, and the message goes back.
      await declareDead(queue).catch((error: unknown) => log.warn('Cannot declare "{queue}": {error}', { queue, error }));
    }
  }
}
