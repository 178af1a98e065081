// Structured settings as Celery's configurations write them, so that one written in JSON serves both sides: names in snake_case become
// ours before anybody looks at them, and null in the options of a queue means that it is not given.
import { camelCase } from '../../util/index.ts';

type Bag = Readonly<Record<string, unknown>>;

/** kombu's names of queue options that are not ours in snake_case. */
const QUEUE_ALIASES: Readonly<Record<string, string>> = { binding_key: 'routingKey', queue_arguments: 'arguments' };

function isBag(value: unknown): value is Bag {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function renamed(options: unknown, aliases: Bag = {}): unknown {
  if (!isBag(options)) return options;
  const entries = Object.entries(options).map(([key, value]) => [aliases[key] ?? camelCase(key), value] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== null));
}

function queue(options: unknown): unknown {
  const named = renamed(options, QUEUE_ALIASES);
  if (!isBag(named) || !Array.isArray(named.bindings)) return named;
  return { ...named, bindings: named.bindings.map((binding) => renamed(binding, QUEUE_ALIASES)) };
}

const each = (map: Bag, form: (item: unknown) => unknown): Bag =>
  Object.fromEntries(Object.entries(map).map(([name, item]) => [name, form(item)]));

/** taskQueues. */
export function queuesForm(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(queue);
  return isBag(value) ? each(value, queue) : value;
}

/** taskAnnotations, and what a function of it answers. `null` says "none" there. */
export function annotationsForm(value: unknown): unknown {
  const options = (item: unknown): unknown =>
    isBag(item) ? Object.fromEntries(Object.entries(item).map(([key, given]) => [camelCase(key), given])) : item;
  const one = (annotation: unknown): unknown => (isBag(annotation) ? each(annotation, options) : annotation);
  return Array.isArray(value) ? value.map(one) : one(value);
}

/** taskPublishRetryPolicy. `null` says "without end" there. */
export function retryPolicyForm(value: unknown): unknown {
  return isBag(value) ? Object.fromEntries(Object.entries(value).map(([key, item]) => [camelCase(key), item])) : value;
}
