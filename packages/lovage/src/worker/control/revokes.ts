// What is revoked, from wherever a worker learns it: a command, another worker, or the result store, which keeps it for workers that start
// later and is read at the start and whenever the line for commands comes back.
import type { RevokedStamp } from '../../consumer/index.ts';
import { parseRevoke, type RevokeStore, revokeText, type StoredRevoke } from '../../result/index.ts';
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

/** What a command revokes. Where it was said to this worker and not to all, it stays here. What waits here is the caller's. */
export function heedRevokes({ host, port, isForAll }: CommandContext, { ids = [], stamps = [] }: Revokes): void {
  const keeping = { own: !isForAll };
  for (const id of ids) host.revoked.add(id, keeping);
  for (const stamp of stamps) host.revoked.addStamp(stamp, keeping);
  changed(host);
  if (!isForAll) return;
  // The command does not wait for it.
  const texts = [...ids.map((id) => revokeText({ id })), ...stamps.map((stamp) => revokeText({ stamp }))];
  const { max, seconds } = host.revoked.limits;
  storeOf(host)
    ?.add(port.settings.controlExchange, texts, { expires: seconds, max })
    .catch((error: unknown) => log.warning('Revokes could not be kept for other workers: {error}', { error: String(error) }));
}

/** What another worker knows. */
export interface Told {
  /** With the seconds for which it counts yet: clocks may differ. Undefined, of a worker of Celery's: from now on. */
  readonly ids: readonly (readonly [id: string, left: number | undefined])[];
  readonly stamps: readonly (readonly [stamp: RevokedStamp, left: number | undefined])[];
}

/** Learns it for as long as it counts there, so that workers which come and go do not keep it for ever. */
export function learnRevokes(host: WorkerHost, { ids, stamps }: Told): void {
  const { revoked } = host;
  const until = (left: number | undefined): number | undefined =>
    left === undefined ? undefined : Date.now() / 1000 + Math.min(left, revoked.limits.seconds);
  const newIds = ids.filter(([id]) => !revoked.has(id));
  const newStamps = stamps.filter(([stamp]) => !revoked.hasStamp(stamp));
  for (const [id, left] of newIds) revoked.add(id, { until: until(left) });
  for (const [stamp, left] of newStamps) revoked.addStamp(stamp, { until: until(left) });
  if (newIds.length + newStamps.length > 0) learned(host);
}

/** Adds what the store knows. */
export async function loadRevokes(host: WorkerHost, signal: AbortSignal = AbortSignal.timeout(PATIENCE * 1000)): Promise<void> {
  const store = storeOf(host);
  if (store === undefined) return;
  try {
    const scope = host.parts.control.settings.controlExchange;
    const stored = await orAborted(store.load(scope), signal);
    const news = stored.filter((revoke) => addStored(host, revoke));
    if (news.length > 0) learned(host);
  } catch (error) {
    // A stop during the start: nobody needs them any more.
    if (error instanceof ShutdownError) return;
    const reason = error instanceof DOMException ? 'the result store did not answer in time' : reasonOf(error);
    log.warning('The stored revokes could not be read: {reason}. They are read again when the line for commands opens anew.', {
      reason,
    });
  }
}

/** Answers whether it is news. */
function addStored({ revoked }: WorkerHost, { text, until }: StoredRevoke): boolean {
  const revoke = parseRevoke(text);
  if (revoke === undefined) return false;
  return 'id' in revoke ? revoked.add(revoke.id, { until }) : revoked.addStamp(revoke.stamp, { until });
}

function learned(host: WorkerHost): void {
  host.consumer?.flow.revokeWaiting();
  changed(host);
}

function changed(host: WorkerHost): void {
  host.stateChanged?.();
  host.wakeParked?.();
}
