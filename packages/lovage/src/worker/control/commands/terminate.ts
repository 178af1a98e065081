import { consumerOf } from '../parts.ts';
import { heedRevokes } from '../revokes.ts';
import { type Command, type CommandContext, ok } from '../seam.ts';
import { signalOf } from '../signals.ts';
import { textsOf } from '../words.ts';

/** Stops what runs of these ids, and says which were found here. */
export function terminated(context: CommandContext, ids: readonly string[], signal: string): { readonly ok: string } {
  const meant = new Set(ids);
  const found = consumerOf(context).flow.terminate(({ id }) => meant.has(id), signal);
  return ok(found.length === 0 ? 'terminate: tasks unknown' : `terminate: ${found.join(', ')}`);
}

export const terminate: Command = {
  name: 'terminate',
  help: 'Stop tasks by their ids, and let them not run again.',
  args: [
    { name: 'signal', type: 'string', required: true },
    { name: 'task_id', required: true },
  ],
  variadic: 'task_id',
  open: true,
  run: (context, { task_id: id, signal }) => {
    const ids = textsOf(id, 'task_id');
    heedRevokes(context, { ids });
    return terminated(context, ids, signalOf(signal));
  },
};
