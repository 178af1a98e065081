import { openBroker } from '../../../src/broker/index.ts';
import { startProxy } from '../../support/proxy.ts';
import { amqpUrl } from '../../support/servers.ts';
import { brokerOptions } from './harness.ts';
import { type BrokerHarness, describeBroker } from './suite.ts';

async function setup(): Promise<BrokerHarness> {
  const proxy = await startProxy(amqpUrl());
  return {
    open: (options) => openBroker(brokerOptions(proxy.url(amqpUrl()), options)),
    cut: async () => {
      proxy.cut();
    },
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  };
}

describeBroker('amqp', setup, {
  remembersQueues: true,
  countsParked: false,
  looksInside: false,
  handsOn: false,
  expires: true,
  // RabbitMQ's delay queues count whole seconds; the worker holds the rest.
  earliness: 1,
  peekReorders: true,
  priorityArguments: { 'x-max-priority': 9 },
});
