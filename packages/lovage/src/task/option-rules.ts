// What the value of an option must be, for those who write without types: a wrong one is refused where it is written, not found later
// inside a driver. option-names.ts and the settings taskRoutes and taskAnnotations ask here.
import { parseTime } from '../protocol/index.ts';
import { nameFault } from '../util/index.ts';
import type { DeclareOptions } from './declare.ts';
import type { ApplyOptions, CallOptions, ExecOptions } from './options.ts';
import { isRate } from './rate.ts';

/** One option: the end of the sentence "… must be …", and whether a value is that. */
export interface OptionRule {
  readonly must: string;
  fits(value: unknown): boolean;
}

/** The rules of a bag of options, by name. */
export type OptionRules<Options> = Readonly<Record<keyof Options, OptionRule>>;

const isText = (value: unknown): value is string => typeof value === 'string';
const isNumber = (value: unknown): value is number => typeof value === 'number' && !Number.isNaN(value);
const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value);
const isTime = (value: unknown): boolean =>
  value instanceof Date ? !Number.isNaN(value.getTime()) : isText(value) && parseTime(value) !== undefined;

const text: OptionRule = { must: 'a text', fits: isText };
const name: OptionRule = {
  must: 'a text without control characters, of 255 bytes at most',
  fits: (value) => isText(value) && nameFault(value) === undefined,
};
const boolean: OptionRule = { must: 'true or false', fits: (value) => typeof value === 'boolean' };
const count: OptionRule = { must: 'a whole number of 0 or more', fits: (value) => Number.isInteger(value) && Number(value) >= 0 };
const seconds: OptionRule = { must: 'a number of seconds', fits: isNumber };
const map: OptionRule = { must: 'an object', fits: isObject };
const func: OptionRule = { must: 'a function', fits: (value) => typeof value === 'function' };
const texts: OptionRule = { must: 'a list of texts', fits: (value) => Array.isArray(value) && value.every(isText) };
const classes: OptionRule = {
  must: 'a list of error classes',
  fits: (value) => Array.isArray(value) && value.every(func.fits),
};

/** `null` is a value of its own: no limit, or none of the default. */
const orNull = (rule: OptionRule): OptionRule => ({
  must: `${rule.must}, or null`,
  fits: (value) => value === null || rule.fits(value),
});

/** Rules that other bags of options are made of. */
export const BASIC_RULES: Readonly<Record<'text' | 'boolean' | 'seconds' | 'count' | 'map', OptionRule>> = {
  text,
  boolean,
  seconds,
  count,
  map,
};

const isSignature = (value: unknown): boolean => isObject(value) && typeof (value as { toWire?: unknown }).toWire === 'function';
const links: OptionRule = {
  must: 'a signature, or a list of signatures',
  fits: (value) => (Array.isArray(value) ? value.every(isSignature) : isSignature(value)),
};

/** A Standard Schema may be a function, such as ArkType's. */
const isSchema = (value: unknown): boolean =>
  (typeof value === 'object' || typeof value === 'function') && value !== null && '~standard' in value;

/** Options that fix how a message is sent. */
export const EXEC_RULES: OptionRules<ExecOptions> = {
  queue: {
    must: 'the name of a queue, without control characters, of 255 bytes at most',
    fits: (value) => name.fits(value) && value !== '',
  },
  exchange: { must: 'the name of an exchange, without control characters, of 255 bytes at most', fits: name.fits },
  exchangeType: {
    must: "'direct', 'topic' or 'fanout'",
    fits: (value) => value === 'direct' || value === 'topic' || value === 'fanout',
  },
  routingKey: name,
  priority: {
    must: "a whole number, 'high', 'normal' or 'low'",
    fits: (value) => Number.isInteger(value) || value === 'high' || value === 'normal' || value === 'low',
  },
  expires: orNull({
    must: 'a number of seconds, a Date or an ISO 8601 time',
    fits: (value) => isNumber(value) || isTime(value),
  }),
  serializer: { must: 'the name of a serializer', fits: isText },
  deliveryMode: {
    must: "1, 2, 'transient' or 'persistent'",
    fits: (value) => value === 1 || value === 2 || value === 'transient' || value === 'persistent',
  },
  compression: { must: 'the name of a compression', fits: isText },
  timeLimit: orNull(seconds),
  softTimeLimit: orNull(seconds),
};

/** An object with these members, each of which may be missing. */
function bag(rules: Readonly<Record<string, OptionRule>>): OptionRule {
  const fits = ([key, item]: [string, unknown]): boolean => {
    const rule = Object.hasOwn(rules, key) ? rules[key] : undefined;
    return rule !== undefined && (item === undefined || rule.fits(item));
  };
  return {
    must: `an object with ${Object.keys(rules).join(', ')}`,
    fits: (value) => isObject(value) && Object.entries(value).every(fits),
  };
}

