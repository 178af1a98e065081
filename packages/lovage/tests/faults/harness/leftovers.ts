// What a run has left in its broker once all its processes are gone: a message that nobody runs, a mark that nobody deletes. Whoever loses
// something slowly leaves more of it each time.
import { Redis } from 'ioredis';
import type { RabbitServer } from '../../../../../scripts/servers/index.ts';

/** Keys that stay for good: bindings, the registries of workers, queues and revokes, of which there is one each, and our own. */
const REGISTRIES = /^(_kombu\.binding\..+|lovage\.(holders|etas|paused|revokes|revokes\..+|serves\..+)|faults:log-end)$/;
/** Queues of RabbitMQ that stay for good: Celery's levels for delayed messages, and the list of what is paused. */
const SHARED = /^(celery_delayed_\d+|lovage\.paused)$/;

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

/** Messages in this queue of RabbitMQ, held ones included, and queues that are neither it nor its dead letters. */
export async function queuesOnRabbit(rabbit: RabbitServer, queue: string): Promise<readonly string[]> {
  const told = await rabbit.ctl('list_queues', '--no-table-headers', 'name', 'messages');
  return told
    .split('\n')
    .map((line) => line.split('\t'))
    .flatMap(([name = '', messages]) => {
      if (name === queue) return messages === '0' ? [] : [`${messages} messages stay in the queue`];
      const isKnown = name === '' || name === `lovage.dead.${queue}` || SHARED.test(name);
      return isKnown ? [] : [`the queue '${name}' stays`];
    });
}
