import type { Command } from '../seam.ts';

export const activeQueues: Command = {
  name: 'active_queues',
  kind: 'inspect',
  help: 'List the queues that a worker takes from.',
  run: ({ host }) =>
    host.parts.queues().map(({ declaration, exchange, routingKey }) => ({
      name: declaration.name,
      exchange: {
        name: exchange.name,
        type: exchange.type,
        arguments: null,
        durable: exchange.durable,
        passive: false,
        auto_delete: exchange.autoDelete ?? false,
        delivery_mode: null,
        no_declare: false,
      },
      routing_key: routingKey,
      queue_arguments: Object.keys(declaration.arguments).length === 0 ? null : declaration.arguments,
      binding_arguments: null,
      consumer_arguments: null,
      durable: declaration.durable,
      exclusive: declaration.exclusive ?? false,
      auto_delete: declaration.autoDelete ?? false,
      no_ack: false,
      alias: null,
      bindings: [],
      no_declare: null,
      expires: null,
      message_ttl: null,
      max_length: null,
      max_length_bytes: null,
      max_priority: declaration.arguments['x-max-priority'] ?? null,
    })),
};
