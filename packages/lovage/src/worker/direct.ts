// The queue of one worker alone (setting workerDirect): whoever knows a node's name can send to exactly that node, as in Celery.
import type { Queue } from '../app/index.ts';

const EXCHANGE = { name: 'C.dq2', type: 'direct', durable: true } as const;

/** The queue `<node>.dq2`, bound by the node's name. */
export function directQueue(hostname: string): Queue {
  const name = `${hostname}.dq2`;
  return {
    name,
    declaration: { name, durable: true, arguments: {} },
    exchange: EXCHANGE,
    routingKey: hostname,
    bindings: [{ queue: name, exchange: EXCHANGE.name, routingKey: hostname }],
    exchanges: [EXCHANGE],
    deliveryMode: undefined,
    broadcast: false,
    noDeclare: false,
    maxPriority: undefined,
    options: {},
  };
}
