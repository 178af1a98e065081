// Where the suites of workers run: brokers and stores together, and what is left in a queue there.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Lovage, type SettingsInput } from '../../../src/app/index.ts';
import { deadLetterQueue } from '../../../src/broker/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { amqpUrl, redisUrl } from '../../support/servers.ts';

/** Settings of an app there; what it made is undone with the stack. */
export type Place = (stack: AsyncDisposableStack) => Promise<SettingsInput> | SettingsInput;

async function file(stack: AsyncDisposableStack): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lovage-worker-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  return `sqlite:///${folder}/shop.db`;
}

const memory = (): string => `memory://${uuid()}`;
/** Every driver at least once, and each kind of commit. */
export const places: readonly (readonly [string, Place])[] = [
  ['memory', () => ((url) => ({ brokerUrl: url, resultBackend: url }))(memory())],
  ['sqlite, one file', async (stack) => ((url) => ({ brokerUrl: url, resultBackend: url }))(await file(stack))],
  ['sqlite, two files', async (stack) => ({ brokerUrl: await file(stack), resultBackend: await file(stack) })],
  ['redis', () => ({ brokerUrl: redisUrl(), resultBackend: redisUrl() })],
  ["redis with Celery's unacked entries", () => ({ brokerUrl: redisUrl(), resultBackend: redisUrl(), redisInFlight: 'celery' })],
  ['amqp with redis', () => ({ brokerUrl: amqpUrl(), resultBackend: redisUrl() })],
  ['amqp with rpc', () => ({ brokerUrl: amqpUrl(), resultBackend: 'rpc://' })],
];

/** Memory, and each real broker once. */
export const brokers: typeof places = places.filter(([name]) => ['memory', 'redis', 'amqp with redis'].includes(name));

/** An app with a queue of its own. */
export interface Setup extends AsyncDisposable {
  readonly app: Lovage;
  readonly queue: string;
  counts(): Promise<{ ready: number; parked: number; dead: number }>;
}

export async function setup(place: Place, more: SettingsInput = {}): Promise<Setup> {
  const stack = new AsyncDisposableStack();
  const queue = `worker-${uuid()}`;
  // A control exchange of its own: workers of all tests have the same name, on shared servers.
  const settings = { ...(await place(stack)), taskDefaultQueue: queue, controlExchange: queue, resultExpires: 300, ...more };
  const app = stack.use(new Lovage('shop', settings, { environment: {} }));
  stack.defer(async () => {
    const broker = await app.openBroker('write');
    for (const name of [queue, deadLetterQueue(queue)]) await broker.remove(name).catch(() => undefined);
  });
  return {
    app,
    queue,
    counts: async () => {
      const broker = await app.openBroker('read');
      const own = await broker.count(queue);
      const dead = await broker.count(deadLetterQueue(queue));
      return { ready: own?.ready ?? 0, parked: own?.parked ?? 0, dead: dead?.ready ?? 0 };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** The reason in the newest dead letter. */
export const death = async (s: Setup): Promise<unknown> => {
  const [message] = await (await s.app.openBroker('read')).peek(deadLetterQueue(s.queue), 1);
  return message?.headers['x-lovage-death'];
};
export const empty: { ready: number; parked: number; dead: number } = { ready: 0, parked: 0, dead: 0 };
