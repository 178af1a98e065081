// Node's debugger on loopback: of a worker at USR2, where the environment allows it, and of slots from their start, where a setting says so. It lets whoever connects run any code.
import { open, url } from 'node:inspector';
import { logger } from '../util/index.ts';

const log = logger('worker');
const MAX_PORT = 65_535;

/**
 * Opens the debugger of a process of the pool: on the port of the first, counted on by the number of the slot. Node itself says on the
 * standard error where it listens, or that the port is taken, and goes on without.
 */
export function openSlotDebugger(first: number, slot: number): void {
  const port = first + slot - 1;
  if (port <= MAX_PORT) open(port, '127.0.0.1');
  else
    process.stderr.write(
      `There is no port ${port} for the debugger of slot ${slot}: the setting workerSlotInspectPort is ${first}.\n`,
    );
}

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
