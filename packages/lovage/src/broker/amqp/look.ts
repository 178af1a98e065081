// Looking into queues and clearing them, on the publishing connection.
import {
  type AmqpChannel,
  type AmqpConnection,
  type AmqpDelivery,
  BrokerConnectionError,
  BrokerError,
  logger,
  PublishError,
  QueueNotFoundError,
} from '../../util/index.ts';
import type { Delivery, Message, QueueCount } from '../seam.ts';
import { DELIVERY_EXCHANGE, directKey } from './delayed.ts';
import { copyOf, parkedCopy, toDelivery, toMessage } from './letters.ts';
import { askByLetter, counted, forget, startsUntil, withKey } from './marks.ts';
import type { Outbox } from './outbox.ts';
import { onChannel, type Run } from './topology.ts';

/** Where delayed messages of deleted queues come out, and are gone. */
const GONE = 'lovage.gone';
const log = logger('broker', 'amqp');
/** Seconds in which the copies of what was looked at have to be confirmed. */
const PUT_BACK_TIMEOUT = 10;

async function orMissing<Out, Missing>(work: Promise<Out>, missing: Missing): Promise<Out | Missing> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof QueueNotFoundError) return missing;
    throw error;
  }
}

/** What waits in a queue; RabbitMQ tells a client nothing of what is held. */
export function countQueue(connection: AmqpConnection, queue: string): Promise<QueueCount | undefined> {
  const count = onChannel(connection, async (run) => {
    const { messageCount } = await run(`The queue "${queue}"`, (channel) => channel.checkQueue(queue));
    return { ready: messageCount };
  });
  return orMissing(count, undefined);
}

/**
 * AMQP knows no look: a message taken and put back is marked as redelivered, and would count as started. So what was seen is
 * replaced by copies that count as before; they go behind what was not seen.
 */
export function peekQueue(
  connection: AmqpConnection,
  queue: string,
  limit: number,
  send: Outbox['send'],
): Promise<readonly Message[]> {
  const peek = onChannel(connection, (run) =>
    run(`The queue "${queue}"`, async (channel) => {
      const seen: AmqpDelivery[] = [];
      while (seen.length < limit) {
        const message = await channel.get(queue);
        if (message === false) break;
        seen.push(message);
      }
      await putBack(connection, channel, seen, queue, send);
      return seen.map((message) => toMessage(message, queue));
    }),
  );
  return orMissing(peek, []);
}

/** What they are replaced by: RabbitMQ would not tell any more that they came again, so their copies do. */
function copiesOf(seen: readonly AmqpDelivery[], again: readonly Delivery[], queue: string): readonly Message[] {
  const left = [...again];
  return seen.map((message) => {
    const came = message.fields.redelivered ? left.shift() : undefined;
    return came === undefined ? parkedCopy(toDelivery(message, queue, 0)) : withKey(copyOf(came, came.attempts));
  });
}

async function putBack(
  connection: AmqpConnection,
  channel: AmqpChannel,
  seen: readonly AmqpDelivery[],
  queue: string,
  send: Outbox['send'],
): Promise<void> {
  const last = seen.at(-1);
  if (last === undefined) return;
  const signal = AbortSignal.timeout(PUT_BACK_TIMEOUT * 1000);
  let again: readonly Delivery[];
  try {
    const redelivered = seen.filter(({ fields }) => fields.redelivered).map((message) => toDelivery(message, queue, 0));
    again = await counted(redelivered, askByLetter(send, signal));
  } catch {
    // Nothing is written yet, so all of them stay as they are. What failed here were letters, not copies.
    channel.nack(last, true, true);
    return;
  }
  try {
    await send(copiesOf(seen, again, queue), signal);
  } catch (error) {
    const failed = error instanceof PublishError ? new Set(error.failures.map(({ index }) => index)) : undefined;
    for (const [index, message] of seen.entries()) {
      if (failed?.has(index) === false) channel.ack(message, false);
      else channel.nack(message, false, true);
    }
    return;
  }
  channel.ack(last, true);
  // What is left of them RabbitMQ deletes after some days.
  await onChannel(connection, (run) => forget(run, again.flatMap(startsUntil))).catch(() => undefined);
}

export function purgeQueue(connection: AmqpConnection, queue: string): Promise<number> {
  const purge = onChannel(connection, async (run) => {
    const { messageCount } = await run(`The queue "${queue}"`, (channel) => channel.purgeQueue(queue));
    return messageCount;
  });
  return orMissing(purge, 0);
}

/**
 * What is delayed for the queue goes with it, into a queue that keeps nothing, when it is due. RabbitMQ would try for ever to get it out of its
 * delay level, and 32 such messages on one level hold up whatever else is delayed there. Should the queue come back, it gets what comes out, too.
 */
async function leadAway(run: Run, queue: string): Promise<void> {
  await run('The exchange of delayed messages', (channel) => channel.checkExchange(DELIVERY_EXCHANGE));
  const nothing = { durable: true, arguments: { 'x-message-ttl': 0, 'x-max-length': 1 } };
  await run(`The queue "${GONE}"`, (channel) => channel.assertQueue(GONE, nothing));
  await run(`The queue "${GONE}"`, (channel) => channel.bindQueue(GONE, DELIVERY_EXCHANGE, directKey(queue)));
}

export async function removeQueue(connection: AmqpConnection, queue: string): Promise<void> {
  await onChannel(connection, async (run) => {
    try {
      await leadAway(run, queue);
    } catch (error) {
      // Nobody ever delayed a message, or this user may not do it.
      if (!(error instanceof BrokerError) || error instanceof BrokerConnectionError) throw error;
      log.debug('What is delayed for "{queue}" stays: {error}', { queue, error: String(error) });
    }
    await run(`The queue "${queue}"`, (channel) => channel.deleteQueue(queue));
  });
}
