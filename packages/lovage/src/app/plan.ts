// The part of a message that does not depend on the single call: destination, serializer, priority, limits. A call without options
// of its own shares the plan of its task, which is found once; that is the per-task template of the hot path.
import { isRecord } from '../protocol/index.ts';
import type { Call, ExecOptions } from '../task/index.ts';
import { ConfigurationError, logger } from '../util/index.ts';
import { defined } from './annotations.ts';
import type { Queue } from './queues.ts';
import type { RouteOptions } from './router.ts';
import type { Settings } from './settings.ts';
import type { State } from './state.ts';

/** Which end of the priority scale the broker serves first. */
export type PriorityOrder = 'highest-first' | 'lowest-first';

/** How one kind of call is sent. */
export interface Plan {
  readonly exchange: string;
  readonly routingKey: string;
  /** The queue to declare; undefined for a broadcast, whose queues belong to its receivers. */
  readonly queue: Queue | undefined;
  readonly serializer: string;
  readonly compression: string | undefined;
  readonly deliveryMode: 1 | 2;
  readonly priority: number | undefined;
  readonly expires: ExecOptions['expires'];
  readonly timeLimit: number | undefined;
  readonly softTimeLimit: number | undefined;
  /** Found once for all calls of its task that do not ask for another. */
  readonly shared: boolean;
}

const EXEC_KEYS: readonly (keyof ExecOptions)[] = [
  'queue',
  'exchange',
  'exchangeType',
  'routingKey',
  'priority',
  'expires',
  'serializer',
  'deliveryMode',
  'compression',
  'timeLimit',
  'softTimeLimit',
];

/** Plans kept of tasks that are known by name only; names come from callers, so the memory is bounded. */
const REMEMBERED = 1000;

/** Finds the plan of a call, from memory when nothing in the call asks for another. */
export function createPlanner(state: State, order: PriorityOrder): (call: Call) => Plan {
  const known = new WeakMap<object, Plan>();
  const named = new Map<string, Plan>();
  return (call) => {
    const routed = routedAs(call);
    if (!state.routing.fixed || routed !== call || asks(call.options)) return makePlan(routed, state, order);
    const remembered = call.definition === undefined ? named.get(call.task) : known.get(call.definition);
    if (remembered !== undefined) return remembered;
    const plan = { ...makePlan(call, state, order), shared: true };
    if (call.definition !== undefined) known.set(call.definition, plan);
    else {
      if (named.size >= REMEMBERED) named.clear();
      named.set(call.task, plan);
    }
    return plan;
  };
}

/** Built-in tasks that stand for another go where that one goes: a map where its task does, the join of a chord where the body does. */
function routedAs(call: Call): Call {
  if (!call.task.startsWith('celery.')) return call;
  const inner = call.task === 'celery.chord_unlock' ? call.args[1] : call.kwargs.task;
  const name = isRecord(inner) && STANDS_FOR.has(call.task) ? inner.task : undefined;
  return typeof name === 'string' && name !== '' ? { ...call, task: name } : call;
}

const STANDS_FOR: ReadonlySet<string> = new Set(['celery.map', 'celery.starmap', 'celery.chunks', 'celery.chord_unlock']);

/** Does a call ask for a plan of its own? Most have no options at all. */
function asks(options: Readonly<ExecOptions>): boolean {
  for (const _ in options) return EXEC_KEYS.some((key) => options[key] !== undefined);
  return false;
}

function makePlan(call: Call, state: State, order: PriorityOrder): Plan {
  const { settings } = state;
  const route = state.routing.find(call.task, call);
  const own = call.definition === undefined ? {} : state.explicit(call.definition);
  // What is said at the call beats what is said at the task, which beats the route; settings come last.
  const options: ExecOptions = { ...route, ...pick(own), ...pick(call.options) };
  const destination = destinationOf(call.task, options, state);
  return {
    ...destination,
    serializer: options.serializer ?? settings.taskSerializer,
    compression: options.compression ?? settings.taskCompression ?? undefined,
    deliveryMode: deliveryMode(options.deliveryMode ?? destination.target.deliveryMode ?? settings.taskDefaultDeliveryMode),
    priority: priorityOf(options, call, route, settings, order, destination.target),
    expires: options.expires,
    timeLimit: options.timeLimit ?? undefined,
    softTimeLimit: options.softTimeLimit ?? undefined,
    shared: false,
  };
}

function pick(options: Readonly<ExecOptions>): ExecOptions {
  const picked: Record<string, unknown> = {};
  for (const key of EXEC_KEYS) if (options[key] !== undefined) picked[key] = options[key];
  return defined(picked);
}

interface Destination {
  readonly exchange: string;
  readonly routingKey: string;
  readonly queue: Queue | undefined;
  readonly target: Queue;
}

/** Celery's rule: a direct queue is reached by its name through the default exchange, unless exchange and routing key are both given. */
function destinationOf(task: string, options: ExecOptions, { queues, settings }: State): Destination {
  const target = options.queue === undefined ? queues.default : queues.get(options.queue);
  const queue = target.broadcast ? undefined : target;
  const { exchange, routingKey } = options;
  if ((options.exchangeType ?? target.exchange.type) === 'direct' && !(exchange !== undefined && routingKey !== undefined)) {
    if (routingKey !== undefined && routingKey !== target.name) warnIgnoredKey(task, routingKey, target.name);
    return { exchange: '', routingKey: target.declaration.name, queue, target };
  }
  const key = routingKey ?? target.routingKey;
  return { exchange: exchange ?? target.exchange.name, routingKey: key === '' ? settings.taskDefaultQueue : key, queue, target };
}

function warnIgnoredKey(task: string, routingKey: string, queue: string): void {
  logger('app').warn(
    `The routing key '${routingKey}' of the task '${task}' has no effect: the queue '${queue}' has a direct exchange and is reached by its name. Give the exchange too, or use a topic exchange.`,
  );
}

function deliveryMode(mode: Settings['taskDefaultDeliveryMode']): 1 | 2 {
  return mode === 1 || mode === 'transient' ? 1 : 2;
}

function priorityOf(
  options: ExecOptions,
  call: Call,
  route: RouteOptions | undefined,
  settings: Settings,
  order: PriorityOrder,
  queue: Queue,
): number | undefined {
  const priority = options.priority ?? settings.taskDefaultPriority ?? undefined;
  if (typeof priority === 'string') return priorityNumber(priority, order, queue.maxPriority ?? 9);
  if (priority === undefined) {
    // Celery leaves the property out for a known task with a queue named at the call, and else writes 0. Readers take both for 0.
    return call.definition !== undefined && call.options.queue !== undefined && route === undefined ? undefined : 0;
  }
  if (Number.isInteger(priority)) return priority;
  throw new ConfigurationError(
    `The priority of the task '${call.task}' must be a whole number, 'high', 'normal' or 'low', not ${String(priority)}.`,
  );
}

/** The words that mean the same on every broker, as the number that this one understands. */
export function priorityNumber(word: 'high' | 'normal' | 'low', order: PriorityOrder, most: number): number {
  const urgency = { high: most, normal: Math.ceil(most / 2), low: 0 }[word];
  return order === 'highest-first' ? urgency : most - urgency;
}
