// The step that lets events out. The dispatcher connects with the first event and keeps what it cannot send, so nothing here waits for a
// broker, and a worker without events has none of it.
import type { Bootstep } from '../bootsteps.ts';
import type { WorkerHost } from '../host.ts';
import { HEARTBEAT_INTERVAL, workerEvents } from '../worker-events.ts';

/** Does this worker speak of itself? */
export function saysHeartbeats({ options }: WorkerHost): boolean {
  return options.withoutHeartbeat !== true;
}

export const eventsStep: Bootstep<WorkerHost> = {
  name: 'events',
  enabled: (host) => host.options.taskEvents === true || host.options.gossip === true || saysHeartbeats(host),
  start: async (host) => {
    const { dispatcher } = host.parts;
    const freq = host.options.heartbeatInterval ?? HEARTBEAT_INTERVAL;
    dispatcher.enable('worker');
    if (host.options.taskEvents === true) dispatcher.enable('task');
    host.events = workerEvents({ dispatcher, freq, flow: () => host.consumer?.flow });
    return {
      info: () => ({ events: dispatcher.info() }),
      [Symbol.asyncDispose]: () => dispatcher[Symbol.asyncDispose](),
    };
  },
};
