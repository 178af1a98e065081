// The queues that a worker takes from, as `Queue.as_dict(recurse=True)` of kombu shows them.
import type { Queue } from '../../../app/index.ts';
import type { Command } from '../seam.ts';

type Shown = Readonly<Record<string, unknown>>;

/** Options that are arguments on the wire; among the arguments of an answer are those only that were given as such. */
const OPTIONS = {
  'x-max-priority': 'maxPriority',
  'x-message-ttl': 'messageTtl',
  'x-expires': 'expires',
  'x-max-length': 'maxLength',
  'x-max-length-bytes': 'maxLengthBytes',
} as const;

function argumentsOf({ declaration, options }: Queue): Shown | null {
  const isOption = (key: string): boolean =>
    key in OPTIONS && options[OPTIONS[key as keyof typeof OPTIONS]] !== undefined && !Object.hasOwn(options.arguments ?? {}, key);
  const given = Object.entries(declaration.arguments).filter(([key]) => !isOption(key));
  return given.length === 0 ? null : Object.fromEntries(given);
}

function exchangeOf({ exchanges, exchange: own, deliveryMode }: Queue, name: string): Shown {
  const exchange = exchanges.find((each) => each.name === name);
  return {
    name,
    type: exchange?.type ?? 'direct',
    arguments: null,
    durable: exchange?.durable ?? true,
    passive: exchange?.passive ?? false,
    auto_delete: exchange?.autoDelete ?? false,
    delivery_mode: name === own.name ? (deliveryMode ?? null) : null,
    no_declare: false,
  };
}

/** All of them, or none where the exchange and the key of the queue say it. */
function bindingsOf(queue: Queue): readonly Shown[] {
  if (queue.bindings.length < 2) return [];
  return queue.bindings.map(({ exchange, routingKey }) => ({
    exchange: exchangeOf(queue, exchange),
    routing_key: routingKey,
    arguments: null,
    unbind_arguments: null,
  }));
}

function describe(queue: Queue): Shown {
  const { declaration, exchange, routingKey, options } = queue;
  return {
    name: declaration.name,
    exchange: exchangeOf(queue, exchange.name),
    routing_key: routingKey,
    queue_arguments: argumentsOf(queue),
    binding_arguments: null,
    consumer_arguments: declaration.consumerArguments ?? null,
    durable: declaration.durable,
    exclusive: declaration.exclusive ?? false,
    auto_delete: declaration.autoDelete ?? false,
    no_ack: false,
    alias: null,
    bindings: bindingsOf(queue),
    no_declare: queue.noDeclare ? true : null,
    expires: options.expires ?? null,
    message_ttl: options.messageTtl ?? null,
    max_length: options.maxLength ?? null,
    max_length_bytes: options.maxLengthBytes ?? null,
    max_priority: options.maxPriority ?? null,
  };
}

export const activeQueues: Command = {
  name: 'active_queues',
  kind: 'inspect',
  help: 'List the queues that a worker takes from.',
  run: ({ host }) => host.parts.queues().map(describe),
};
