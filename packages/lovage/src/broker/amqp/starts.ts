// Starts of messages that came again. Each spends its ticket (tickets.ts) before it begins, so that a death of it is counted. Nothing starts
// while the message that it replaces is still there: a death would bring both again, and each time one more.
import { BrokerError, Condition, deadline, orAborted } from '../../util/index.ts';
import type { Delivery, Message } from '../seam.ts';
import type { HeldDelivery } from './held.ts';
import { startsOf } from './letters.ts';
import type { Line } from './line.ts';
import { rememberInVain, spend, ticketOf } from './tickets.ts';

/** Seconds in which a ticket has to be spent. */
const TICKET_TIMEOUT = 10;

export class Starts {
  readonly #line: Line;
  readonly #inVain: Set<string>;
  /** Tickets of what has been started here, or is about to be, and has not ended. */
  readonly #spent = new Set<string>();
  /** Tickets of copies whose originals are not acked yet: RabbitMQ may deliver a copy before it confirms it. */
  readonly #replacing = new Set<string>();
  readonly #replaced = new Condition();

  /** `inVain`: tickets of messages that did not start, for whoever they come to next. */
  constructor(line: Line, inVain: Set<string>) {
    this.#line = line;
    this.#inVain = inVain;
  }

  /** These copies are about to be written. */
  replacing(copies: readonly Message[]): void {
    for (const copy of copies) {
      const ticket = ticketOf(copy);
      if (ticket !== undefined) this.#replacing.add(ticket);
    }
  }

  /** Their originals are acked, or stay. */
  replaced(copies: readonly Message[]): void {
    for (const copy of copies) this.#replacing.delete(ticketOf(copy) ?? '');
    this.#replaced.changed();
  }

  /** Before a start. Rejects when it could not be noted: then it would not be counted. */
  async note(delivery: Delivery): Promise<void> {
    const ticket = ticketOf(delivery);
    if (ticket === undefined) return;
    this.#spent.add(ticket);
    await orAborted(
      this.#replaced.until(() => !this.#replacing.has(ticket)),
      this.#line.signal,
    );
    using limit = deadline(TICKET_TIMEOUT, () => new BrokerError('RabbitMQ does not answer.'), this.#line.signal);
    await orAborted(spend(this.#line.connection, [ticket]), limit.signal);
  }

  /** A start that was to be noted is not made. Whether RabbitMQ has taken the ticket we may not know. */
  noteInVain(delivery: Delivery): void {
    const ticket = ticketOf(delivery);
    if (ticket !== undefined) rememberInVain(this.#inVain, ticket);
  }

  /** A copy that goes back: after a start it needs a ticket that is not spent, or it would count once more when it comes again without one. Answers once. */
  wantsTicket(copy: Message): boolean {
    const ticket = ticketOf(copy);
    return startsOf(copy) > 0 && (ticket === undefined || this.#spent.delete(ticket));
  }

  /** These have ended: the tickets of those that never started. */
  unspentOf(ended: readonly HeldDelivery[]): readonly string[] {
    return ended.flatMap(({ delivery }) => ticketOf(delivery) ?? []).filter((ticket) => !this.#spent.delete(ticket));
  }
}
