// What a task's own options and the settings say together about one task: made once for each definition.
import { parseRate, type Strategy, type TaskOptions } from '../task/index.ts';
import { logger } from '../util/index.ts';
import type { ConsumerSettings } from './port.ts';

const log = logger('consumer');

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

/** A soft limit that comes no earlier than the hard one is none. */
function softLimitOf(task: string, soft: number | undefined, hard: number | undefined): number | undefined {
  if (soft === undefined || hard === undefined || soft < hard) return soft;
  log.warning('The soft time limit of {task} ({soft} s) is not below its time limit ({hard} s), so it is left out.', {
    task,
    soft,
    hard,
  });
  return undefined;
}

/** The policy of a task with these options. */
export function policyOf(task: string, options: Readonly<TaskOptions>, settings: ConsumerSettings): TaskPolicy {
  const timeLimit = options.timeLimit ?? settings.taskTimeLimit ?? undefined;
  const softTimeLimit = options.softTimeLimit ?? settings.taskSoftTimeLimit ?? undefined;
  const onFailureOrTimeout = settings.taskAcksOnFailureOrTimeout;
  const rateLimit = options.rateLimit === undefined ? settings.taskDefaultRateLimit : options.rateLimit;
  return {
    acksLate: options.acksLate ?? settings.taskAcksLate,
    acksOnFailure: options.acksOnFailure ?? settings.taskAcksOnFailure ?? onFailureOrTimeout,
    acksOnTimeout: options.acksOnTimeout ?? settings.taskAcksOnTimeout ?? onFailureOrTimeout,
    rejectOnWorkerLost: options.rejectOnWorkerLost ?? settings.taskRejectOnWorkerLost ?? true,
    ignoreResult: options.ignoreResult ?? settings.taskIgnoreResult,
    timeLimit,
    softTimeLimit: softLimitOf(task, softTimeLimit, timeLimit),
    rate: settings.workerDisableRateLimits ? undefined : parseRate(rateLimit),
    strategy: options.strategy,
    sendEvents: options.sendEvents ?? true,
    requestFactory: options.requestFactory,
  };
}
