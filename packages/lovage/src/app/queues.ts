// The queues of an app: those of taskQueues, the default one, and those made because somebody named them. Pure: settings in,
// declarations out; the producer and workers send them to the broker.
import type { BindingDeclaration, ExchangeDeclaration, ExchangeType, QueueDeclaration, Topology } from '../broker/index.ts';
import { ConfigurationError, checkName, didYouMean, QueueNotFoundError, uuid } from '../util/index.ts';
import { queuesForm } from './settings/celery-forms.ts';
import { checkQueues } from './settings/checks.ts';
import type { NamedQueue, QueueOptions, Settings } from './settings.ts';

/** A queue with all that is needed to declare it and to send to it. */
export interface Queue {
  /** As routes and options name it. */
  readonly name: string;
  /** As the broker names it: another name only for a broadcast, where every process has a queue of its own. */
  readonly declaration: QueueDeclaration;
  readonly exchange: ExchangeDeclaration;
  readonly routingKey: string;
  readonly bindings: readonly BindingDeclaration[];
  readonly exchanges: readonly ExchangeDeclaration[];
  readonly deliveryMode: 1 | 2 | undefined;
  readonly broadcast: boolean;
  /** Nothing of it is declared by this app. */
  readonly noDeclare: boolean;
  /** Highest priority, when the queue has one. */
  readonly maxPriority: number | undefined;
  /** As it was described: `inspect active_queues` tells what is an option and what an argument. */
  readonly options: QueueOptions;
}

/** The queues of one state of the settings. */
export interface Queues {
  /** Names of the queues that a worker takes from when nobody chooses. */
  readonly names: readonly string[];
  readonly default: Queue;
  has(name: string): boolean;
  /** The queue of that name; one that taskQueues does not name is made, or QueueNotFoundError when that is switched off. */
  get(name: string): Queue;
  /** The queues whose messages go through this exchange. */
  boundTo(exchange: string): readonly Queue[];
  /** What to declare for these queues. */
  topology(names: readonly string[]): Topology;
}

/** Names of this process's broadcast queues, kept over changes of the settings. */
export type BroadcastNames = Map<string, string>;

/** The queues that the settings describe. */
export function createQueues(settings: Settings, broadcasts: BroadcastNames): Queues {
  const known = new Map<string, Queue>();
  for (const options of configured(settings)) known.set(options.name, build(options, settings, broadcasts));
  const names = [...known.keys()];
  const get = (name: string): Queue => {
    const found = known.get(name);
    if (found !== undefined) return found;
    if (!settings.taskCreateMissingQueues) throw missing(name, names);
    const made = build(missingQueue(name, settings), settings, broadcasts);
    known.set(name, made);
    return made;
  };
  return {
    names,
    get default() {
      return get(settings.taskDefaultQueue);
    },
    has: (name) => known.has(name),
    get,
    boundTo: (exchange) => [...known.values()].filter((queue) => queue.exchanges.some(({ name }) => name === exchange)),
    topology: (wanted) => topologyOf(wanted.map(get)),
  };
}

function missing(name: string, names: readonly string[]): QueueNotFoundError {
  const hint = didYouMean(name, names);
  return new QueueNotFoundError(
    `The queue '${name}' is not in taskQueues, and taskCreateMissingQueues is off.${hint} Add it there, or route the task elsewhere.`,
  );
}

/** The setting taskQueues as a list; unset: the default queue alone. */
function configured(settings: Settings): readonly NamedQueue[] {
  const list = settings.taskQueues;
  if (list === null) return [defaultQueue(settings)];
  if (isList(list))
    return list.length === 0
      ? [defaultQueue(settings)]
      : list.map((queue) => (typeof queue === 'string' ? { name: queue } : queue));
  const entries = Object.entries(list);
  if (entries.length === 0) return [defaultQueue(settings)];
  return entries.map(([name, options]) => ({ routingKey: name, ...options, name }));
}

function isList(list: NonNullable<Settings['taskQueues']>): list is readonly (NamedQueue | string)[] {
  return Array.isArray(list);
}

function defaultQueue(settings: Settings): NamedQueue {
  return { name: settings.taskDefaultQueue, type: settings.taskDefaultQueueType };
}

/** A queue that somebody named: an exchange of its own name, bound by its name, unless taskMissingQueue says more. Throws ConfigurationError for an answer that is no queue. */
function missingQueue(name: string, settings: Settings): NamedQueue {
  const { [name]: own } = queuesForm({ [name]: settings.taskMissingQueue?.(name) ?? {} }) as Readonly<
    Record<string, QueueOptions>
  >;
  const wrong = checkQueues([{ ...own, name }]);
  if (wrong !== undefined) throw new ConfigurationError(`The answer of taskMissingQueue ${wrong}.`);
  return {
    name,
    exchange: name,
    exchangeType: settings.taskCreateMissingQueueExchangeType ?? 'direct',
    routingKey: name,
    type: settings.taskCreateMissingQueueType,
    ...own,
  };
}

