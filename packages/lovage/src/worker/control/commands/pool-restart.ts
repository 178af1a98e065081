import { poolOf } from '../parts.ts';
import { type Command, CommandError, ok } from '../seam.ts';

export const poolRestart: Command = {
  name: 'pool_restart',
  help: 'Make the slots of the pool anew (setting workerPoolRestarts).',
  args: [{ name: 'modules' }, { name: 'reload', type: 'boolean' }, { name: 'reloader' }],
  open: true,
  run: async (context) => {
    if (!context.port.settings.workerPoolRestarts) throw new CommandError('ValueError', 'Pool restarts not enabled');
    // Modules that the message names are never loaded: a message is data, not code.
    const pool = poolOf(context);
    if (pool.restart === undefined)
      throw new CommandError('ValueError', `The pool '${pool.name}' has no slots of its own that could be made anew.`);
    await pool.restart();
    return ok('reload started');
  },
};
