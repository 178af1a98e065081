// Which queues are paused. RabbitMQ keeps nothing but exchanges, queues and bindings, so the mark is a binding: the exchange `lovage.paused`
// leads to a queue of that name, which keeps nothing, by the name of each paused queue. Whether there is a binding is asked by a message
// (questions.ts).
import type { AmqpConnection } from '../../util/index.ts';
import { leading, type Send } from './questions.ts';
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
  send: Send,
): Promise<readonly string[]> {
  if (queues.length === 0) return [];
  await declareMarks(connection, []);
  const there = await leading(
    queues.map((queue) => ({ exchange: NAME, routingKey: queue })),
    send,
    AbortSignal.timeout(PATIENCE * 1000),
  );
  return queues.filter((_, index) => there[index]);
}
