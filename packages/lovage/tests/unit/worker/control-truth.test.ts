// Answers of a worker that depend on its settings: what kombu 5.2 shows of the same queues, and what the pool and the broker were given.
import { expect, it } from 'vitest';
import { Lovage, type SettingsInput } from '../../../src/app/index.ts';
import { openBroker } from '../../../src/broker/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { brokerInfo } from '../../../src/worker/control/statistics.ts';
import { startWorker } from '../../../src/worker/index.ts';

type Json = Readonly<Record<string, unknown>>;
const NODE = 'w1@box';

/** What a worker with these settings answers. */
async function answer(command: string, settings: SettingsInput): Promise<unknown> {
  const url = `memory://${uuid()}`;
  await using app = new Lovage('shop', { brokerUrl: url, resultBackend: url, ...settings }, { environment: {} });
  await using _ = await startWorker(app, { hostname: NODE, mingle: false });
  return (await app.control.broadcast(command, {}, { wait: true, destination: [NODE], timeout: 9 }))[NODE];
}

const exchange = (name: string, type: string, more: Json = {}): Json => ({
  ...{ name, type, arguments: null, durable: true, passive: false, auto_delete: false, delivery_mode: null, no_declare: false },
  ...more,
});
const binding = (of: Json, routingKey: string): Json => ({
  ...{ exchange: of, routing_key: routingKey, arguments: null, unbind_arguments: null },
});
const plain: Json = {
  ...{ name: 'q', exchange: exchange('e', 'topic'), routing_key: 'rk', queue_arguments: null, binding_arguments: null },
  ...{ consumer_arguments: null, durable: true, exclusive: false, auto_delete: false, no_ack: false, alias: null, bindings: [] },
  ...{ no_declare: null, expires: null, message_ttl: null, max_length: null, max_length_bytes: null, max_priority: null },
};
const queue = { name: 'q', exchange: 'e', exchangeType: 'topic', routingKey: 'rk' } as const;

it.each<readonly [string, SettingsInput, Json]>([
  [
    'options and arguments',
    {
      taskQueues: [
        {
          ...queue,
          ...{ expires: 5, messageTtl: 2.5, maxLength: 3, maxLengthBytes: 4, maxPriority: 7, type: 'quorum' },
          arguments: { 'x-foo': 1 },
          consumerArguments: { 'x-priority': 3 },
        },
      ],
    },
    {
      ...{ expires: 5, message_ttl: 2.5, max_length: 3, max_length_bytes: 4, max_priority: 7 },
      queue_arguments: { 'x-foo': 1, 'x-queue-type': 'quorum' },
      consumer_arguments: { 'x-priority': 3 },
    },
  ],
  [
    'the same limits as arguments',
    { taskQueues: [{ ...queue, arguments: { 'x-max-length': 3, 'x-expires': 5000 } }], taskQueueMaxPriority: 9 },
    { queue_arguments: { 'x-max-length': 3, 'x-expires': 5000, 'x-max-priority': 9 } },
  ],
  [
    'more bindings',
    { taskQueues: [{ ...queue, bindings: [{ exchange: 'e2', routingKey: 'r2' }] }] },
    { bindings: [binding(exchange('e', 'topic'), 'rk'), binding(exchange('e2', 'direct'), 'r2')] },
  ],
  [
    'what somebody else declares',
    { taskQueues: [{ ...queue, noDeclare: true, deliveryMode: 1, exchangePassive: true, exclusive: true, autoDelete: true }] },
    {
      ...{ no_declare: true, exclusive: true, auto_delete: true },
      exchange: exchange('e', 'topic', { delivery_mode: 1, passive: true }),
    },
  ],
])('active_queues shows %s of a queue', async (_, settings, shown) => {
  expect(await answer('active_queues', settings)).toEqual([{ ...plain, ...shown }]);
});

it.each(['async', 'solo'])('stats shows the time limits of the pool %s', async (workerPool) => {
  const limits = { taskSoftTimeLimit: 3, taskTimeLimit: 5 };
  expect(await answer('stats', { workerPool, ...limits })).toMatchObject({ pool: { timeouts: [3, 5] } });
  expect(await answer('stats', { workerPool })).toMatchObject({ pool: { timeouts: [0, 0] } });
});

it('stats shows in which order addresses of the broker are tried', async () => {
  const strategyOf = async (brokerFailoverStrategy: SettingsInput['brokerFailoverStrategy']): Promise<unknown> =>
    ((await answer('stats', { brokerFailoverStrategy })) as { readonly broker: Json }).broker.failover_strategy;
  expect(await strategyOf('shuffle')).toBe('shuffle');
  expect(await strategyOf('round-robin')).toBe('round-robin');
  expect(
    await strategyOf(function nearest(urls) {
      return urls;
    }),
  ).toBe('nearest');
});

it('stats shows the order that an address of RabbitMQ asks for', async () => {
  const url = 'amqp://guest:secret@127.0.0.1:1//?failover_strategy=shuffle;amqp://127.0.0.1:2//';
  await using broker = await openBroker({
    ...{ url, appName: 'shop', connectTimeout: 1, heartbeat: 0, transportOptions: {} },
    deadLetters: { mode: 'off', ttl: 1, maxLength: 1 },
  });
  const settings = { brokerFailoverStrategy: 'round-robin' };
  const info = brokerInfo(broker, { settings } as unknown as Parameters<typeof brokerInfo>[1]);
  expect(info.failover_strategy).toBe('shuffle');
});
