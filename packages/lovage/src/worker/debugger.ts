// USR2: Node's debugger, on loopback and only where the environment allows it. It lets whoever connects run any code.
import { open, url } from 'node:inspector';
import { logger } from '../util/index.ts';

const log = logger('worker');

/** Opens the debugger of this process and says where. */
export function openDebugger(allowed: boolean): void {
  if (!allowed) {
    log.warning(
      'worker: USR2 opens the debugger only where LOVAGE_RDBSIG (or CELERY_RDBSIG) is 1 in the environment; nothing was done.',
    );
    return;
  }
  if (url() === undefined) open(0, '127.0.0.1');
  log.warning('worker: The debugger listens on {url}; chrome://inspect or `node inspect -p {pid}` connects.', {
    url: url() ?? '127.0.0.1',
    pid: process.pid,
  });
}
