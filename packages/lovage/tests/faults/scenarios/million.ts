// A million tasks wait: publishing and draining are as quick as on a queue that is nearly empty.

import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import amqplib from 'amqplib';
import { type Arena, openArena } from '../harness/arena.ts';
import type { Child } from '../harness/child.ts';
import { residentBytes } from '../harness/gestures.ts';
import type { Scenario } from '../harness/scenario.ts';

const TASKS = join(import.meta.dirname, '../harness/hazards.ts');
const MANY = 1_000_000;
/** Tasks of one measurement. */
const FEW = 60_000;
/** Of the rate on an empty queue. */
const LEAST = 0.9;
const CONCURRENCY = 100;

async function fill(bulk: Child, count: number): Promise<number> {
  const filled = bulk.heard('filled');
  bulk.tell(`${count}`);
  return Number(await filled);
}

/** Tasks a second, of a worker that is there for it alone; and the bytes that it has then. */
async function drain(arena: Arena, name: string): Promise<{ readonly rate: number; readonly bytes: number }> {
  const { stack } = arena;
  const before = await stack.waiting();
  const worker = await stack.worker({ name, concurrency: CONCURRENCY, tasks: TASKS, settings: { taskIgnoreResult: true } });
  // From when it is warm until most of them are gone.
  const looks: { readonly at: number; readonly left: number }[] = [];
  const limit = performance.now() + 60_000;
  for (let left = before; left > before - 0.9 * FEW && performance.now() < limit; await delay(50)) {
    left = await stack.waiting();
    if (left < before - 0.2 * FEW) looks.push({ at: performance.now(), left });
  }
  const bytes = residentBytes(worker.pid);
  worker.signal('SIGTERM');
  await worker.ended;
  const [first, last] = [looks[0], looks.at(-1)];
  const rate = first === undefined || last === undefined ? 0 : (first.left - last.left) / ((last.at - first.at) / 1000);
  return { rate, bytes };
}

/** Messages a second that a consumer takes which does nothing else, of half as many; undefined where the broker is not RabbitMQ. */
async function bare({ stack: { rabbit, queue } }: Arena): Promise<number | undefined> {
  if (rabbit === undefined) return undefined;
  const connection = await amqplib.connect(rabbit.url);
  try {
    const channel = await connection.createChannel();
    await channel.prefetch(CONCURRENCY);
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    let took = 0;
    let since = 0;
    const take = (message: amqplib.ConsumeMessage | null): void => {
      if (message === null) return;
      channel.ack(message);
      took++;
      if (took === FEW / 10) since = performance.now();
      if (took === FEW / 2) resolve((0.4 * FEW) / ((performance.now() - since) / 1000));
    };
    channel.consume(queue, take).catch(reject);
    return await promise;
  } finally {
    await connection.close();
  }
}

export const million: Scenario = {
  id: 'million',
  title: 'A million waiting tasks: rates beside those of an empty queue',
  // RabbitMQ tells how long a quorum queue is every five seconds only, which is as long as such a drain takes.
  applies: ['sqlite', 'redis', 'redis-celery', 'rabbitmq-classic'],
  longOnly: true,
  run: async (context) => {
    // A server that writes what is too much for its memory to disk stops confirming for a while.
    await using arena = await openArena(context, { publishTimeout: 120 });
    const { stack } = arena;
    const bulk = await stack.bulk?.('bulk');
    if (bulk === undefined) throw new Error('This stack cannot be filled.');
    await fill(bulk, 5000);
    const publishEmpty = await fill(bulk, FEW);
    const bareEmpty = await bare(arena);
    if (bareEmpty !== undefined) await fill(bulk, FEW / 2);
    const empty = await drain(arena, 'empty');
    await fill(bulk, MANY);
    const publishFull = await fill(bulk, FEW);
    const bareFull = await bare(arena);
    const full = await drain(arena, 'full');
    // Told beside the promise, not taken off it: what RabbitMQ itself loses, which reads from its disk what it does not keep in memory.
    const beside = bareEmpty === undefined || bareFull === undefined ? undefined : bareFull / bareEmpty;
    const part = { publish: publishFull / publishEmpty, drain: full.rate / empty.rate };
    const violations = Object.entries(part).flatMap(([what, value]) =>
      value >= LEAST ? [] : [`${what}: ${(100 * value).toFixed(0)} % of the rate on an empty queue`],
    );
    const percent = (value: number): string => `${(100 * value).toFixed(0)} %`;
    return {
      ...(await arena.result({ inFlight: 0, recoverySeconds: [] })),
      violations,
      note: `publishing ${percent(part.publish)}, draining ${percent(part.drain)} of the rate on an empty queue${beside === undefined ? '' : ` (a bare consumer: ${percent(beside)})`}; the worker has ${Math.round(full.bytes / 1e6)} MB instead of ${Math.round(empty.bytes / 1e6)}`,
    };
  },
};
