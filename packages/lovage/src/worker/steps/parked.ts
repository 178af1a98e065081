// The step that looks for revoked tasks that are parked in the broker: they are made ready, so that a worker gets them now and ends them as
// any revoked task, with their records, their events and their parts of chords. RabbitMQ shows nobody what is parked; there they end when due.
import type { Message, WaitingRoom } from '../../broker/index.ts';
import { revocableOf } from '../../protocol/index.ts';
import { backoff, logger, orAborted, ShutdownError, sleep } from '../../util/index.ts';
import type { Bootstep } from '../bootsteps.ts';
import type { WorkerHost } from '../host.ts';

const log = logger('worker', 'control');
/** How long it rests after a piece of what is parked, and before the next look, in times of what that took: a worker has other things to do. */
const REST = { piece: 1, look: 4 };
const AGAIN = { first: 1, cap: 60 };

/** Looks through what is parked in the queues of this worker, however much it is, for whatever is revoked by now. */
async function look({ parts, revoked }: WorkerHost, room: WaitingRoom, signal: AbortSignal): Promise<void> {
  const isMeant = ({ headers, properties }: Message): boolean => {
    try {
      const { id = properties.correlationId, ...stamps } = revocableOf(headers);
      return revoked.matches({ id, ...stamps });
    } catch {
      // Whatever it is, it must not hide the others. Whoever takes it when it is due says what is wrong with it.
      return false;
    }
  };
  for (const queue of parts.app.queues().names) {
    let since = performance.now();
    for await (const woken of room.wake(queue, isMeant)) {
      if (woken > 0) log.debug('{woken} revoked tasks that were parked in {queue} are made ready, to end', { woken, queue });
      await rest(since, REST.piece, signal);
      since = performance.now();
    }
  }
}

function rest(since: number, times: number, signal: AbortSignal): Promise<void> {
  return sleep(((performance.now() - since) / 1000) * times, signal, { ref: false });
}

export const parkedStep: Bootstep<WorkerHost> = {
  name: 'parked',
  enabled: ({ parts }) => parts.app.broker.waiting !== undefined,
  start: async (host) => {
    const { waiting: room } = host.parts.app.broker;
    if (room === undefined) return;
    const end = new AbortController();
    let isWanted = false;
    let isLooking = false;
    /** One look at a time; what is revoked meanwhile shares the next. */
    const lookWhileWanted = async (): Promise<void> => {
      isLooking = true;
      await orAborted(host.started, end.signal);
      for (let failures = 0; isWanted && host.revoked.size > 0; ) {
        isWanted = false;
        const since = performance.now();
        try {
          await look(host, room, end.signal);
          failures = 0;
          await rest(since, REST.look, end.signal);
        } catch (error) {
          end.signal.throwIfAborted();
          log.debug('Revoked tasks that are parked could not be looked for: {error}', { error: String(error) });
          isWanted = true;
          await sleep(backoff(failures++, AGAIN), end.signal, { ref: false });
        }
      }
      isLooking = false;
    };
    host.wakeParked = () => {
      isWanted = true;
      // It rejects when the worker stops.
      if (!isLooking) lookWhileWanted().catch(() => undefined);
    };
    // What a state file brought.
    if (host.revoked.size > 0) host.wakeParked();
    return {
      [Symbol.asyncDispose]: async () => end.abort(new ShutdownError('The worker stops.')),
    };
  },
};
