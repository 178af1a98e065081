// Where a measurement takes place: an empty broker of the kind asked for, the same server for all peers of a run.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RabbitServer, type RedisServer, startRabbit, startRedis } from '../../scripts/servers/index.ts';

export type Kind = 'redis' | 'rabbitmq' | 'sqlite';

export interface Place extends AsyncDisposable {
  readonly url: string;
  readonly queue: string;
  /** Of the server: all that it consists of is in the process group of this number. A file has none. */
  readonly pid: number | undefined;
}

export class Places implements AsyncDisposable {
  #redis: RedisServer | undefined;
  #rabbit: RabbitServer | undefined;
  #queues = 0;

  /** An empty place. Redis is without persistence; queues of RabbitMQ are durable and classic; the file is new. */
  async open(kind: Kind): Promise<Place> {
    const queue = `bench-${process.pid}-${this.#queues++}`;
    if (kind === 'sqlite') {
      const folder = mkdtempSync(join(tmpdir(), 'lovage-bench-'));
      const remove = async (): Promise<void> => rmSync(folder, { recursive: true, force: true });
      return { url: `sqlite://${join(folder, 'bench.db')}`, queue, pid: undefined, [Symbol.asyncDispose]: remove };
    }
    if (kind === 'redis') {
      this.#redis ??= await startRedis();
      const redis = this.#redis;
      return { url: redis.url, queue, pid: redis.pid, [Symbol.asyncDispose]: () => flush(redis) };
    }
    this.#rabbit ??= await startRabbit();
    const rabbit = this.#rabbit;
    const remove = async (): Promise<void> => {
      await rabbit.ctl('delete_queue', queue).catch(() => undefined);
    };
    return { url: rabbit.url, queue, pid: rabbit.pid, [Symbol.asyncDispose]: remove };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#redis?.[Symbol.asyncDispose]();
    await this.#rabbit?.[Symbol.asyncDispose]();
  }
}

async function flush(server: RedisServer): Promise<void> {
  const { Redis } = await import('ioredis');
  const redis = new Redis(server.url);
  await redis.flushall();
  redis.disconnect();
}
