// A worker as the commands of a program see it.
import type { ControlledWorker } from '../../app/index.ts';
import { consumerOf, poolOf } from './parts.ts';
import { type CommandContext, CommandError } from './seam.ts';

export function controlledWorker(context: CommandContext): ControlledWorker {
  const { host, signal } = context;
  return {
    hostname: host.hostname,
    signal,
    info: () => host.info(),
    requests: () =>
      [...consumerOf(context).flow.requests].map(({ request, state }) => ({ id: request.id, task: request.task, state })),
    pool: {
      get limit() {
        return poolOf(context).limit;
      },
      get running() {
        return poolOf(context).running;
      },
      resize: async (limit) => {
        if (host.autoscaler !== undefined)
          throw new CommandError('ValueError', 'The pool is scaled by its worker (--autoscale).');
        await poolOf(context).resize(limit);
        consumerOf(context).flow.resized();
      },
    },
    queues: {
      get names() {
        return host.parts.app.queues().names;
      },
      add: (name) => consumerOf(context).addQueue({ name }),
      cancel: (name) => consumerOf(context).cancelQueue(name),
    },
  };
}
