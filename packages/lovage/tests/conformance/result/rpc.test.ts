// On the shared RabbitMQ, through a proxy whose lines can be cut. A broker restart would take reply queues with it just so.
import { afterAll, beforeAll, expect, vi } from 'vitest';
import { openBroker } from '../../../src/broker/index.ts';
import type { BackendOptions } from '../../../src/result/index.ts';
import { startProxy } from '../../support/proxy.ts';
import { amqpUrl } from '../../support/servers.ts';
import { brokerOptions } from '../broker/harness.ts';
import { describeBackend } from './describe-backend.ts';
import { optionsFor } from './harness.ts';

let proxy: Awaited<ReturnType<typeof startProxy>>;
beforeAll(async () => {
  proxy = await startProxy(amqpUrl());
});
afterAll(() => proxy[Symbol.asyncDispose]());
/** Those of the pair that a test has, and of all before. */
const opened: BackendOptions[] = [];

describeBackend('rpc', {
  options: () => {
    const options = optionsFor('rpc://', { broker: { url: proxy.url(amqpUrl()), transportOptions: {} } });
    opened.push(options);
    return options;
  },
  cut: async () => {
    proxy.refuse();
    proxy.cut();
    // A result that comes to the queue before RabbitMQ deletes it is gone with it.
    await using broker = await openBroker(brokerOptions(amqpUrl()));
    for (const { oid } of opened.slice(-2))
      await vi.waitFor(async () => expect(await broker.count(oid)).toBeUndefined(), { timeout: 20_000, interval: 50 });
    proxy.refuse(false);
  },
});
