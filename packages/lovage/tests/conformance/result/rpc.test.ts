// On the shared RabbitMQ, through a proxy whose lines can be cut. A broker restart would take reply queues with it just so.
import { afterAll, beforeAll } from 'vitest';
import { startProxy } from '../../support/proxy.ts';
import { amqpUrl } from '../../support/servers.ts';
import { describeBackend } from './describe-backend.ts';
import { optionsFor } from './harness.ts';

let proxy: Awaited<ReturnType<typeof startProxy>>;
beforeAll(async () => {
  proxy = await startProxy(amqpUrl());
});
afterAll(() => proxy[Symbol.asyncDispose]());

describeBackend('rpc', {
  options: () => optionsFor('rpc://', { broker: { url: proxy.url(amqpUrl()), transportOptions: {} } }),
  cut: async () => {
    proxy.cut();
  },
});
