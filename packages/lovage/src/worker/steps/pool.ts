// The step that opens the slots.
import { openPool } from '../../pool/index.ts';
import type { Bootstep } from '../bootsteps.ts';
import type { WorkerHost } from '../host.ts';

export const poolStep: Bootstep<WorkerHost> = {
  name: 'pool',
  start: async (host) => {
    const { maxTasksPerChild, maxMemoryPerChild } = host.options;
    const pool = await openPool(host.poolName, {
      execute: host.parts.execute,
      concurrency: host.concurrency,
      maxTasksPerChild,
      maxMemoryPerChild,
    });
    host.pool = pool;
    if (pool.name === 'solo') await host.signals.workerProcessInit.tell(() => ({ pid: process.pid }));
    return {
      info: () => ({ pool: pool.info() }),
      [Symbol.asyncDispose]: async () => {
        await pool[Symbol.asyncDispose]();
      },
    };
  },
};
