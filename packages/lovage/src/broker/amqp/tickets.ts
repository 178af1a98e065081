// Tickets: how a message that came again is known to have been started or not. RabbitMQ says only that somebody held it: a worker that
// died of it, or a line that was cut while it was on its way, again and again.
//
// came again, or goes back after a start → a ticket is laid down (a queue of its own, empty) and named in the header of the copy
// its start → the ticket is spent (its queue deleted) · came again, ticket there: never started, its count stays · gone: started, counted
import { type AmqpConnection, BrokerConnectionError, logger, QueueNotFoundError, uuid } from '../../util/index.ts';
import type { Delivery, Message } from '../seam.ts';
import { copyOf, TICKET_HEADER } from './letters.ts';
import { onChannel } from './topology.ts';

const TICKET_PREFIX = 'lovage.ticket.';
/** A ticket that nobody has asked for so long (ms) is gone; its message then counts as started when it comes again. */
const TICKET_LIFE = 86_400_000;
const TICKET = /^[0-9a-f-]{36}$/;
/** Most tickets that are remembered because nothing started on them. Their messages may come to another worker, and nobody says so here. */
const MOST_IN_VAIN = 10_000;

const log = logger('broker', 'amqp');
const queueOf = (ticket: string): string => TICKET_PREFIX + ticket;

/** The ticket of a message; undefined when it never came again. */
export function ticketOf({ headers }: Message): string | undefined {
  const ticket = headers[TICKET_HEADER];
  return typeof ticket === 'string' && TICKET.test(ticket) ? ticket : undefined;
}

/** Those of these tickets that are not spent. */
function unspent(connection: AmqpConnection, tickets: readonly string[]): Promise<ReadonlySet<string>> {
  return onChannel(connection, async (run) => {
    const found = new Set<string>();
    for (const ticket of tickets) {
      try {
        await run('A ticket', (channel) => channel.checkQueue(queueOf(ticket)));
        found.add(ticket);
      } catch (error) {
        if (error instanceof BrokerConnectionError) throw error;
        // Whoever may not look counts as before there were tickets.
        if (!(error instanceof QueueNotFoundError)) log.debug('A ticket cannot be looked for: {error}', { error: String(error) });
      }
    }
    return found;
  });
}

/** Lays new ones down; fewer than asked for where RabbitMQ refuses: those messages count whenever they come again. */
function issue(connection: AmqpConnection, count: number): Promise<readonly string[]> {
  return onChannel(connection, async (run) => {
    const issued: string[] = [];
    try {
      for (const ticket of Array.from({ length: count }, uuid)) {
        const options = { durable: true, arguments: { 'x-queue-type': 'classic', 'x-expires': TICKET_LIFE } };
        await run('A ticket', (channel) => channel.assertQueue(queueOf(ticket), options));
        issued.push(ticket);
      }
    } catch (error) {
      if (error instanceof BrokerConnectionError) throw error;
      log.debug('No ticket can be laid down: {error}', { error: String(error) });
    }
    return issued;
  });
}

/**
 * Copies of messages that came again, for their queue: counted, with a new ticket, but for those that hold a ticket that is not spent. A
 * message without a ticket is taken for started. `inVain`: tickets that were or may have been spent here without a start, because the line
 * ended meanwhile; their messages have a new one and are not counted. Throws BrokerConnectionError.
 */
export async function recounted(
  connection: AmqpConnection,
  again: readonly Delivery[],
  inVain: Set<string> = new Set(),
): Promise<readonly Message[]> {
  if (again.length === 0) return [];
  const held = again.flatMap((delivery) => ticketOf(delivery) ?? []);
  const valid = held.length === 0 ? new Set<string>() : await unspent(connection, held);
  const isValid = (delivery: Delivery): boolean => valid.has(ticketOf(delivery) ?? '');
  const fresh = [...(await issue(connection, again.filter((delivery) => !isValid(delivery)).length))];
  return again.map((delivery) => {
    const isUnstarted = inVain.delete(ticketOf(delivery) ?? '') || isValid(delivery);
    const copy = copyOf(delivery, isUnstarted ? delivery.attempts - 1 : delivery.attempts);
    return isValid(delivery) ? copy : withTicket(copy, fresh.pop());
  });
}

/** These copies, with a new ticket in each that wants one. Throws BrokerConnectionError. */
export async function ticketed<Copy extends Message>(
  connection: AmqpConnection,
  copies: readonly Copy[],
  isWanting: (copy: Copy) => boolean,
): Promise<readonly Copy[]> {
  const wanting = new Set(copies.filter(isWanting));
  if (wanting.size === 0) return copies;
  const fresh = [...(await issue(connection, wanting.size))];
  return copies.map((copy) => (wanting.has(copy) ? withTicket(copy, fresh.pop()) : copy));
}

/** Remembers it among `inVain`. Of many the oldest is forgotten; its message counts as started if it comes here after all. */
export function rememberInVain(inVain: Set<string>, ticket: string, most: number = MOST_IN_VAIN): void {
  inVain.add(ticket);
  const [oldest] = inVain;
  if (inVain.size > most && oldest !== undefined) inVain.delete(oldest);
}

function withTicket<Copy extends Message>(copy: Copy, ticket: string | undefined): Copy {
  const { [TICKET_HEADER]: _, ...headers } = copy.headers;
  return { ...copy, headers: ticket === undefined ? headers : { ...headers, [TICKET_HEADER]: ticket } };
}

/** Spends them. Throws BrokerError. */
export async function spend(connection: AmqpConnection, tickets: readonly string[]): Promise<void> {
  await onChannel(connection, async (run) => {
    for (const ticket of tickets) await run('A ticket', (channel) => channel.deleteQueue(queueOf(ticket)));
  });
}
