// An entry of beat's schedule: what is sent, when, with which limits. Read from the setting beatSchedule, from `app.addPeriodicTask` and
// from a schedule store; checked once, here, with an error that names the entry.
import { type CallOptions, checkCallOptions } from '../../task/index.ts';
import { ConfigurationError, camelCase, checkName, didYouMean } from '../../util/index.ts';
import { isCustom, readSchedule, type Schedule, type ScheduleLike } from './schedules.ts';

/** What happens to runs that beat was too late for: none of them, the latest only, or all. */
export type MisfirePolicy = 'skip' | 'latest' | 'all';

/** An entry as users write it. */
export interface BeatEntry {
  /** The task, or its name; it need not be known here. */
  readonly task: string | { readonly name: string };
  readonly schedule: ScheduleLike;
  /** A value made by `lazyValue` is worked out at each run. */
  readonly args?: readonly unknown[];
  readonly kwargs?: Readonly<Record<string, unknown>>;
  /** Any option of a call: queue, expires, priority, headers … */
  readonly options?: CallOptions;
  /** For a schedule in seconds: due times on whole minutes, hours or days. @default false */
  readonly relative?: boolean;
  /** @default true */
  readonly enabled?: boolean;
  /** No run before this moment; an interval begins with it. */
  readonly startAt?: Date | string;
  /** No run after this moment. */
  readonly endAt?: Date | string;
  /** Runs in all. @default without limit */
  readonly maxRuns?: number;
  /** Seconds; each run is put off by its own share of them, always the same for the same run. @default 0 */
  readonly jitter?: number;
  /** @default the setting beatMisfirePolicy */
  readonly misfirePolicy?: MisfirePolicy;
  /** Seconds; a run that is later than this is dropped, whatever the policy. @default the setting beatMisfireMaxAge */
  readonly misfireMaxAge?: number | null;
  /** Where an entry that beat does not know yet begins. @default now */
  readonly lastRunAt?: Date | string;
}

/** An entry, read: names are names, moments epoch milliseconds. */
export interface ScheduleEntry {
  readonly name: string;
  readonly task: string;
  readonly schedule: Schedule;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly options: CallOptions;
  readonly enabled: boolean;
  readonly startAt: number | undefined;
  readonly endAt: number | undefined;
  readonly maxRuns: number | undefined;
  readonly jitter: number;
  readonly misfirePolicy: MisfirePolicy | undefined;
  /** null: without limit, whatever the setting says. */
  readonly misfireMaxAge: number | null | undefined;
  readonly lastRunAt: number | undefined;
}

const KEYS = [
  ...['task', 'schedule', 'args', 'kwargs', 'options', 'relative', 'enabled', 'startAt', 'endAt', 'maxRuns', 'jitter'],
  ...['misfirePolicy', 'misfireMaxAge', 'lastRunAt', 'totalRunCount'],
];
const POLICIES = ['skip', 'latest', 'all'];

/** A value that is worked out when it is sent. */
export interface LazyValue {
  readonly lazy: (...args: readonly unknown[]) => unknown;
  readonly args: readonly unknown[];
}

const LAZY = Symbol.for('lovage.lazy');

/** An argument that is worked out at each run: `args: [lazyValue(() => new Date().toISOString())]`. Celery's BeatLazyFunc. */
export function lazyValue<Args extends readonly unknown[]>(make: (...args: Args) => unknown, ...args: Args): LazyValue {
  return Object.freeze({ [LAZY]: true, lazy: make as LazyValue['lazy'], args });
}

/** The value itself, or what a lazy one makes. */
export function currentValue(value: unknown): unknown {
  const isLazy = typeof value === 'object' && value !== null && Object.hasOwn(value, LAZY);
  if (!isLazy) return value;
  const { lazy, args } = value as LazyValue;
  return lazy(...args);
}

type Bag = Readonly<Record<string, unknown>>;

const isBag = (value: unknown): value is Bag => typeof value === 'object' && value !== null && !Array.isArray(value);

class Reader {
  readonly #what: string;
  readonly #bag: Bag;
  constructor(what: string, bag: Bag) {
    this.#what = what;
    this.#bag = bag;
  }

  wrong(key: string, must: string): ConfigurationError {
    return new ConfigurationError(`${this.#what}: ${key} must be ${must}.`);
  }

  read<T>(key: string, must: string, is: (value: unknown) => value is T): T | undefined {
    const value = this.#bag[key];
    if (value === undefined) return undefined;
    if (!is(value)) throw this.wrong(key, must);
    return value;
  }

