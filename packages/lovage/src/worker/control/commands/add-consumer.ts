import { consumerOf } from '../parts.ts';
import { type Command, CommandError, ok } from '../seam.ts';
import { maybeName, maybeText, nameOf } from '../words.ts';

const TYPES = ['direct', 'topic', 'fanout'] as const;

export const addConsumer: Command = {
  name: 'add_consumer',
  help: 'Take from a queue too.',
  args: [
    { name: 'queue', type: 'string', required: true },
    { name: 'exchange', type: 'string' },
    { name: 'exchange_type', type: 'string' },
    { name: 'routing_key', type: 'string' },
  ],
  open: true,
  run: async (context, { queue, exchange, exchange_type: type, routing_key: key, ...options }) => {
    const name = nameOf(queue, 'queue');
    const asked = maybeText(type, 'exchange_type') ?? 'direct';
    const exchangeType = TYPES.find((known) => known === asked);
    if (exchangeType === undefined) throw new CommandError('ValueError', `exchange_type is ${TYPES.join(', ')}, not '${asked}'`);
    await consumerOf(context).addQueue({
      name,
      exchange: maybeName(exchange, 'exchange'),
      exchangeType,
      routingKey: maybeName(key, 'routing_key'),
      options,
    });
    context.host.wakeParked?.();
    return ok(`add consumer ${name}`);
  },
};
