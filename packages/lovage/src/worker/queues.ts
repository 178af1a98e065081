// The queues that one worker takes from: those it started with, changed by add_consumer and cancel_consumer for as long as it lives.
import { type Lovage, type Queue, topologyOf } from '../app/index.ts';
import type { ExchangeDeclaration, Topology } from '../broker/index.ts';
import type { AddedQueue } from '../consumer/index.ts';

/** The queues of a worker, now. */
export interface LiveQueues {
  readonly all: readonly Queue[];
  /** Names as the broker knows them, and what to declare. */
  current(): { readonly names: readonly string[]; readonly topology: Topology };
  add(queue: AddedQueue): { readonly name: string; readonly topology: Topology };
  cancel(name: string): string | undefined;
}

/** One that the settings say nothing of, as whoever added it describes it. */
function described({ name, exchange, exchangeType = 'direct', routingKey, options = {} }: AddedQueue): Queue {
  const declared: ExchangeDeclaration = { name: exchange ?? name, type: exchangeType, durable: true };
  const key = routingKey ?? name;
  const flag = (option: string, otherwise: boolean): boolean => {
    const value = options[option];
    return typeof value === 'boolean' ? value : otherwise;
  };
  const given = options.queue_arguments;
  const declaration = {
    name,
    durable: flag('queue_durable', flag('durable', true)),
    exclusive: flag('queue_exclusive', flag('exclusive', false)),
    autoDelete: flag('queue_auto_delete', flag('auto_delete', false)),
    arguments: typeof given === 'object' && given !== null ? { ...given } : {},
  };
  return {
    name,
    declaration,
    exchange: declared,
    routingKey: key,
    bindings: [{ queue: name, exchange: declared.name, routingKey: key }],
    exchanges: [declared],
    deliveryMode: undefined,
    broadcast: false,
    noDeclare: false,
    maxPriority: undefined,
    options: {},
  };
}

/** Begins with these queues. */
export function createLiveQueues(app: Lovage, first: readonly Queue[]): LiveQueues {
  let all = first;
  const find = (name: string): Queue | undefined => all.find((queue) => queue.name === name || queue.declaration.name === name);
  const isPlain = ({ exchange, routingKey, options = {} }: AddedQueue): boolean =>
    exchange === undefined && routingKey === undefined && Object.keys(options).length === 0;
  return {
    get all() {
      return all;
    },
    current: () => ({ names: all.map(({ declaration }) => declaration.name), topology: topologyOf(all) }),
    add: (added) => {
      const queue =
        find(added.name) ?? (isPlain(added) || app.queues.has(added.name) ? app.queues.get(added.name) : described(added));
      if (!all.includes(queue)) all = [...all, queue];
      return { name: queue.declaration.name, topology: topologyOf([queue]) };
    },
    cancel: (name) => {
      const gone = find(name);
      all = all.filter((queue) => queue !== gone);
      return gone?.declaration.name;
    },
  };
}
