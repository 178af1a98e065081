// What a task's own options and the settings say together about one task: made once for each definition.
import { parseRate, type Strategy, type TaskOptions } from '../task/index.ts';
import type { ConsumerSettings } from './port.ts';

/** How messages of one task are treated. */
export interface TaskPolicy {
  readonly acksLate: boolean;
  readonly acksOnFailure: boolean;
  readonly acksOnTimeout: boolean;
  readonly rejectOnWorkerLost: boolean;
  readonly ignoreResult: boolean;
  /** Seconds. */
  readonly timeLimit: number | undefined;
  readonly softTimeLimit: number | undefined;
  /** Starts in a second; undefined: no limit. */
  readonly rate: number | undefined;
  readonly strategy: Strategy | undefined;
  /** Send events about it, where the worker sends any? */
  readonly sendEvents: boolean;
  readonly requestFactory: TaskOptions['requestFactory'];
}

/** The policy of a task with these options. */
export function policyOf(options: Readonly<TaskOptions>, settings: ConsumerSettings): TaskPolicy {
  const onFailureOrTimeout = settings.taskAcksOnFailureOrTimeout;
  const rateLimit = options.rateLimit === undefined ? settings.taskDefaultRateLimit : options.rateLimit;
  return {
    acksLate: options.acksLate ?? settings.taskAcksLate,
    acksOnFailure: options.acksOnFailure ?? settings.taskAcksOnFailure ?? onFailureOrTimeout,
    acksOnTimeout: options.acksOnTimeout ?? settings.taskAcksOnTimeout ?? onFailureOrTimeout,
    rejectOnWorkerLost: options.rejectOnWorkerLost ?? settings.taskRejectOnWorkerLost ?? true,
    ignoreResult: options.ignoreResult ?? settings.taskIgnoreResult,
    timeLimit: options.timeLimit ?? settings.taskTimeLimit ?? undefined,
    softTimeLimit: options.softTimeLimit ?? settings.taskSoftTimeLimit ?? undefined,
    rate: settings.workerDisableRateLimits ? undefined : parseRate(rateLimit),
    strategy: options.strategy,
    sendEvents: options.sendEvents ?? true,
    requestFactory: options.requestFactory,
  };
}
