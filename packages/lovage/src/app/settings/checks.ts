// What is wrong with a structured setting: each check answers with the end of a sentence ("… must be …"), or nothing.

import { BASIC_RULES, EXEC_RULES, type OptionRule, type OptionRules, TASK_RULES, wrongValue } from '../../task/index.ts';
import { camelCase, didYouMean } from '../../util/index.ts';
import type { NamedQueue } from './shapes.ts';

const { text, boolean, seconds, count, map } = BASIC_RULES;

const oneOf = (...values: readonly unknown[]): OptionRule => ({
  must: `one of ${values.join(', ')}`,
  fits: (value) => values.includes(value),
});

/** Python's Exchange objects hold name and type; here those are two options. */
const exchange: OptionRule = {
  must: 'a text, the name of the exchange (its type goes into exchangeType)',
  fits: (value) => typeof value === 'string',
};
const exchangeType = oneOf('direct', 'topic', 'fanout');

const BINDING_RULES: Readonly<Record<string, OptionRule>> = { exchange, exchangeType, routingKey: text };

const QUEUE_RULES: OptionRules<NamedQueue> = {
  name: text,
  exchange,
  exchangeType,
  routingKey: text,
  bindings: {
    must: 'a list of objects with exchange and routingKey',
    fits: (value) => Array.isArray(value) && value.every(isMap),
  },
  durable: boolean,
  exclusive: boolean,
  autoDelete: boolean,
  maxPriority: count,
  maxLength: count,
  maxLengthBytes: count,
  type: oneOf('classic', 'quorum'),
  messageTtl: seconds,
  expires: seconds,
  arguments: map,
  consumerArguments: map,
  noDeclare: boolean,
  passive: boolean,
  exchangePassive: boolean,
  deliveryMode: oneOf(1, 2),
  broadcast: boolean,
};

// By then the task is bound.
const { bind: _bind, onBound: _onBound, ...ANNOTATION_RULES } = TASK_RULES;

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof RegExp);
}

