// A channel that is being closed when its line breaks: whoever waits for that close must learn of it, or a worker that declares its
// queues at that moment stays deaf for ever.
import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { openBroker } from '../../../src/broker/index.ts';
import { connectAmqp, uuid } from '../../../src/util/index.ts';
import { startFaultProxy } from '../../faults/harness/proxy.ts';
import { amqpUrl } from '../../support/servers.ts';

test.each(['rst', 'fin'] as const)('a close that the line does not outlive settles (%s)', async (how) => {
  await using proxy = await startFaultProxy(amqpUrl());
  await using connection = await connectAmqp({ url: proxy.url(amqpUrl()), connectTimeout: 5, heartbeat: 0, name: 'close' });
  const channel = await connection.channel();
  // The answer to the close never arrives.
  proxy.freeze('down');
  const closing = channel.close();
  proxy.cut(how);
  proxy.thaw();
  await closing;
  expect(await connection.closed).toBeInstanceOf(Error);
});

test('a server that says nothing is waited for once, whatever is open to it', async () => {
  await using proxy = await startFaultProxy(amqpUrl());
  const broker = await openBroker({
    url: proxy.url(amqpUrl()),
    appName: 'close',
    connectTimeout: 5,
    heartbeat: 10,
    transportOptions: {},
    deadLetters: { mode: 'off', ttl: 60, maxLength: 10 },
  });
  const queue = { name: `close-${uuid()}`, durable: false, autoDelete: true, arguments: {} };
  await broker.declare({ exchanges: [], queues: [queue], bindings: [] });
  const heard = await Promise.all([1, 2].map(() => broker.subscribe([queue.name], { prefetch: 1, node: 'n@h', noAck: true })));
  proxy.freeze();
  const began = performance.now();
  await broker[Symbol.asyncDispose]();
  // Three seconds for the lines to be closed well; the rest is for a busy machine.
  expect((performance.now() - began) / 1000).toBeLessThan(5.9);
  proxy.thaw();
  expect(heard).toHaveLength(2);
});

test('a subscription leaves no listener on the signal that ends it, and none begins on one that is aborted', async () => {
  await using broker = await openBroker({
    url: amqpUrl(),
    appName: 'close',
    connectTimeout: 5,
    heartbeat: 10,
    transportOptions: {},
    deadLetters: { mode: 'off', ttl: 60, maxLength: 10 },
  });
  const queue = { name: `close-${uuid()}`, durable: false, arguments: { 'x-expires': 60_000 } };
  await broker.declare({ exchanges: [], queues: [queue], bindings: [] });
  const stop = new AbortController();
  const subscribe = () => broker.subscribe([queue.name], { prefetch: 1, node: 'n@h', signal: stop.signal });
  const subscription = await subscribe();
  expect(getEventListeners(stop.signal, 'abort')).toHaveLength(1);
  await subscription[Symbol.asyncDispose]();
  expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
  stop.abort();
  await expect(subscribe()).rejects.toThrow('aborted');
});
