import { type Broker, openBroker, type QueueDeclaration, type Topology } from '../../../src/broker/index.ts';
import { startProxy } from '../../support/proxy.ts';
import { amqpUrl } from '../../support/servers.ts';
import { brokerOptions } from './harness.ts';
import { type BrokerHarness, describeBroker } from './suite.ts';

/** RabbitMQ refuses priorities, transient and private queues of this type, so those stay classic. */
function asQuorum(queue: QueueDeclaration): QueueDeclaration {
  const cannot = !queue.durable || queue.exclusive === true || queue.autoDelete === true || 'x-max-priority' in queue.arguments;
  return cannot ? queue : { ...queue, arguments: { ...queue.arguments, 'x-queue-type': 'quorum' } };
}

/** The same broker, for which every queue is declared as a quorum queue. */
function declaringQuorum(broker: Broker): Broker {
  return new Proxy(broker, {
    get: (target, name) => {
      if (name === 'declare')
        return (topology: Topology) => target.declare({ ...topology, queues: topology.queues.map(asQuorum) });
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function setup(): Promise<BrokerHarness> {
  const proxy = await startProxy(amqpUrl());
  return {
    open: async (options) => declaringQuorum(await openBroker(brokerOptions(proxy.url(amqpUrl()), options))),
    cut: async () => {
      proxy.cut();
    },
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  };
}

describeBroker('amqp with quorum queues', setup, {
  remembersQueues: true,
  countsParked: false,
  looksInside: false,
  handsOn: false,
  expires: true,
  earliness: 1,
  peekReorders: true,
  priorityArguments: { 'x-max-priority': 9 },
});
