// What a run has left in its broker once all its processes are gone: a message that nobody runs, a mark that nobody deletes. Whoever loses
// something slowly leaves more of it each time.
import { Redis } from 'ioredis';
import type { RabbitServer } from '../../../../../scripts/servers/index.ts';

/** Keys that stay for good: bindings, the registries of workers, queues and revokes, of which there is one each, and our own. */
const REGISTRIES = /^(_kombu\.binding\..+|lovage\.(holders|etas|paused|revokes|revokes\..+|serves\..+)|faults:log-end)$/;

/** Keys of Redis without an end that are no registry. */
export async function keysOnRedis(url: string, queue: string): Promise<readonly string[]> {
  const redis = new Redis(url);
  try {
    const found: string[] = [];
    for await (const names of redis.scanStream({ count: 1000 }) as AsyncIterable<readonly string[]>)
      for (const name of new Set(names)) {
        const isKnown = REGISTRIES.test(name) || name.startsWith(`lovage.dead.${queue}`);
        if (!isKnown && (await redis.ttl(name)) === -1) found.push(`the key '${name}' stays`);
      }
    return found;
  } finally {
    redis.disconnect();
  }
}

/** Seconds in which workers that live have to be done with what they hold; of quorum queues RabbitMQ tells every five seconds. */
const DONE = 20;
/** Marks of starts that may stay in RabbitMQ for their days: each was declared late, on a line that stood still meanwhile. */
const MARKS = 20;

/**
 * Messages in this queue of RabbitMQ, held ones included, that the workers do not end now; many marks.
 */
export async function queuesOnRabbit(rabbit: RabbitServer, queue: string): Promise<readonly string[]> {
  let found: readonly string[] = [];
  for (const limit = performance.now() + DONE * 1000; performance.now() < limit; ) {
    found = await seenOnRabbit(rabbit, queue);
    if (found.length === 0) break;
  }
  return found;
}

async function seenOnRabbit(rabbit: RabbitServer, queue: string): Promise<readonly string[]> {
  const told = await rabbit.ctl('list_queues', '--no-table-headers', 'name', 'messages');
  const queues = told.split('\n').map((line) => line.split('\t'));
  const marks = queues.filter(([name]) => name?.startsWith('lovage.start.')).length;
  return [
    ...queues.flatMap(([name, messages]) =>
      name === queue && messages !== '0' ? [`${messages} messages stay in the queue`] : [],
    ),
    ...(marks > MARKS ? [`${marks} marks of starts stay`] : []),
  ];
}
