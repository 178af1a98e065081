// What becomes of a task that is parked in the broker when it is revoked: it is made ready, so that a worker gets it now and ends it as
// any revoked task, with its record, its event and its part of a chord. RabbitMQ shows nobody what is parked; there it ends at its time.
import type { WaitingRoom } from '../../broker/index.ts';
import { logger } from '../../util/index.ts';
import type { WorkerHost } from '../host.ts';

const log = logger('worker', 'control');
/** Ids that are looked for at once. Each look reads the whole parked set; of more than these the rest ends at its time. */
const MAX_IDS = 100;

const pending = new WeakMap<WorkerHost, Set<string>>();

/** Begins a look for these; one at a time for each worker, and what is revoked meanwhile shares the next. */
export function wakeParked(host: WorkerHost, ids: readonly string[]): void {
  const { waiting } = host.parts.app.broker;
  if (waiting === undefined) return;
  const looking = pending.get(host);
  const wanted = looking ?? new Set();
  for (const id of ids) if (wanted.size < MAX_IDS) wanted.add(id);
  if (looking !== undefined) return;
  pending.set(host, wanted);
  void lookUntilDone(host, waiting, wanted)
    .catch((error: unknown) => log.debug('Revoked tasks that are parked end at their time: {error}', { error: String(error) }))
    .finally(() => pending.delete(host));
}

async function lookUntilDone(host: WorkerHost, waiting: WaitingRoom, wanted: Set<string>): Promise<void> {
  while (wanted.size > 0) {
    // Revokes of one turn are looked for together.
    await new Promise((resolve) => setImmediate(resolve));
    const ids = [...wanted];
    wanted.clear();
    await Promise.all(queuesOf(host).map((queue) => wake(host, waiting, queue, ids)));
  }
}

function queuesOf(host: WorkerHost): readonly string[] {
  const { topology } = host.parts.app.queues();
  const lasting = topology.queues.filter(({ autoDelete, exclusive }) => autoDelete !== true && exclusive !== true);
  // A signature covers the eta, which changes when a message is made ready.
  return lasting.map(({ name }) => name).filter((name) => host.parts.app.guard?.covers(name) !== true);
}

async function wake({ parts }: WorkerHost, waiting: WaitingRoom, queue: string, ids: readonly string[]): Promise<void> {
  const count = await parts.app.broker.count(queue);
  if (count?.parked === 0) return;
  await waiting.reschedule(queue, ids, undefined, 'parked');
}
