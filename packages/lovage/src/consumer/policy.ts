// What a task's own options and the settings say together about one task: made once for each definition.
import type { Strategy, TaskOptions } from '../task/index.ts';
import { ConfigurationError } from '../util/index.ts';
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
  readonly requestFactory: TaskOptions['requestFactory'];
}

const RATE_UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

/** Starts in a second, of `10`, `'10/s'`, `'100/m'` or `'5/h'`; undefined when there is no limit. Throws ConfigurationError. */
export function parseRate(rate: number | string | null | undefined): number | undefined {
  if (rate === null || rate === undefined || rate === '' || rate === 0) return undefined;
  const [, count, unit] = /^\s*(\d+(?:\.\d+)?)\s*(?:\/\s*([smh])?)?\s*$/.exec(String(rate)) ?? [];
  const perUnit = Number(count);
  if (count === undefined || !Number.isFinite(perUnit)) {
    throw new ConfigurationError(
      `The rate limit '${rate}' cannot be read; write a number, or a number with /s, /m or /h, such as '100/m'.`,
    );
  }
  return perUnit === 0 ? undefined : perUnit / (RATE_UNITS[unit ?? 's'] ?? 1);
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
    requestFactory: options.requestFactory,
  };
}
