import { type Command, CommandError, ok } from '../seam.ts';
import { wholeOf } from '../words.ts';

export const autoscale: Command = {
  name: 'autoscale',
  help: 'Set the bounds of a pool that is scaled by its work.',
  args: [
    { name: 'max', type: 'integer' },
    { name: 'min', type: 'integer' },
  ],
  run: async ({ host }, { max, min }) => {
    const { autoscaler } = host;
    if (autoscaler === undefined) throw new CommandError('ValueError', 'Autoscale not enabled');
    const bounds = await autoscaler.update({
      max: wholeOf(max, 'max', autoscaler.max),
      min: wholeOf(min, 'min', autoscaler.min),
    });
    return ok(`autoscale now max=${bounds.max} min=${bounds.min}`);
  },
};