/** taskQueues. */
export function checkQueues(value: unknown): string | undefined {
  if (Array.isArray(value)) {
    for (const queue of value) {
      const wrong =
        typeof queue === 'string' ? undefined : isMap(queue) ? checkNamed(queue) : 'must list names or objects with a name';
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }
  if (!isMap(value)) return 'must be a map of queue name to options, or a list of queues';
  for (const [name, options] of Object.entries(value)) {
    if (!isMap(options)) return `must give an object of options for the queue '${name}'`;
    const wrong = checkQueueOptions(name, options);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function checkNamed(queue: Readonly<Record<string, unknown>>): string | undefined {
  if (typeof queue.name !== 'string' || queue.name === '') return 'must give every queue of the list a name';
  return checkQueueOptions(queue.name, queue);
}

/** What is wrong with a bag of options, as the end of a sentence. */
function checkBag(of: string, options: object, rules: Readonly<Record<string, OptionRule>>): string | undefined {
  for (const key of Object.keys(options)) {
    if (Object.hasOwn(rules, key)) continue;
    return `must not have '${key}' for ${of}; known are ${Object.keys(rules).join(', ')}${didYouMean(key, Object.keys(rules))}`;
  }
  const wrong = wrongValue(options, rules);
  return wrong === undefined ? undefined : `must give ${of} options that fit: ${wrong}`;
}

function checkQueueOptions(name: string, options: Readonly<Record<string, unknown>>): string | undefined {
  const wrong = checkBag(`the queue '${name}'`, options, QUEUE_RULES);
  if (options.broadcast === true && options.passive === true) {
    return `must not make '${name}' both broadcast and passive: each process makes a queue of its own there (exchangePassive looks for the exchange alone)`;
  }
  if (wrong !== undefined || options.bindings === undefined) return wrong;
  for (const binding of options.bindings as readonly Readonly<Record<string, unknown>>[]) {
    const of = `a binding of the queue '${name}'`;
    const bad = checkBag(of, binding, BINDING_RULES);
    if (bad !== undefined) return bad;
    if (binding.exchange === undefined || binding.routingKey === undefined) return `must give ${of} both exchange and routingKey`;
  }
  return undefined;
}

/** The name of a queue, or options under our names or Celery's; null is not given. */
function checkRoute(name: string, route: unknown): string | undefined {
  if (typeof route === 'string') return undefined;
  if (!isMap(route)) return `must give '${name}' the name of a queue or an object of options`;
  const options = Object.entries(route).filter(([, value]) => value !== null);
  const camel = options.map(([key, value]) => [camelCase(key), value]);
  return checkBag(`the route of '${name}'`, Object.fromEntries(camel), EXEC_RULES);
}

function isRoute(value: unknown): boolean {
  return typeof value === 'string' || isMap(value);
}

function firstWrong<T>(items: Iterable<T>, check: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const wrong = check(item);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function isPair(value: unknown): value is readonly [string | RegExp, unknown] {
  return (
    Array.isArray(value) &&
    value.length === 2 &&
    (typeof value[0] === 'string' || value[0] instanceof RegExp) &&
    isRoute(value[1])
  );
}

function checkRouter(value: unknown): string | undefined {
  if (typeof value === 'function') return undefined;
  if (Array.isArray(value)) {
    return value.every(isPair)
      ? firstWrong(value, ([pattern, route]) => checkRoute(String(pattern), route))
      : 'must list pairs of a pattern and a route';
  }
  if (!isMap(value)) return 'must be a map, a function, a list of pairs, or a list of routers';
  if (typeof value.routeForTask === 'function') return undefined;
  return firstWrong(Object.entries(value), ([name, route]) => checkRoute(name, route));
}

/** taskRoutes. */
export function checkRoutes(value: unknown): string | undefined {
  if (!Array.isArray(value) || value.every(isPair)) return checkRouter(value);
  return firstWrong(value, checkRouter);
}

/** taskAnnotations. */
export function checkAnnotations(value: unknown): string | undefined {
  for (const annotation of Array.isArray(value) ? value : [value]) {
    if (typeof annotation === 'function') continue;
    if (!isMap(annotation)) return 'must be a map of task name to options, a function, or a list of those';
    for (const [name, options] of Object.entries(annotation)) {
      if (!isMap(options)) return `must give '${name}' an object of task options`;
      const wrong = checkBag(`the task '${name}'`, options, ANNOTATION_RULES);
      if (wrong !== undefined) return wrong;
    }
  }
  return undefined;
}

/** taskPublishRetryPolicy. */
export function checkRetryPolicy(value: unknown): string | undefined {
  for (const [key, number] of Object.entries(value as Readonly<Record<string, unknown>>)) {
    if (!['maxRetries', 'intervalStart', 'intervalStep', 'intervalMax'].includes(key)) {
      return `must not have '${key}'; known are maxRetries, intervalStart, intervalStep, intervalMax`;
    }
    if (key === 'maxRetries' && number === null) continue;
    if (typeof number !== 'number' || !(number >= 0)) return `must give ${key} a number of 0 or more`;
  }
  return undefined;
}

/** taskSerializer and resultSerializer. */
export function checkSerializer(value: unknown): string | undefined {
  if (value !== 'pickle' && value !== 'application/x-python-serialize') return undefined;
  return "cannot be 'pickle': reading it runs whatever its sender wants; use 'json', 'msgpack' or 'yaml'";
}

/** acceptContent and resultAcceptContent. */
export function checkAccepted(value: unknown): string | undefined {
  const refused = (Array.isArray(value) ? value : []).map(checkSerializer).find((reason) => reason !== undefined);
  return refused?.replace('cannot be', 'cannot list');
}

/** signingRequired. */
export function checkSigningRequired(value: unknown): string | undefined {
  if (typeof value === 'boolean') return undefined;
  const isList = Array.isArray(value) && value.every((name) => typeof name === 'string' && name !== '');
  return isList ? undefined : 'must be true, false or a list of queue names';
}
