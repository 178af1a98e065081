// The step that tells when the worker's event loop stood still (setting loopBlockWarning). Before the consumer, which tells it what begins.
import type { Bootstep } from '../bootsteps.ts';
import type { WorkerHost } from '../host.ts';
import { watchLoop } from '../loop-watch.ts';

export const loopStep: Bootstep<WorkerHost> = {
  name: 'loop',
  requires: ['pool'],
  enabled: ({ settings }) => typeof settings.loopBlockWarning === 'number',
  start: async (host) => {
    const { pool, parts, settings } = host;
    const isHere = pool?.name === 'async' || pool?.name === 'solo';
    const { pid } = process;
    const watch = watchLoop({
      threshold: settings.loopBlockWarning ?? 1,
      running: isHere
        ? () => [...(host.consumer?.flow.requests ?? [])].filter((task) => task.state === 'running' && task.pid === pid)
        : undefined,
      show: (view) => parts.app.broker.watchLoop?.(view),
    });
    host.tasks = watch.tasks;
    return { [Symbol.asyncDispose]: async () => watch[Symbol.dispose]() };
  },
};