function build(options: NamedQueue, settings: Settings, broadcasts: BroadcastNames): Queue {
  checkName('The name of a queue', options.name);
  const broadcast = options.broadcast === true;
  const exchange = { ...exchangeOf(options, settings), ...(options.exchangePassive === true ? { passive: true } : {}) };
  const routingKey = options.routingKey ?? settings.taskDefaultRoutingKey ?? settings.taskDefaultQueue;
  const maxPriority = options.maxPriority ?? settings.taskQueueMaxPriority ?? undefined;
  const declaration: QueueDeclaration = {
    name: broadcast ? broadcastName(options.name, broadcasts) : options.name,
    durable: options.durable ?? !broadcast,
    ...(options.exclusive === undefined ? {} : { exclusive: options.exclusive }),
    ...(options.autoDelete === undefined && !broadcast ? {} : { autoDelete: options.autoDelete ?? true }),
    arguments: argumentsOf(options, maxPriority),
    ...(options.consumerArguments === undefined ? {} : { consumerArguments: options.consumerArguments }),
    ...(options.passive === true ? { passive: true } : {}),
  };
  const more = (options.bindings ?? []).map((binding) => ({ ...binding, type: binding.exchangeType ?? 'direct' }));
  return {
    name: options.name,
    declaration,
    exchange,
    routingKey,
    exchanges: [exchange, ...more.map(({ exchange: name, type }) => ({ name, type, durable: true }))],
    bindings: [{ exchange: exchange.name, routingKey }, ...more].map((binding) => ({
      queue: declaration.name,
      exchange: binding.exchange,
      routingKey: binding.routingKey,
    })),
    deliveryMode: options.deliveryMode,
    broadcast,
    noDeclare: options.noDeclare === true,
    maxPriority:
      typeof declaration.arguments['x-max-priority'] === 'number' ? declaration.arguments['x-max-priority'] : undefined,
    options,
  };
}

/** A type of exchange without a name means an exchange of the queue's own: the default exchange may have another type. */
function exchangeOf(options: NamedQueue, settings: Settings): ExchangeDeclaration {
  const defaultType: ExchangeType = settings.taskDefaultExchangeType;
  if (options.broadcast === true) return { name: options.exchange ?? options.name, type: 'fanout', durable: true };
  if (options.exchange !== undefined && options.exchange !== '') {
    return { name: options.exchange, type: options.exchangeType ?? 'direct', durable: true };
  }
  if (options.exchangeType !== undefined && options.exchangeType !== defaultType) {
    return { name: options.name, type: options.exchangeType, durable: true };
  }
  return { name: settings.taskDefaultExchange ?? settings.taskDefaultQueue, type: defaultType, durable: true };
}

function broadcastName(name: string, broadcasts: BroadcastNames): string {
  const known = broadcasts.get(name);
  if (known !== undefined) return known;
  const made = `bcast.${uuid()}`;
  broadcasts.set(name, made);
  return made;
}

/** Exactly the arguments that Celery would write: one more or less is a 406 for its peers. */
function argumentsOf(options: QueueOptions, maxPriority: number | undefined): Readonly<Record<string, unknown>> {
  return {
    ...(options.type === 'quorum' ? { 'x-queue-type': 'quorum' } : {}),
    ...(maxPriority === undefined ? {} : { 'x-max-priority': maxPriority }),
    ...(options.maxLength === undefined ? {} : { 'x-max-length': options.maxLength }),
    ...(options.maxLengthBytes === undefined ? {} : { 'x-max-length-bytes': options.maxLengthBytes }),
    ...(options.messageTtl === undefined ? {} : { 'x-message-ttl': Math.trunc(options.messageTtl * 1000) }),
    ...(options.expires === undefined ? {} : { 'x-expires': Math.trunc(options.expires * 1000) }),
    ...options.arguments,
  };
}

/** What an app declares of these queues, each thing once. */
export function topologyOf(queues: readonly Queue[]): Topology {
  const exchanges = new Map<string, ExchangeDeclaration>();
  const declarations = new Map<string, QueueDeclaration>();
  const bindings = new Map<string, BindingDeclaration>();
  for (const queue of queues) {
    if (queue.noDeclare) continue;
    declarations.set(queue.declaration.name, queue.declaration);
    if (queue.declaration.passive === true) continue;
    for (const exchange of queue.exchanges) exchanges.set(exchange.name, exchange);
    for (const binding of queue.bindings) bindings.set(`${binding.queue}\n${binding.exchange}\n${binding.routingKey}`, binding);
  }
  return { exchanges: [...exchanges.values()], queues: [...declarations.values()], bindings: [...bindings.values()] };
}
