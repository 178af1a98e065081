import { resized } from '../resize.ts';
import { type Command, ok } from '../seam.ts';
import { wholeOf } from '../words.ts';

export const poolGrow: Command = {
  name: 'pool_grow',
  help: 'Add slots to the pool.',
  args: [{ name: 'n', type: 'integer' }],
  open: true,
  run: async (context, { n }) => {
    await resized(context, 'pool_grow', wholeOf(n, 'n', 1));
    return ok('pool will grow');
  },
};
