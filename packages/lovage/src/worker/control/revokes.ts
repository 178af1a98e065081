// Revokes that outlive this worker: kept in the result store, where workers that start later find them, and read from there at the start
// and whenever the line for commands comes back.
import type { Revoked, RevokedStamp } from '../../consumer/index.ts';
import { parseRevoke, type RevokeStore, revokeText } from '../../result/index.ts';
import { logger, orAborted, reasonOf, ShutdownError } from '../../util/index.ts';
import type { WorkerHost } from '../host.ts';
import type { CommandContext } from './seam.ts';

const log = logger('worker', 'control');
/** Seconds that the store gets. */
const PATIENCE = 10;

/** What is revoked. */
export interface Revokes {
  readonly ids?: readonly string[];
  readonly stamps?: readonly RevokedStamp[];
}

function storeOf({ parts }: WorkerHost): RevokeStore | undefined {
  return parts.app.backend?.revokes;
}

/** Writes them down, where there is a place; the command does not wait for it. */
export function keepRevokes({ host, port }: CommandContext, { ids = [], stamps = [] }: Revokes): void {
  host.stateChanged?.();
  const texts = [...ids.map((id) => revokeText({ id })), ...stamps.map((stamp) => revokeText({ stamp }))];
  const { max, seconds } = host.revoked.limits;
  storeOf(host)
    ?.add(port.settings.controlExchange, texts, { expires: seconds, max })
    .catch((error: unknown) => log.warning('Revokes could not be kept for other workers: {error}', { error: String(error) }));
}

/** Adds what the store knows. */
export async function loadRevokes(host: WorkerHost, signal: AbortSignal = AbortSignal.timeout(PATIENCE * 1000)): Promise<void> {
  const store = storeOf(host);
  if (store === undefined) return;
  try {
    const scope = host.parts.control.settings.controlExchange;
    const stored = await orAborted(store.load(scope), signal);
    for (const { text, until } of stored) addRevoke(host.revoked, text, until);
    if (stored.length > 0) host.consumer?.flow.revokeWaiting();
  } catch (error) {
    // A stop during the start: nobody needs them any more.
    if (error instanceof ShutdownError) return;
    const reason = error instanceof DOMException ? 'the result store did not answer in time' : reasonOf(error);
    log.warning('The stored revokes could not be read: {reason}. They are read again when the line for commands opens anew.', {
      reason,
    });
  }
}

function addRevoke(revoked: Revoked, text: string, until: number): void {
  const revoke = parseRevoke(text);
  if (revoke === undefined) return;
  if ('id' in revoke) revoked.add(revoke.id, until);
  else revoked.addStamp(revoke.stamp, until);
}
