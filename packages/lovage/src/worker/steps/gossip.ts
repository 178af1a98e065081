// The step by which a worker knows the others: it hears their events, keeps the logical clock up with theirs, and answers elections of
// Python workers, which count answers. Off unless asked for: n workers that listen to each other read n² heartbeats.
import { ClusterState, type WorkerView } from '../../event/index.ts';
import { after, logger, type Timer } from '../../util/index.ts';
import type { Bootstep } from '../bootsteps.ts';
import { Elections } from '../elections.ts';
import type { ConsumerHost } from '../host.ts';
import { TASKS } from '../line.ts';
import { HEARTBEAT_INTERVAL } from '../worker-events.ts';

/** Seconds between two looks for those that have fallen silent. */
const LOOK_EVERY = 5;
const log = logger('worker');

export const gossipStep: Bootstep<ConsumerHost> = {
  name: 'gossip',
  requires: [TASKS, 'heart'],
  enabled: ({ worker }) => worker.options.gossip === true && worker.parts.app.broker.features.fanout,
  start: async ({ worker, hostname }) => {
    const { events, options, parts } = worker;
    const isOther = (peer: WorkerView): boolean => peer.hostname !== hostname;
    const state = new ClusterState({
      onNodeJoin: (peer) => {
        if (isOther(peer)) log.info('{peer} joined the party', { peer: peer.hostname });
      },
      onNodeLeave: (peer) => {
        if (isOther(peer)) log.info('{peer} left', { peer: peer.hostname });
      },
    });
    const stream = parts.receive({ routingKey: 'worker.#', wakeup: false, ttl: options.heartbeatInterval ?? HEARTBEAT_INTERVAL });
    worker.peers = () => state.aliveWorkers().filter(isOther);
    const elections = new Elections();
    let timer: Timer;
    const look = (): void => {
      timer = after(LOOK_EVERY, () => {
        for (const peer of state.workers()) {
          if (!isOther(peer) || peer.heartbeats.length === 0 || state.isAlive(peer)) continue;
          log.info('missed heartbeat from {peer}', { peer: peer.hostname });
          state.forgetWorker(peer.hostname);
        }
        look();
      });
    };
    const listen = async (): Promise<void> => {
      for await (const event of stream) {
        state.add(event);
        // Who stands for election counts the answers. Lovage workers do not stand themselves: what must be done once takes a lock.
        if (event.type !== 'worker-elect') continue;
        const answers = elections.answers(event.id, event.hostname);
        for (let sent = 0; sent < answers; sent++) events?.dispatcher.send('worker-elect-ack', { id: event.id });
      }
    };
    // In the background: a worker is ready without knowing the others.
    const listening = listen().catch((error: unknown) =>
      log.warning('Other workers cannot be heard: {error}', { error: String(error) }),
    );
    look();
    return {
      info: () => ({ gossip: { peers: worker.peers?.().map((peer) => peer.hostname) ?? [] } }),
      [Symbol.asyncDispose]: async () => {
        timer.cancel();
        worker.peers = undefined;
        await stream[Symbol.asyncDispose]();
        await listening;
      },
    };
  },
};
