// Looking into queues and clearing them, on the publishing connection.
import { type AmqpConnection, type AmqpDelivery, QueueNotFoundError } from '../../util/index.ts';
import type { Message, QueueCount } from '../seam.ts';
import { toMessage } from './letters.ts';
import { onChannel } from './topology.ts';

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

/** Takes up to `limit` messages and puts them back to their places. RabbitMQ marks them as redelivered; AMQP knows no other look. */
export function peekQueue(connection: AmqpConnection, queue: string, limit: number): Promise<readonly Message[]> {
  const peek = onChannel(connection, (run) =>
    run(`The queue "${queue}"`, async (channel) => {
      const seen: AmqpDelivery[] = [];
      while (seen.length < limit) {
        const message = await channel.get(queue);
        if (message === false) break;
        seen.push(message);
      }
      const last = seen.at(-1);
      if (last !== undefined) channel.nack(last, true, true);
      return seen.map((message) => toMessage(message, queue));
    }),
  );
  return orMissing(peek, []);
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
