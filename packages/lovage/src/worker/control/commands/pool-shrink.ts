import { resized } from '../resize.ts';
import { type Command, ok } from '../seam.ts';
import { wholeOf } from '../words.ts';

export const poolShrink: Command = {
  name: 'pool_shrink',
  help: 'Take slots from the pool.',
  args: [{ name: 'n', type: 'integer' }],
  open: true,
  run: async (context, { n }) => {
    await resized(context, 'pool_shrink', -wholeOf(n, 'n', 1));
    return ok('pool will shrink');
  },
};
