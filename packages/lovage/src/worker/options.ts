// What a worker does: its own options, and where they are silent the settings of its app. Pure.
import { isSlotLoading } from '../app/index.ts';
import { ConfigurationError } from '../util/index.ts';
import type { WorkerHost, WorkerOptions } from './host.ts';
import type { ProgramSettings } from './program-settings.ts';

/** What options and settings make together. */
export type Effective = Pick<WorkerHost, 'options' | 'poolName' | 'concurrency'>;

export function effective(own: WorkerOptions, settings: ProgramSettings): Effective {
  const { maxZombies = settings.maxZombies } = own;
  const stateDb = own.stateDb ?? settings.workerStateDb ?? undefined;
  const maxTasksPerChild = own.maxTasksPerChild ?? settings.workerMaxTasksPerChild ?? undefined;
  const maxMemoryPerChild = own.maxMemoryPerChild ?? settings.workerMaxMemoryPerChild ?? undefined;
  // Nothing else can keep these limits.
  const needsChildren = maxTasksPerChild !== undefined || maxMemoryPerChild !== undefined;
  return {
    options: {
      ...own,
      ...(maxTasksPerChild === undefined ? {} : { maxTasksPerChild }),
      ...(maxMemoryPerChild === undefined ? {} : { maxMemoryPerChild }),
      ...(maxZombies === undefined ? {} : { maxZombies }),
      healthPort: own.healthPort ?? settings.healthPort ?? null,
      healthHost: own.healthHost ?? settings.healthHost ?? '127.0.0.1',
      heartbeatFile: own.heartbeatFile ?? settings.heartbeatFile ?? null,
      // null is an answer, too: without limit.
      shutdownTimeout: (own.shutdownTimeout === undefined ? settings.shutdownTimeout : own.shutdownTimeout) ?? null,
      taskEvents: own.taskEvents ?? settings.workerSendTaskEvents ?? false,
      ...(stateDb === undefined ? {} : { stateDb }),
    },
    poolName: own.pool ?? (needsChildren && settings.poolIsChosen === false ? 'prefork' : settings.workerPool),
    concurrency: own.concurrency ?? settings.workerConcurrency ?? undefined,
  };
}

/** Refuses options that contradict each other, before anything is opened. */
export function checkOptions({ queues, excludeQueues, heartbeatInterval }: WorkerOptions): void {
  if (isSlotLoading()) {
    throw new ConfigurationError(
      'A slot of a worker loads its app once more, and the module of the app starts a worker: each of its slots would start others. Ask app.isSlot before, or name a file that only makes the app (-A, the option module or slotEntry of startWorker).',
    );
  }
  if (heartbeatInterval !== undefined && !(heartbeatInterval > 0)) {
    throw new ConfigurationError(
      `heartbeatInterval is a number of seconds above 0, not ${heartbeatInterval}; without heartbeats: --without-heartbeat, option withoutHeartbeat.`,
    );
  }
  if (queues === undefined) return;
  if (queues.length === 0) throw new ConfigurationError('The list of queues is empty, so there is nothing to take from.');
  if (queues.every((name) => excludeQueues?.includes(name)))
    throw new ConfigurationError(`Every queue of -Q is excluded by -X (${queues.join(', ')}), so there is nothing to take from.`);
}
