// What remote control declares on a broker, exactly as kombu does: anything else is a refusal for its Python peers.
import type { QueueDeclaration, Topology } from '../../broker/index.ts';
import { type ControlNames, controlNames } from '../../protocol/index.ts';
import type { Settings } from '../settings.ts';

/** The names under the setting controlExchange. */
export function namesOf(settings: Settings): ControlNames {
  return controlNames(settings.controlExchange);
}

function transient(name: string, settings: Settings): QueueDeclaration {
  const { controlQueueDurable: durable, controlQueueExclusive: exclusive, controlQueueTtl, controlQueueExpires } = settings;
  return {
    name,
    durable,
    exclusive,
    autoDelete: !durable,
    arguments: { 'x-expires': Math.trunc(controlQueueExpires * 1000), 'x-message-ttl': Math.trunc(controlQueueTtl * 1000) },
  };
}

/** The exchange of requests alone: what a sender needs. */
export function requestTopology(settings: Settings): Topology {
  return { exchanges: [{ name: namesOf(settings).requests, type: 'fanout', durable: false }], queues: [], bindings: [] };
}

/** The queue in which a node hears requests. */
export function nodeTopology(node: string, settings: Settings): Topology {
  const names = namesOf(settings);
  const queue = names.nodeQueue(node);
  return {
    exchanges: requestTopology(settings).exchanges,
    queues: [transient(queue, settings)],
    bindings: [{ queue, exchange: names.requests, routingKey: '' }],
  };
}

/** The exchange of answers: what an answering worker needs. */
export function replyExchange(settings: Settings): Topology {
  return { exchanges: [{ name: namesOf(settings).replies, type: 'direct', durable: false }], queues: [], bindings: [] };
}

/** The queue of whoever asks. */
export function inboxTopology(routingKey: string, settings: Settings): Topology {
  const names = namesOf(settings);
  const queue = names.replyQueue(routingKey);
  return {
    exchanges: replyExchange(settings).exchanges,
    queues: [transient(queue, settings)],
    bindings: [{ queue, exchange: names.replies, routingKey }],
  };
}
