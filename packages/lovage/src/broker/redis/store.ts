// The QueueStore of Redis: declarations and looking. Publishing, holders and chores have files of their own.
import { after, warnOfEviction } from '../../util/index.ts';
import { routedQueues, topicPattern } from '../routing.ts';
import type { Message, QueueCount, QueueDeclaration } from '../seam.ts';
import type { Holder, HoldOptions, QueueStore, StoredBinding } from '../store.ts';
import { type Chores, startChores } from './chores.ts';
import { brokerError, type RedisContext } from './context.ts';
import { readEnvelope } from './envelope.ts';
import { openHolder } from './holder.ts';
import { createKeeper } from './keeper.ts';
import { createBroadcaster, entryWrites, pushEntries } from './publish.ts';
import { COUNT, PURGE } from './scripts.ts';
import { openTaker } from './taker.ts';
import { createWaitingRoom } from './waiting-room.ts';

/** Seconds before a warning is looked for: a program has better things to do first. */
const LATER = 0.1;

/** An answer that is younger shows that the server is there. */
const HEARD_MS = 1000;

/** Makes the store. Nothing is opened before the first call. */
export function createRedisStore(context: RedisContext): QueueStore {
  const { line, keys, expiries, target } = context;
  const keeper = createKeeper(context);
  const declared = new Set<string>();
  const bindings = new Map<string, StoredBinding>();
  let chores: Chores | undefined;
  const stopObserving = line.observe({
    up: () => {
      chores ??= startChores(context, async (exchange, routingKey) => routedQueues(await readBindings(exchange), routingKey));
      after(LATER, () => {
        if (line.isConnected) void warnOfEviction(line);
      });
    },
  });

  async function ask<T>(what: string, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw brokerError(error, what);
    }
  }

  async function readBindings(exchange: string): Promise<readonly StoredBinding[]> {
    const members = (await ask('Reading bindings failed', line.call('SMEMBERS', [keys.binding(exchange)]))) as string[];
    return members.map((member) => {
      const [routingKey = '', pattern = '', queue = ''] = member.split(keys.sep);
      // The set does not say which kind of exchange it is: whoever declared it here knows, a pattern tells of a topic, the rest is direct.
      const known = [...bindings.values()].find((binding) => binding.exchange === exchange)?.type;
      return { exchange, type: known ?? (pattern === '' ? 'direct' : 'topic'), routingKey, queue };
    });
  }

  async function allBindings(): Promise<readonly StoredBinding[]> {
    const prefix = keys.binding('');
    const exchanges = new Set<string>();
    let cursor = '0';
    do {
      const match = `${prefix.replaceAll(/[\\*?[\]]/g, '\\$&')}*`;
      const scan = line.call('SCAN', [cursor, 'MATCH', match, 'COUNT', '1000']);
      const [next, found] = (await ask('Reading bindings failed', scan)) as [string, readonly string[]];
      for (const key of found) exchanges.add(key.slice(prefix.length));
      cursor = next;
    } while (cursor !== '0');
    return (await Promise.all([...exchanges].sort().map(readBindings))).flat();
  }

  const bindingKey = ({ exchange, routingKey, queue }: StoredBinding): string => `${exchange}\0${routingKey}\0${queue}`;
  const member = ({ type, routingKey, queue }: StoredBinding): string =>
    [routingKey, type === 'topic' ? topicPattern(routingKey) : '', queue].join(keys.sep);

  async function bind(added: readonly StoredBinding[]): Promise<void> {
    for (const binding of added) bindings.set(bindingKey(binding), binding);
    const calls = added.map((binding) => line.call('SADD', [keys.binding(binding.exchange), member(binding)]));
    await ask('Binding failed', Promise.all(calls));
  }

  async function declareQueues(queues: readonly QueueDeclaration[]): Promise<void> {
    for (const { name, arguments: given } of queues) {
      declared.add(name);
      const expires = given['x-expires'];
      if (typeof expires === 'number' && expires > 0) expiries.set(name, Math.round(expires));
    }
    // Queues are made by their first message; this only shows that the server is there, which it may have shown just now.
    if (line.isConnected && performance.now() - line.lastHeard < HEARD_MS) return;
    await ask('Declaring queues failed', line.call('PING', []));
  }

  async function count(queue: string): Promise<QueueCount | undefined> {
    const reply = line.script(
      COUNT,
      [keys.holders, keys.parked(queue), keys.serves(queue), ...keys.lists(queue)],
      [keys.held('')],
    );
    const [ready = 0, held = 0, parked = 0, exist = 0] = (await ask('Counting failed', reply)) as number[];
    if (exist === 0 && held === 0 && !declared.has(queue)) return undefined;
    return { ready, held, parked };
  }

  async function peek(queue: string, limit: number): Promise<readonly Message[]> {
    const out: Message[] = [];
    for (const list of keys.lists(queue)) {
      const left = limit - out.length;
      if (left <= 0) break;
      const texts = (await ask('Peeking failed', line.call('LRANGE', [list, -left, -1]))) as string[];
      for (const raw of texts.toReversed()) out.push(readEnvelope(raw, queue).message);
    }
    return out;
  }

  async function purge(queue: string): Promise<number> {
    return Number(await ask('Purging failed', line.script(PURGE, [keys.parked(queue), ...keys.lists(queue)], [])));
  }

  async function remove(queue: string): Promise<void> {
    const bound = [...bindings.values()].filter((binding) => binding.queue === queue);
    // No route first: what comes in between would lie in a queue that nobody knows.
    const unbound = bound.map((binding) => line.call('SREM', [keys.binding(binding.exchange), member(binding)]));
    await Promise.all([ask('Unbinding failed', Promise.all(unbound)), purge(queue)]);
    declared.delete(queue);
    expiries.delete(queue);
    for (const binding of bound) bindings.delete(bindingKey(binding));
  }

  function patterns(queue: string): readonly string[] {
    const fanouts = [...bindings.values()].filter((binding) => binding.queue === queue && binding.type === 'fanout');
    return fanouts.map(({ exchange, routingKey }) => keys.pattern(exchange, routingKey));
  }

  async function hold({ node, generation, queues = [], noAck }: HoldOptions): Promise<Holder> {
    const isPlain = queues.length > 0 && queues.every((queue) => patterns(queue).length === 0);
    if (noAck === true && isPlain) return openTaker({ context, node, generation, patterns });
    const holder = await openHolder({ context, keeper, node, generation, queues, patterns });
    chores?.serve();
    return holder;
  }

  return {
    name: 'redis',
    url: target.url,
    database: target.database,
    get trouble() {
      return line.trouble;
    },
    features: {
      priorities: true,
      priorityOrder: 'lowest-first',
      delay: true,
      fanout: true,
      autoDelete: false,
      eventExchange: 'fanout',
      persistent: true,
    },
    declareQueues,
    bind,
    bindings: readBindings,
    allBindings,
    push: (entries, signal) => pushEntries(context, entries, signal),
    broadcast: createBroadcaster(context),
    jointPush: (entries) => ({ database: target.database, payload: entryWrites(context, entries) }),
    hold,
    count,
    peek,
    purge,
    remove,
    waiting: createWaitingRoom(context),
    leaseRenewed: () => keeper.renewed,
    watchLoop: (view) => keeper.watchLoop(view),
    pause: async (queues) => {
      if (queues.length > 0) await ask('Pausing failed', line.call('SADD', [keys.paused, ...queues]));
    },
    resume: async (queues) => {
      if (queues.length > 0) await ask('Resuming failed', line.call('SREM', [keys.paused, ...queues]));
    },
    paused: async (queues) => {
      const paused = new Set((await ask('Reading paused queues failed', line.call('SMEMBERS', [keys.paused]))) as string[]);
      return queues.filter((queue) => paused.has(queue));
    },
    check: async (signal) => {
      // A line that has to be opened asks by itself.
      await ask('The check failed', line.isConnected ? line.call('PING', [], signal) : line.ready(signal));
    },
    [Symbol.asyncDispose]: async () => {
      stopObserving();
      chores?.[Symbol.dispose]();
      await keeper[Symbol.asyncDispose]();
      await line[Symbol.asyncDispose]();
    },
  };
}