/** Options of a declared task. */
export const TASK_RULES: OptionRules<DeclareOptions> = {
  ...EXEC_RULES,
  bind: boolean,
  params: texts,
  typing: boolean,
  maxRetries: orNull(count),
  defaultRetryDelay: seconds,
  autoretryFor: classes,
  dontAutoretryFor: classes,
  retryKwargs: bag({ maxRetries: orNull(count), countdown: seconds }),
  retryBackoff: { must: 'true, false or a number of seconds', fits: (value) => typeof value === 'boolean' || isNumber(value) },
  retryBackoffMax: seconds,
  retryJitter: boolean,
  rateLimit: {
    must: "a number of tasks a second, a text such as '10/s', '100/m' or '5/h', or null",
    fits: isRate,
  },
  ignoreResult: boolean,
  storeErrorsEvenIfIgnored: boolean,
  storeEagerResult: boolean,
  trackStarted: boolean,
  acksLate: boolean,
  acksOnFailure: boolean,
  acksOnTimeout: boolean,
  rejectOnWorkerLost: boolean,
  throws: classes,
  trail: boolean,
  sendEvents: boolean,
  resultReprMaxSize: count,
  input: {
    must: 'a Standard Schema, or a list of them',
    fits: (value) => (Array.isArray(value) ? value.every(isSchema) : isSchema(value)),
  },
  output: { must: 'a Standard Schema', fits: isSchema },
  errback: { must: "'inline' or 'task'", fits: (value) => value === 'inline' || value === 'task' },
  strategy: func,
  requestFactory: func,
  shadowName: func,
  onBound: func,
  beforeStart: func,
  onSuccess: func,
  onFailure: func,
  onRetry: func,
  onReplace: func,
  afterReturn: func,
};

/** Options of a run in place. */
export const APPLY_RULES: OptionRules<ApplyOptions> = {
  throw: boolean,
  taskId: {
    must: 'a text that is not empty, without control characters, of 255 bytes at most',
    fits: (value) => name.fits(value) && value !== '',
  },
  link: links,
  linkError: links,
  headers: map,
  retries: count,
  rootId: text,
  parentId: text,
  groupId: text,
  groupIndex: count,
  stamps: map,
  stampedHeaders: texts,
  signal: { must: 'an AbortSignal', fits: (value) => value instanceof AbortSignal },
};

const { throw: _throw, ...SHARED } = APPLY_RULES;

const TOPOLOGY = ['exchanges', 'queues', 'bindings'];
const isDeclarable = (value: unknown): boolean =>
  isText(value) ||
  (isObject(value) &&
    Object.entries(value).every(([key, items]) => TOPOLOGY.includes(key) && Array.isArray(items) && items.every(isObject)));

/** Options of a call. */
export const CALL_RULES: OptionRules<CallOptions> = {
  ...EXEC_RULES,
  ...SHARED,
  countdown: seconds,
  eta: { must: 'a Date or an ISO 8601 time', fits: isTime },
  shadow: text,
  properties: map,
  ignoreResult: boolean,
  addToParent: boolean,
  chord: map,
  chain: { must: 'a list of signatures of the wire', fits: (value) => Array.isArray(value) && value.every(isObject) },
  replyTo: text,
  replacedTaskNesting: count,
  origin: text,
  argsRepr: text,
  kwargsRepr: text,
  declare: {
    must: `a list of names of queues and of objects with ${TOPOLOGY.join(', ')}`,
    fits: (value) => Array.isArray(value) && value.every(isDeclarable),
  },
  publishTimeout: seconds,
  retry: boolean,
  retryPolicy: bag({ maxRetries: orNull(count), intervalStart: seconds, intervalStep: seconds, intervalMax: seconds }),
};

/** The first option whose value is wrong, as `countdown must be a number of seconds, not a text`; undefined: all fit. */
export function wrongValue(options: object, rules: Readonly<Record<string, OptionRule>>): string | undefined {
  for (const [name, value] of Object.entries(options)) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (value === undefined || rule === undefined || rule.fits(value)) continue;
    return `${name} must be ${rule.must}, not ${shown(value)}`;
  }
  return undefined;
}

function shown(value: unknown): string {
  if (isText(value)) return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (value instanceof Date) return 'an invalid Date';
  if (Array.isArray(value)) return 'that list';
  return isObject(value) ? 'an object' : typeof value === 'function' ? 'a function' : String(value);
}
