// Subscriptions that need no ack, such as those for answers of workers: one connection, nothing held. And how a line opens.
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, test, vi } from 'vitest';
import { freePorts } from '../../../../../scripts/servers/index.ts';
import { type Broker, openBroker, type Subscription } from '../../../src/broker/index.ts';
import { BrokerConnectionError } from '../../../src/util/index.ts';
import { redisUrl } from '../../support/servers.ts';
import { brokerOptions, freshQueues, message, publish, queueOf, SOON, text, unique } from './harness.ts';
import { plainLine } from './redis-harness.ts';

const prefix = `${unique('take')}:`;
const open = (): Promise<Broker> => openBroker(brokerOptions(redisUrl(), { transportOptions: { globalKeyprefix: prefix } }));

/** Reads so many, in the order in which they come. */
async function texts(subscription: Subscription, count: number): Promise<readonly string[]> {
  const got: string[] = [];
  for await (const batch of subscription) {
    got.push(...batch.map(text));
    if (got.length >= count) break;
  }
  return got;
}

test('what needs no ack is taken over one connection, and nothing but its list was ever there', async () => {
  await using broker = await open();
  await using line = plainLine(redisUrl());
  const [queue = ''] = await freshQueues(broker, 1);
  const node = unique('asker');
  await publish(broker, ...['a', 'b', 'c'].map((body) => message(queue, body)));
  const late = message(queue, 'late');
  await publish(broker, { ...late, properties: { ...late.properties, priority: 9 } });
  await using subscription = await broker.subscribe([queue], { prefetch: 10, node, noAck: true });
  expect(await texts(subscription, 4)).toEqual(['a', 'b', 'c', 'late']);
  const more = texts(subscription, 250);
  await publish(broker, ...Array.from({ length: 250 }, (_, index) => message(queue, `${index}`)));
  expect(await more).toEqual(Array.from({ length: 250 }, (_, index) => `${index}`));
  const clients = String(await line.call('CLIENT', ['LIST'])).split('\n');
  expect(clients.filter((client) => client.includes(node)).map((client) => /name=(\S+)/.exec(client)?.[1])).toEqual([
    `lovage:take:${node}`,
  ]);
  const keys = (await line.call('KEYS', [`${prefix}*`])) as string[];
  expect(keys.filter((key) => key.includes('lease') || key.includes('held') || key.includes(queue))).toEqual([]);
});

test('a lost line ends it with the reason', async () => {
  await using broker = await open();
  await using line = plainLine(redisUrl());
  const [queue = ''] = await freshQueues(broker, 1);
  const node = unique('asker');
  await using subscription = await broker.subscribe([queue], { prefetch: 10, node, noAck: true });
  const ended = texts(subscription, 1).then(
    () => undefined,
    (error: unknown) => error,
  );
  await vi.waitFor(async () => {
    const clients = String(await line.call('CLIENT', ['LIST'])).split('\n');
    const id = clients.find((client) => client.includes(`take:${node}`) && client.includes('cmd=brpop'))?.match(/^id=(\d+)/)?.[1];
    expect(id).toBeDefined();
    await line.call('CLIENT', ['KILL', 'ID', `${id}`]);
  }, SOON);
  expect(await ended).toBeInstanceOf(BrokerConnectionError);
});

test('a queue of broadcasts that is added is heard, too, and one that is cancelled no more', async () => {
  await using broker = await open();
  const [queue = ''] = await freshQueues(broker, 1);
  const [news, copies] = [unique('news'), unique('copies')];
  await using subscription = await broker.subscribe([queue], { prefetch: 10, node: 'asker', noAck: true });
  await broker.declare({
    exchanges: [{ name: news, type: 'fanout', durable: false }],
    queues: [queueOf(copies)],
    bindings: [{ exchange: news, routingKey: '', queue: copies }],
  });
  await subscription.add(copies);
  const both = texts(subscription, 2);
  await publish(broker, message('', 'told', { exchange: news }));
  await publish(broker, message(queue, 'sent'));
  expect([...(await both)].sort()).toEqual(['sent', 'told']);
  await subscription.cancel(copies);
  const next = texts(subscription, 1);
  await publish(broker, message('', 'unheard', { exchange: news }));
  await publish(broker, message(queue, 'heard'));
  expect(await next).toEqual(['heard']);
});

test('a server that loads its data is waited for', async () => {
  const seen: string[] = [];
  // What a Redis says while it loads, at its first connection.
  const server = createServer((socket) => {
    socket.on('data', (data) => {
      for (const [, name = ''] of `${data}`.toLowerCase().matchAll(/\r\n(hello|setname|ping)\r\n/g)) {
        seen.push(name);
        if (name === 'hello') socket.write('%1\r\n$5\r\nproto\r\n:3\r\n');
        else if (name === 'setname') socket.write('+OK\r\n');
        else socket.write(seen.filter((each) => each === 'ping').length === 1 ? '-LOADING it loads its data\r\n' : '+PONG\r\n');
      }
    });
  }).listen(await freePorts(), '127.0.0.1');
  await once(server, 'listening');
  await using line = plainLine(`redis://127.0.0.1:${(server.address() as AddressInfo).port}/0`);
  expect(await line.call('PING', [])).toBe('PONG');
  expect(seen).toEqual(['hello', 'setname', 'ping', 'hello', 'setname', 'ping', 'ping']);
  server.close();
});
