// The step that opens the slots.
import { importModule } from '../../app/index.ts';
import { openPool, type Pool, type PoolRequest, poolNameOf } from '../../pool/index.ts';
import { ConfigurationError } from '../../util/index.ts';
import type { Bootstep } from '../bootsteps.ts';
import type { WorkerHost } from '../host.ts';
import { compareTasks } from '../slot-tasks.ts';

function tooMany(zombies: number): string {
  const tasks = zombies === 1 ? 'task runs' : 'tasks run';
  return `${zombies} ${tasks} on that had to stop (setting maxZombies). The worker finishes what else runs and ends with exit code 1, so that a new process can take its place.`;
}

/** What concerns slots that are processes or threads. */
async function separately(host: WorkerHost): Promise<Partial<PoolRequest>> {
  const { options, settings, signals, poolName } = host;
  const { logLines } = await import('../slot-program.ts');
  const slots = await host.parts.slots();
  return {
    ...('program' in slots ? { program: slots.program } : { noProgram: `The pool '${poolName}' cannot start. ${slots.refused}` }),
    width: options.slotConcurrency ?? settings.workerSlotConcurrency,
    spare: options.spareSlots ?? settings.workerSpareSlots,
    startTimeout: settings.workerProcAliveTimeout,
    beforeStart: () => signals.workerBeforeCreateProcess.emit(() => ({ pool: poolName })),
    onUp: compareTasks(host.parts.app.taskNames),
    onLine: logLines(settings.workerRedirectStdoutsLevel ?? 'WARNING'),
    onBroken: (error) => host.fail(error),
    load: importModule,
  };
}

/** Pools that have no processes in which a debugger could be opened. */
const WITHOUT_PROCESSES = new Set(['async', 'solo', 'threads']);

function checkDebugger({ options, settings, poolName }: WorkerHost): void {
  const port = options.slotInspectPort ?? settings.workerSlotInspectPort ?? undefined;
  if (port === undefined || !WITHOUT_PROCESSES.has(poolNameOf(poolName))) return;
  throw new ConfigurationError(
    `The pool '${poolName}' has no processes, so no debugger can be opened in each of them (slotInspectPort = ${port}); use the pool 'prefork', or start the worker with NODE_OPTIONS=--inspect, whose debugger shows its threads too.`,
  );
}

async function open(host: WorkerHost): Promise<Pool> {
  checkDebugger(host);
  const { maxTasksPerChild, maxMemoryPerChild, maxZombies, autoscale, timeLimit, softTimeLimit } = host.options;
  const { taskTimeLimit, taskSoftTimeLimit } = host.settings;
  return openPool(host.poolName, {
    ...(await separately(host)),
    execute: host.parts.execute,
    ended: host.parts.ended,
    concurrency: autoscale === undefined ? host.concurrency : Math.max(1, autoscale.min),
    maxTasksPerChild,
    maxMemoryPerChild,
    timeouts: [softTimeLimit ?? taskSoftTimeLimit ?? 0, timeLimit ?? taskTimeLimit ?? 0],
    onZombie: (zombies) => {
      if (maxZombies !== undefined && maxZombies !== null && zombies >= maxZombies) host.retire(tooMany(zombies));
    },
  });
}

export const poolStep: Bootstep<WorkerHost> = {
  name: 'pool',
  start: async (host) => {
    const pool = await open(host);
    host.pool = pool;
    // Pools of processes and threads tell it in each of these.
    const inHere = pool.name === 'solo' || pool.name === 'async';
    const { pid } = process;
    if (inHere) await host.signals.workerProcessInit.tell(() => ({ pid }));
    return {
      info: () => ({ pool: pool.info() }),
      isAwaited: true,
      [Symbol.asyncDispose]: async () => {
        await pool[Symbol.asyncDispose]();
        if (inHere) await host.signals.workerProcessShutdown.tell(() => ({ pid, exitCode: undefined }));
      },
    };
  },
};
