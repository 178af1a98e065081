import { expect, test } from 'vitest';
import { Config, type SettingsInput } from '../../../src/app/config.ts';
import { createQueues, type Queues } from '../../../src/app/queues.ts';
import { QueueNotFoundError } from '../../../src/util/index.ts';

const queues = (settings: SettingsInput = {}, broadcasts = new Map<string, string>()): Queues =>
  createQueues(new Config({ settings, environment: {} }).values, broadcasts);

test('without taskQueues there is the default queue, declared as Celery declares it', () => {
  const all = queues();
  expect(all.names).toEqual(['celery']);
  expect(all.topology(['celery'])).toEqual({
    exchanges: [{ name: 'celery', type: 'direct', durable: true }],
    queues: [{ name: 'celery', durable: true, arguments: {} }],
    bindings: [{ queue: 'celery', exchange: 'celery', routingKey: 'celery' }],
  });
});

test('a default queue of type quorum has that argument', () => {
  expect(queues({ taskDefaultQueueType: 'quorum' }).default.declaration.arguments).toEqual({ 'x-queue-type': 'quorum' });
});

test('in a map the routing key is the name, and the exchange the default one', () => {
  const { bindings, exchanges } = queues({
    taskQueues: { mail: {}, video: { exchange: 'media', exchangeType: 'topic', routingKey: 'v.#' } },
  }).topology(['mail', 'video']);
  expect(exchanges).toEqual([
    { name: 'celery', type: 'direct', durable: true },
    { name: 'media', type: 'topic', durable: true },
  ]);
  expect(bindings).toEqual([
    { queue: 'mail', exchange: 'celery', routingKey: 'mail' },
    { queue: 'video', exchange: 'media', routingKey: 'v.#' },
  ]);
});

test('in a list the routing key is the default one', () => {
  const all = queues({ taskQueues: ['a', { name: 'b', routingKey: 'b.key' }], taskDefaultRoutingKey: 'default.key' });
  expect([all.get('a').routingKey, all.get('b').routingKey]).toEqual(['default.key', 'b.key']);
});

test('a queue that nobody configured gets an exchange of its own, and is not taken from by default', () => {
  const all = queues({ taskQueues: ['a'], taskCreateMissingQueueType: 'quorum', taskCreateMissingQueueExchangeType: 'topic' });
  const made = all.get('new');
  expect(made).toMatchObject({ exchange: { name: 'new', type: 'topic' }, routingKey: 'new' });
  expect(made.declaration.arguments).toEqual({ 'x-queue-type': 'quorum' });
  expect(all.names).toEqual(['a']);
});

test('with taskCreateMissingQueues off an unknown queue is an error with a suggestion', () => {
  const all = queues({ taskQueues: ['payments'], taskCreateMissingQueues: false });
  expect(() => all.get('payment')).toThrow(QueueNotFoundError);
  expect(() => all.get('payment')).toThrow(/Did you mean 'payments'\?/);
});

test('priorities, lifetimes and further arguments become the arguments of RabbitMQ', () => {
  const all = queues({
    taskQueueMaxPriority: 5,
    taskQueues: [
      { name: 'a', messageTtl: 1.5, expires: 60, maxLength: 9, maxLengthBytes: 1000, arguments: { 'x-overflow': 'drop-head' } },
      { name: 'b', maxPriority: 9 },
    ],
  });
  expect(all.get('a').declaration.arguments).toEqual({
    'x-max-priority': 5,
    'x-max-length': 9,
    'x-max-length-bytes': 1000,
    'x-message-ttl': 1500,
    'x-expires': 60_000,
    'x-overflow': 'drop-head',
  });
  expect(all.get('b').maxPriority).toBe(9);
});

test('a broadcast has a fanout exchange and a queue of this process alone, with a name that lasts', () => {
  const names = new Map<string, string>();
  const settings = { taskQueues: { news: { broadcast: true } } };
  const first = queues(settings, names).get('news');
  expect(first.exchange).toEqual({ name: 'news', type: 'fanout', durable: true });
  expect(first.declaration).toMatchObject({ durable: false, autoDelete: true });
  expect(first.declaration.name).toMatch(/^bcast\./);
  expect(queues(settings, names).get('news').declaration.name).toBe(first.declaration.name);
});

test('several bindings of one queue are declared together', () => {
  const all = queues({
    taskQueues: [
      { name: 'a', exchange: 'x', exchangeType: 'topic', routingKey: 'a.*', bindings: [{ exchange: 'y', routingKey: 'b' }] },
    ],
  });
  expect(all.topology(['a'])).toMatchObject({
    exchanges: [{ name: 'x' }, { name: 'y', type: 'direct' }],
    bindings: [{ routingKey: 'a.*' }, { exchange: 'y', routingKey: 'b' }],
  });
  expect(all.boundTo('y').map(({ name }) => name)).toEqual(['a']);
});

test('a passive queue is looked for, a passive exchange too; the bindings of a passive queue are its owner’s', () => {
  const all = queues({ taskQueues: { theirs: { passive: true }, ours: { exchange: 'x', exchangePassive: true } } });
  expect(all.topology(['theirs'])).toMatchObject({ exchanges: [], queues: [{ name: 'theirs', passive: true }], bindings: [] });
  const { exchanges, queues: declared, bindings } = all.topology(['ours']);
  expect(exchanges).toMatchObject([{ name: 'x', passive: true }]);
  expect(declared[0]).not.toHaveProperty('passive');
  expect(bindings).toMatchObject([{ exchange: 'x' }]);
});

test('a queue that somebody else declares is used, and not declared', () => {
  const all = queues({ taskQueues: { theirs: { noDeclare: true }, ours: {} } });
  expect(all.names).toEqual(['theirs', 'ours']);
  expect(all.topology(['theirs', 'ours']).queues.map(({ name }) => name)).toEqual(['ours']);
  expect(all.topology(['theirs'])).toEqual({ exchanges: [], queues: [], bindings: [] });
  expect(queues({ task_queues: { theirs: { no_declare: true } } } as never).topology(['theirs']).queues).toEqual([]);
});
