// Which queues are paused. RabbitMQ keeps nothing but exchanges, queues and bindings, so the mark is a binding: the exchange `lovage.paused`
// leads to a queue of that name, which keeps nothing, by the name of each paused queue. Whether there is a binding is found out by a
// mandatory message, which comes back where there is none. (Asking for something that is not there would be an error in the server's log.)
import { type AmqpConnection, PublishError, QueueNotFoundError } from '../../util/index.ts';
import type { Outbox } from './outbox.ts';
import { declareTopology, onChannel } from './topology.ts';

const NAME = 'lovage.paused';
/** Seconds that a question may take. */
const PATIENCE = 10;

function declareMarks(connection: AmqpConnection, queues: readonly string[]): Promise<void> {
  return declareTopology(connection, {
    exchanges: [{ name: NAME, type: 'direct', durable: true }],
    queues: [{ name: NAME, durable: true, arguments: { 'x-message-ttl': 0, 'x-max-length': 1 } }],
    bindings: queues.map((queue) => ({ queue: NAME, exchange: NAME, routingKey: queue })),
  });
}

export function pauseQueues(connection: AmqpConnection, queues: readonly string[]): Promise<void> {
  return declareMarks(connection, queues);
}

export async function resumeQueues(connection: AmqpConnection, queues: readonly string[]): Promise<void> {
  await declareMarks(connection, []);
  await onChannel(connection, async (run) => {
    for (const queue of queues) await run(`The pause of "${queue}"`, (channel) => channel.unbindQueue(NAME, NAME, queue));
  });
}

export async function pausedQueues(
  connection: AmqpConnection,
  queues: readonly string[],
  send: Outbox['send'],
): Promise<readonly string[]> {
  if (queues.length === 0) return [];
  await declareMarks(connection, []);
  const properties = { contentType: 'text/plain', contentEncoding: 'utf-8', deliveryMode: 2 };
  const questions = queues.map((queue) => ({
    exchange: NAME,
    routingKey: queue,
    headers: {},
    properties,
    body: new Uint8Array(),
  }));
  try {
    await send(questions, AbortSignal.timeout(PATIENCE * 1000));
    return queues;
  } catch (error) {
    if (!(error instanceof PublishError)) throw error;
    const unmarked = new Set<number>();
    for (const { index, cause } of error.failures) {
      if (!(cause instanceof QueueNotFoundError)) throw error;
      unmarked.add(index);
    }
    return queues.filter((_, index) => !unmarked.has(index));
  }
}
