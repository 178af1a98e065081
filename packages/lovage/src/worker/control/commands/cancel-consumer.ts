import { consumerOf } from '../parts.ts';
import { type Command, ok } from '../seam.ts';
import { textOf } from '../words.ts';

export const cancelConsumer: Command = {
  name: 'cancel_consumer',
  help: 'Take no longer from a queue.',
  args: [{ name: 'queue', type: 'string', required: true }],
  open: true,
  run: async (context, { queue }) => {
    const name = textOf(queue, 'queue');
    await consumerOf(context).cancelQueue(name);
    return ok(`no longer consuming from ${name}`);
  },
};
