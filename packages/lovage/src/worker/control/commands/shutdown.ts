import { logger } from '../../../util/index.ts';
import { type Command, ok } from '../seam.ts';

const log = logger('worker', 'control');

export const shutdown: Command = {
  name: 'shutdown',
  help: 'Finish what runs, and end.',
  args: [{ name: 'msg', type: 'string' }],
  open: true,
  run: ({ host, afterwards }, { msg }) => {
    log.warning('{message}', { message: typeof msg === 'string' ? msg : 'Got shutdown from remote' });
    afterwards(() => host.stop('remote'));
    return ok('shutting down');
  },
};
