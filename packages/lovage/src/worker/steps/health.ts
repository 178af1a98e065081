// The step behind `--health-port` and `--heartbeat-file`: starts first and stops last, so that a worker that waits for its broker, or for
// its last tasks, is still seen to be alive.
import { logger } from '../../util/index.ts';
import type { Bootstep } from '../bootsteps.ts';
import { watchHealth } from '../health.ts';
import { serveHealth } from '../health-server.ts';
import { beatFile } from '../heartbeat-file.ts';
import type { WorkerHost } from '../host.ts';
import { nodeFormat } from '../node-name.ts';

const log = logger('worker');

export const healthStep: Bootstep<WorkerHost> = {
  name: 'health',
  enabled: ({ options }) => (options.healthPort ?? options.heartbeatFile ?? undefined) !== undefined,
  start: async (host) => {
    const { healthPort, healthHost = '127.0.0.1', heartbeatFile, shutdownTimeout } = host.options;
    await using started = new AsyncDisposableStack();
    const health = started.use(watchHealth({ host, shutdownTimeout }));
    let port: number | undefined;
    if (healthPort !== undefined && healthPort !== null) {
      const server = started.use(await serveHealth(health, { host: healthHost, port: healthPort }));
      port = server.port;
      log.info('Health on http://{host}:{port}: /livez, /readyz, /metrics.', { host: healthHost, port });
    }
    if (heartbeatFile !== undefined && heartbeatFile !== null) {
      started.use(await beatFile(nodeFormat(heartbeatFile, host.hostname), health));
    }
    const running = started.move();
    return {
      info: () => ({ health: { port, alive: health.alive(), ready: health.ready() } }),
      [Symbol.asyncDispose]: () => running.disposeAsync(),
    };
  },
};
