// What a worker asks of whoever it works for; of-app.ts makes one of a Lovage app.
import type { Signals } from '../task/index.ts';
import type { Bootstep } from './bootsteps.ts';
import type { ConsumerHost, WorkerHost, WorkerOptions, WorkerParts } from './host.ts';

/** The settings that a worker as a program reads. */
export interface ProgramSettings {
  readonly workerPool: string;
  readonly workerConcurrency?: number | null | undefined;
  readonly workerMaxTasksPerChild?: number | null | undefined;
  readonly workerMaxMemoryPerChild?: number | null | undefined;
  /** Seconds; null: a warm shutdown waits without limit. */
  readonly shutdownTimeout?: number | null | undefined;
  /** Seconds that running tasks get before a cold shutdown aborts them; 0: none. */
  readonly workerSoftShutdownTimeout?: number | undefined;
  readonly healthPort?: number | null | undefined;
  readonly healthHost?: string | undefined;
  readonly heartbeatFile?: string | null | undefined;
  readonly maxZombies?: number | null | undefined;
  /** Send events about tasks? */
  readonly workerSendTaskEvents?: boolean | undefined;
  readonly workerStateDb?: string | null | undefined;
  readonly workerRevokesMax: number;
  readonly workerRevokeExpires: number;
}

/** An app, as far as a worker needs it before anything is open. */
export interface WorkerSource {
  readonly name: string;
  readonly signals: Signals;
  /** Parts that the app adds to every worker of its own. */
  steps(): readonly Bootstep<WorkerHost>[];
  /** Parts that the app adds to the consumer of every worker, started with each line to the broker. */
  consumerSteps(): readonly Bootstep<ConsumerHost>[];
  /** Read after the signal celerydInit, which may change them. */
  settings(): ProgramSettings;
  /** Imports task modules. */
  load(include: readonly string[]): Promise<void>;
  taskNames(): readonly string[];
  open(options: { readonly hostname: string; readonly worker: WorkerOptions }): Promise<WorkerParts>;
}
