import { pythonSet } from '../../../protocol/index.ts';
import { consumerOf } from '../parts.ts';
import { heedRevokes } from '../revokes.ts';
import { type Command, ok } from '../seam.ts';
import { signalOf } from '../signals.ts';
import { textsOf } from '../words.ts';
import { terminated } from './terminate.ts';

export const revoke: Command = {
  name: 'revoke',
  help: 'Let tasks not run, by their ids; with terminate also stop those that run.',
  args: [
    { name: 'task_id', required: true },
    { name: 'terminate', type: 'boolean' },
    { name: 'signal', type: 'string' },
  ],
  variadic: 'task_id',
  open: true,
  run: (context, { task_id: id, terminate, signal }) => {
    const ids = textsOf(id, 'task_id');
    const { flow } = consumerOf(context);
    heedRevokes(context, { ids });
    if (terminate === true) return terminated(context, ids, signalOf(signal));
    flow.revokeWaiting();
    return ok(`tasks ${pythonSet(ids)} flagged as revoked`);
  },
};