  moment(key: string): number | undefined {
    const value = this.#bag[key];
    if (value === undefined || value === null) return undefined;
    const at =
      value instanceof Date
        ? value.getTime()
        : typeof value === 'string' && /^\d{4}-/.test(value)
          ? Date.parse(value)
          : Number.NaN;
    if (Number.isNaN(at)) throw this.wrong(key, 'a Date or an ISO 8601 time');
    return at;
  }
}

const isBoolean = (value: unknown): value is boolean => typeof value === 'boolean';
const isSeconds = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0;
const isPolicy = (value: unknown): value is MisfirePolicy => POLICIES.includes(value as string);
const isCount = (value: unknown): value is number => Number.isInteger(value) && (value as number) > 0;
const isSecondsOrNull = (value: unknown): value is number | null => value === null || isSeconds(value);

function taskName(task: unknown, reader: Reader): string {
  const name = isBag(task) || typeof task === 'function' ? (task as { readonly name?: unknown }).name : task;
  if (typeof name !== 'string' || name === '') throw reader.wrong('task', "a task or the name of one, such as 'mail.digest'");
  checkName('The name of a task', name);
  return name;
}

/** Names in snake_case become ours, so that a schedule written for Celery in JSON is read too. */
function renamed(bag: Bag): Bag {
  return Object.fromEntries(Object.entries(bag).map(([key, value]) => [camelCase(key), value]));
}

/** Checks one entry. Throws ConfigurationError that names it. */
export function readEntry(name: string, value: unknown): ScheduleEntry {
  const what = `The schedule entry '${name}'`;
  if (!isBag(value)) throw new ConfigurationError(`${what} must be an object with task and schedule.`);
  const bag = renamed(value);
  const unknown = Object.keys(bag).find((key) => !KEYS.includes(key));
  if (unknown !== undefined)
    throw new ConfigurationError(`${what} has the unknown key '${unknown}'.${didYouMean(unknown, KEYS)}`);
  if (bag.schedule === undefined) throw new ConfigurationError(`${what} has no schedule, such as 30 or '0 4 * * *'.`);
  const reader = new Reader(what, bag);
  const args = reader.read('args', 'a list', (list): list is readonly unknown[] => Array.isArray(list)) ?? [];
  const kwargs = reader.read('kwargs', 'an object', isBag) ?? {};
  const options = renamed(reader.read('options', 'an object', isBag) ?? {}) as CallOptions;
  const task = taskName(bag.task, reader);
  checkCallOptions(task, options);
  if (options.taskId !== undefined || options.eta !== undefined)
    throw new ConfigurationError(
      `${what} cannot have the options taskId and eta: each run has its own. Use countdown for a delay.`,
    );
  const entry = {
    name,
    task,
    schedule: scheduleOf(what, bag, reader),
    args,
    kwargs,
    options,
    enabled: reader.read('enabled', 'true or false', isBoolean) ?? true,
    startAt: reader.moment('startAt'),
    endAt: reader.moment('endAt'),
    maxRuns: reader.read('maxRuns', 'a whole number of 1 or more', isCount),
    jitter: reader.read('jitter', 'a number of seconds', isSeconds) ?? 0,
    misfirePolicy: reader.read('misfirePolicy', `one of ${POLICIES.join(', ')}`, isPolicy),
    misfireMaxAge: reader.read('misfireMaxAge', 'a number of seconds, or null', isSecondsOrNull),
    lastRunAt: reader.moment('lastRunAt'),
  };
  if (entry.startAt !== undefined && entry.endAt !== undefined && entry.endAt < entry.startAt)
    throw new ConfigurationError(`${what} ends (endAt) before it starts (startAt).`);
  return entry;
}

function scheduleOf(what: string, bag: Bag, reader: Reader): Schedule {
  const relative = reader.read('relative', 'true or false', isBoolean);
  try {
    return readSchedule(bag.schedule, relative);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    throw new ConfigurationError(`${what}: ${error.message}`, { cause: error });
  }
}

/** An entry as plain data, as a store keeps it. Throws ConfigurationError for what is code. */
export function storableEntry(entry: ScheduleEntry): Readonly<Record<string, unknown>> {
  const { name, schedule, startAt, endAt, lastRunAt, ...rest } = entry;
  const isCode =
    isCustom(schedule) || [...entry.args, ...Object.values(entry.kwargs)].some((value) => currentValue(value) !== value);
  if (isCode)
    throw new ConfigurationError(
      `The schedule entry '${name}' has a schedule or arguments that are code, which no store can keep: put it into beatSchedule.`,
    );
  const iso = (at: number | undefined): string | undefined => (at === undefined ? undefined : new Date(at).toISOString());
  return { ...rest, schedule, startAt: iso(startAt), endAt: iso(endAt), lastRunAt: iso(lastRunAt) };
}
