// The transport options of Redis: Celery's names (camelCase or snake_case) and Lovage's own, checked once, with their defaults.
import { ConfigurationError, readOptionNames } from '../../util/index.ts';

export interface RedisTransportOptions {
  /** Seconds after which a Python peer's (or, with `inFlight: 'celery'`, anybody's) unacknowledged message is taken back. */
  readonly visibilityTimeout: number;
  readonly unackedKey: string;
  readonly unackedIndexKey: string;
  readonly unackedMutexKey: string;
  readonly unackedMutexExpire: number;
  readonly unackedRestoreLimit: number | undefined;
  /** Seconds between ticks, and every how many ticks `unacked` is looked through. */
  readonly unackedRestoreInterval: number;
  readonly unackedRestoreThrottle: number;
  readonly fanoutPrefix: boolean | string;
  readonly fanoutPatterns: boolean;
  readonly globalKeyprefix: string;
  readonly sep: string;
  readonly prioritySteps: readonly number[];
  readonly queueOrderStrategy: string;
  /** Seconds between looks at the queues while idle, should a wake-up be lost. */
  readonly pollingInterval: number;
  readonly bodyEncoding: 'base64' | 'utf-8';
  readonly masterName: string | undefined;
  readonly sentinelKwargs: Readonly<Record<string, unknown>>;
  readonly socketTimeout: number | undefined;
  readonly socketConnectTimeout: number | undefined;
  readonly clientName: string | undefined;
  /** `lovage`: a list of its own for each holder, with a lease. `celery`: Celery's `unacked` entries as well, so that Python peers can give back. */
  readonly inFlight: 'lovage' | 'celery';
  /** Seconds after which the messages of a silent holder are given back. */
  readonly leaseSeconds: number;
  /** Seconds without a turn of the main loop after which the keeper ends the process. */
  readonly maxLoopBlock: number;
}

const DEFAULTS: RedisTransportOptions = {
  visibilityTimeout: 3600,
  unackedKey: 'unacked',
  unackedIndexKey: 'unacked_index',
  unackedMutexKey: 'unacked_mutex',
  unackedMutexExpire: 300,
  unackedRestoreLimit: undefined,
  unackedRestoreInterval: 10,
  unackedRestoreThrottle: 10,
  fanoutPrefix: true,
  fanoutPatterns: true,
  globalKeyprefix: '',
  sep: '\x06\x16',
  prioritySteps: [0, 3, 6, 9],
  queueOrderStrategy: 'round_robin',
  pollingInterval: 1,
  bodyEncoding: 'base64',
  masterName: undefined,
  sentinelKwargs: {},
  socketTimeout: undefined,
  socketConnectTimeout: undefined,
  clientName: undefined,
  inFlight: 'lovage',
  leaseSeconds: 30,
  maxLoopBlock: 600,
};

/** Settings of Celery's own connection pool that mean nothing here: accepted so that one configuration serves both sides. */
const WITHOUT_MEANING: readonly string[] = [
  'socketKeepalive',
  'socketKeepaliveOptions',
  'retryOnTimeout',
  'maxConnections',
  'healthCheckInterval',
  'reauthCheckInterval',
  'minOtherSentinels',
  'ackEmulation',
  'deadletterQueue',
];

const CHOICES: Readonly<Record<string, readonly unknown[]>> = {
  inFlight: ['lovage', 'celery'],
  bodyEncoding: ['base64', 'utf-8'],
  queueOrderStrategy: ['round_robin', 'sorted', 'priority'],
};

const POSITIVE: ReadonlySet<string> = new Set(['visibilityTimeout', 'pollingInterval', 'leaseSeconds', 'maxLoopBlock']);

/** Reads the setting brokerTransportOptions; an unknown name or an impossible value is a ConfigurationError. */
export function readTransportOptions(given: Readonly<Record<string, unknown>>): RedisTransportOptions {
  const out: Record<string, unknown> = { ...DEFAULTS };
  const read = readOptionNames('Redis', given, { names: Object.keys(DEFAULTS), ignored: WITHOUT_MEANING });
  for (const [name, value] of Object.entries(read)) {
    check(name, value);
    out[name] = value;
  }
  const steps = out.prioritySteps as readonly number[];
  out.prioritySteps = [...steps].sort((a, b) => a - b);
  return out as unknown as RedisTransportOptions;
}

function check(name: string, value: unknown): void {
  const choices = CHOICES[name];
  const refuse = (wanted: string): never => {
    throw new ConfigurationError(`The transport option '${name}' is ${JSON.stringify(value)}; it must be ${wanted}.`);
  };
  if (choices !== undefined && !choices.includes(value)) refuse(choices.map((choice) => `'${choice}'`).join(' or '));
  if (POSITIVE.has(name) && !(typeof value === 'number' && value > 0)) refuse('a number of seconds above 0');
  if (name === 'prioritySteps') {
    const good =
      Array.isArray(value) && value.length > 0 && value.every((step) => Number.isInteger(step) && step >= 0 && step <= 9);
    if (!good) refuse('a list of whole numbers from 0 to 9');
  }
  if (name === 'fanoutPrefix' && typeof value === 'string' && !/^\/.*\.$/.test(value))
    refuse("true, false or a text like '/name.'");
  if (name === 'sep' && (typeof value !== 'string' || value === '')) refuse('a text that is not empty');
}
