// The word to workers that a queue was paused or resumed. The mark itself is in the broker (decision 0014); this only spares the wait for
// their next look. It is a ping that nobody answers, because Celery's workers would log an error for a command that they do not know.
import type { ControlRequest } from '../../protocol/index.ts';
import { logger } from '../../util/index.ts';
import type { Control } from './control.ts';

const log = logger('app', 'control');
/** Celery's workers take any argument of a ping and look at none. */
const PAUSES = 'lovage_pauses';
/** Seconds after which a worker that hears it late need not look: it has looked by itself. */
const STALE = 60;

/** Lets all workers look which queues are paused. Who does not hear it finds out by itself, so a failure is none of the caller's. */
export async function tellPauses(control: Control): Promise<void> {
  try {
    await control.ask('ping', { [PAUSES]: true }, { timeout: STALE }, false);
  } catch (error) {
    log.debug('Workers could not be told that a queue was paused or resumed: {error}', { error: String(error) });
  }
}

/** Is this that word? */
export function isAboutPauses({ method, arguments: args }: ControlRequest): boolean {
  return method === 'ping' && Object.hasOwn(args, PAUSES);
}
