// Looking into queues and clearing them, on the publishing connection.
import { type AmqpChannel, type AmqpConnection, type AmqpDelivery, PublishError, QueueNotFoundError } from '../../util/index.ts';
import type { Delivery, Message, QueueCount } from '../seam.ts';
import { copyOf, parkedCopy, toDelivery, toMessage } from './letters.ts';
import { askByLetter, counted, forget, startsUntil, withKey } from './marks.ts';
import type { Outbox } from './outbox.ts';
import { onChannel } from './topology.ts';

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

export async function removeQueue(connection: AmqpConnection, queue: string): Promise<void> {
  await onChannel(connection, (run) => run(`The queue "${queue}"`, (channel) => channel.deleteQueue(queue)));
}
