import { logger } from '../../../util/index.ts';
import { poolOf } from '../parts.ts';
import { type Command, CommandError, ok } from '../seam.ts';

const log = logger('worker', 'control');

export const poolRestart: Command = {
  name: 'pool_restart',
  help: 'Make the slots of the pool anew (setting workerPoolRestarts).',
  args: [{ name: 'modules' }, { name: 'reload', type: 'boolean' }, { name: 'reloader' }],
  open: true,
  run: (context) => {
    if (!context.port.settings.workerPoolRestarts) throw new CommandError('ValueError', 'Pool restarts not enabled');
    // Modules that the message names are never loaded: a message is data, not code.
    const pool = poolOf(context);
    if (pool.restart === undefined)
      throw new CommandError('ValueError', `The pool '${pool.name}' has no slots of its own that could be made anew.`);
    // Whoever asked waits a second as a rule, and new slots load the app first.
    pool.restart().catch((error: unknown) => log.error('The pool could not be restarted: {error}', { error }));
    return ok('reload started');
  },
};
