// The times of one call: when it may start and when it is too late, as headers, properties and seconds.
import { DateTime, formatTime, parseTime, timeHeader } from '../protocol/index.ts';
import type { CallOptions, ExecOptions } from '../task/index.ts';
import { type Clock, ConfigurationError, logger } from '../util/index.ts';

/** Times have four digits for the year: others cannot read more. */
const LAST_MOMENT = Date.UTC(9999, 11, 31, 23, 59, 59) / 1000;
/** The smallest number of seconds that Celery takes for a delay. */
const LEAST = -2_147_483_648;

/** A moment as header text and as epoch seconds. */
export interface Moment {
  readonly text: string;
  readonly at: number;
}

/** Epoch seconds of a moment so many seconds from now. */
function later(value: number, option: string, task: string, now: number): number {
  if (value >= LEAST && now + value <= LAST_MOMENT) return now + value;
  throw new ConfigurationError(
    `${option} of a call of '${task}' is out of range: ${value} s. Give seconds from now, at least ${LEAST} and before the year 10000.`,
  );
}

/** A text goes out as it came: its offset is its author's choice. */
function moment(value: Date | string, option: string, task: string): Moment {
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw new ConfigurationError(`${option} of a call of '${task}' is an invalid Date.`);
    const at = value.getTime() / 1000;
    // One from Python keeps its offset and microseconds; without an offset it is UTC, as its receivers take it.
    return { text: timeHeader(value), at: value instanceof DateTime ? at + value.micros / 1e6 : at };
  }
  const at = parseTime(value);
  if (at === undefined) throw new ConfigurationError(`${option} of a call of '${task}' is no ISO 8601 time: '${value}'.`);
  return { text: value, at };
}

/** When a call may start at the earliest; undefined: at once. `countdown` wins over `eta`, and 0 means at once. */
export function etaOf(task: string, options: Pick<CallOptions, 'countdown' | 'eta'>, clock: Clock): Moment | undefined {
  const { countdown, eta } = options;
  if (countdown !== undefined) {
    if (countdown === 0) return undefined;
    const at = later(countdown, 'countdown', task, clock.now());
    return { text: formatTime(at), at };
  }
  return eta === undefined ? undefined : moment(eta, 'eta', task);
}

/** When a call is too late: the header, and the message's own life in milliseconds (AMQP `expiration`). */
export function expiryOf(
  task: string,
  expires: ExecOptions['expires'],
  clock: Clock,
): { readonly text: string; readonly expiration: string } | undefined {
  if (expires === undefined || expires === null) return undefined;
  const now = clock.now();
  const limit = typeof expires === 'number' ? later(expires, 'expires', task, now) : moment(expires, 'expires', task);
  const { text, at } = typeof limit === 'number' ? { text: formatTime(limit), at: limit } : limit;
  const left = at - now;
  if (left < 0) {
    logger('app').warn(`A call of '${task}' is sent although it expired ${Math.round(-left)} s ago: no worker will run it.`);
  }
  // A whole millisecond can get lost in binary fractions: 0.3 - 0.1 is less than 0.2.
  return { text, expiration: String(Math.max(0, Math.trunc(left * 1000 + 1e-4))) };
}
