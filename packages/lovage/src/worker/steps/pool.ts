// The step that opens the slots.
import { openPool } from '../../pool/index.ts';
import type { Bootstep } from '../bootsteps.ts';
import type { WorkerHost } from '../host.ts';

function tooMany(zombies: number): string {
  const tasks = zombies === 1 ? 'task runs' : 'tasks run';
  return `${zombies} ${tasks} on that had to stop (setting maxZombies). The worker finishes what else runs and ends with exit code 1, so that a new process can take its place.`;
}

export const poolStep: Bootstep<WorkerHost> = {
  name: 'pool',
  start: async (host) => {
    const { maxTasksPerChild, maxMemoryPerChild, maxZombies } = host.options;
    const pool = await openPool(host.poolName, {
      execute: host.parts.execute,
      ended: host.parts.ended,
      concurrency: host.options.autoscale === undefined ? host.concurrency : Math.max(1, host.options.autoscale.min),
      maxTasksPerChild,
      maxMemoryPerChild,
      onZombie: (zombies) => {
        if (maxZombies !== undefined && maxZombies !== null && zombies >= maxZombies) host.retire(tooMany(zombies));
      },
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
