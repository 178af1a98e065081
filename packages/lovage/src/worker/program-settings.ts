// The settings of an app that concern a worker as a program.

/** The settings that a worker as a program reads. */
export interface ProgramSettings {
  readonly workerPool: string;
  /** Did anybody choose it, or is it the default? */
  readonly poolIsChosen?: boolean;
  readonly workerConcurrency?: number | null | undefined;
  readonly workerMaxTasksPerChild?: number | null | undefined;
  readonly workerMaxMemoryPerChild?: number | null | undefined;
  readonly workerSlotConcurrency?: number | undefined;
  readonly workerSpareSlots?: number | undefined;
  readonly workerSlotInspectPort?: number | null | undefined;
  readonly workerProcAliveTimeout?: number | undefined;
  readonly workerRedirectStdoutsLevel?: 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR' | 'CRITICAL';
  readonly taskTimeLimit?: number | null | undefined;
  readonly taskSoftTimeLimit?: number | null | undefined;
  /** Seconds; null: a warm shutdown waits without limit. */
  readonly shutdownTimeout?: number | null | undefined;
  /** Seconds that running tasks get before a cold shutdown aborts them; 0: none. */
  readonly workerSoftShutdownTimeout?: number | undefined;
  /** Seconds that the event loop may stand still before a warning says so; null: any number. */
  readonly loopBlockWarning?: number | null | undefined;
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
