// What a worker that has started asks the others, once: is my name free, and what is revoked?
import { randomInt } from 'node:crypto';
import { type ControlRequest, isRecord } from '../../protocol/index.ts';
import { logger } from '../../util/index.ts';
import type { WorkerHost } from '../host.ts';
import { revokesTold, tellRevokes } from './commands/hello.ts';
import { learnRevokes } from './revokes.ts';

const log = logger('worker', 'control');
/** Seconds that a round trip gets. */
const ROUND_TRIP = 1;
/** The argument of a ping that asks for its own name; Celery's workers take it and do not look at it. */
const ASKER = 'lovage_asker';

/** The check of a worker's own name: a ping to it that nobody else may answer. */
export interface NameCheck {
  /** Is this our own question, or that of a younger worker that checks while we do? Then it is not for us to answer. */
  ignores(request: ControlRequest): boolean;
  /** Resolves to whether another worker has the name. */
  isTaken(signal: AbortSignal): Promise<boolean>;
}

/** Begins undecided. Of two that check at once the elder keeps the name. */
export function createNameCheck(host: WorkerHost): NameCheck {
  const born = `${Date.now().toString().padStart(15, '0')}-${randomInt(2 ** 40)
    .toString()
    .padStart(13, '0')}`;
  let isOurs = false;
  return {
    ignores: ({ method, arguments: args }) => {
      const asker = method === 'ping' && Object.hasOwn(args, ASKER) ? args[ASKER] : undefined;
      if (typeof asker !== 'string') return false;
      return asker === born || (!isOurs && asker < born);
    },
    isTaken: async (signal) => {
      const options = { destination: [host.hostname], timeout: ROUND_TRIP, signal };
      const replies = await host.parts.control.ask('ping', { [ASKER]: born }, options);
      isOurs = replies.length === 0;
      return !isOurs;
    },
  };
}

/** What the worker says when it has to go. */
export function takenName(hostname: string): string {
  return `Another worker is called '${hostname}' on this broker. This one finishes what runs and ends with exit code 1; give it another name (-n name@%h, option hostname).`;
}

/** Mingle: exchanges revoked ids and clocks with all others. */
export async function mingle(host: WorkerHost, signal: AbortSignal): Promise<void> {
  const { control } = host.parts;
  log.info('mingle: searching for neighbors');
  const args = { from_node: host.hostname, ...tellRevokes(host.revoked) };
  const replies = await control.ask('hello', args, { timeout: ROUND_TRIP, signal });
  const neighbours = replies.filter(({ value, node }) => node !== host.hostname && isRecord(value));
  if (neighbours.length === 0) {
    log.info('mingle: all alone');
    return;
  }
  log.info('mingle: sync with {count} nodes', { count: neighbours.length });
  for (const { value } of neighbours) {
    if (!isRecord(value)) continue;
    if (typeof value.clock === 'number') control.clock.adjust(value.clock);
    learnRevokes(host, revokesTold(value));
  }
  log.info('mingle: sync complete');
}
