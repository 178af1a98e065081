import { openBroker } from '../../../src/broker/index.ts';
import { startProxy } from '../../support/proxy.ts';
import { redisUrl } from '../../support/servers.ts';
import { brokerOptions } from './harness.ts';
import { type BrokerHarness, describeBroker } from './suite.ts';

async function setup(transportOptions: Readonly<Record<string, unknown>>): Promise<BrokerHarness> {
  const proxy = await startProxy(redisUrl());
  return {
    open: (options) => openBroker(brokerOptions(proxy.url(redisUrl()), { transportOptions, ...options })),
    cut: async () => {
      proxy.cut();
    },
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  };
}

describeBroker('redis', () => setup({}), {
  remembersQueues: false,
  countsParked: true,
  expires: false,
  earliness: 0.01,
  priorityArguments: {},
});
