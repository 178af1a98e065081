import type { Command } from '../seam.ts';
import { brokerInfo, usage } from '../statistics.ts';

export const stats: Command = {
  name: 'stats',
  kind: 'inspect',
  help: 'Show statistics of a worker.',
  open: true,
  run: ({ host, port }) => {
    // What the steps of the worker say comes last: total, pool, autoscaler, prefetch_count and what is Lovage's own.
    const { hostname: _, state: __, ...info } = host.info();
    return {
      total: {},
      pid: process.pid,
      clock: String(port.clock.value),
      uptime: Math.floor((performance.now() - host.startedAt) / 1000),
      broker: brokerInfo(host.parts.app.broker, port),
      prefetch_count: 0,
      rusage: usage(),
      ...info,
    };
  },
};
