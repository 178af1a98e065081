// The shared servers of a test run. As vitest's globalSetup it starts what the environment does not name; in a test file it gives their URLs.
// A test that kills, stops or floods a server starts a private one from scripts/servers instead.
import { startRabbit, startRedis } from '../../../../scripts/servers/index.ts';
import { COMPILED } from './compiled.ts';

export default async function setup(): Promise<() => Promise<void>> {
  Object.assign(process.env, COMPILED);
  const stack = new AsyncDisposableStack();
  if (process.env.LOVAGE_TEST_REDIS_URL === undefined) {
    const redis = stack.use(await startRedis());
    process.env.LOVAGE_TEST_REDIS_URL = redis.url;
  }
  if (process.env.LOVAGE_TEST_AMQP_URL === undefined) {
    const rabbit = stack.use(await startRabbit());
    process.env.LOVAGE_TEST_AMQP_URL = rabbit.url;
  }
  return () => stack.disposeAsync();
}

function named(variable: string): string {
  const url = process.env[variable];
  if (url === undefined)
    throw new Error(`${variable} is not set: run this file through vitest, whose global setup starts the servers.`);
  return url;
}

/** The shared Redis, in a database of its own for each vitest worker slot (1 to 15). */
export function redisUrl(database: number = (Number(process.env.VITEST_POOL_ID ?? 1) % 15) + 1): string {
  return named('LOVAGE_TEST_REDIS_URL').replace(/\/\d*$/, `/${database}`);
}

/** The shared RabbitMQ, virtual host `/`. */
export function amqpUrl(): string {
  return named('LOVAGE_TEST_AMQP_URL');
}
