// The broker inside one process: what is published under a `memory:` URL is seen by everybody in this process who opens that URL.
// Also the shortest complete QueueStore, so read it before writing a driver.
import {
  after,
  ConfigurationError,
  ownBytes,
  PublishError,
  type PublishFailure,
  QueueNotFoundError,
  readOptionNames,
  systemClock,
  type Timer,
} from '../util/index.ts';
import { deadLetter, deadLetterDeclaration, isRepeat, startedBefore } from './dead-letters.ts';
import { declarationText, expiresAt, priorityOf, queueLimits, refuseOtherDeclaration } from './declarations.ts';
import { DueHeap } from './due.ts';
import type {
  Broker,
  BrokerOptions,
  DeadLetterPolicy,
  Delivery,
  JointWrite,
  Outgoing,
  QueueDeclaration,
  Settlement,
  Waiting,
  WaitingQuery,
  WaitingRoom,
} from './seam.ts';
import type { Holder, QueueEntry, QueueStore, StoredBinding } from './store.ts';
import { virtualBroker } from './virtual.ts';
import { taskIdOf, waitingOf, withEta } from './waiting.ts';

interface Entry {
  message: Outgoing;
  readonly expires: number | undefined;
  /** Starts that counted. */
  attempts: number;
  redelivered: boolean;
  due: number;
}

/** First in, first out, and giving back in front; cheap at both ends however long it gets. */
class Line {
  #items: Entry[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(entry: Entry): void {
    this.#items.push(entry);
  }

  shift(): Entry | undefined {
    const entry = this.#items[this.#head];
    if (entry === undefined) return undefined;
    this.#head++;
    if (this.#head > 1000 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return entry;
  }

  unshift(entry: Entry): void {
    if (this.#head > 0) this.#items[--this.#head] = entry;
    else this.#items.unshift(entry);
  }

  get first(): Entry | undefined {
    return this.#items[this.#head];
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
  }

  /** Takes one out of the middle; false when it is not there any more. */
  remove(entry: Entry): boolean {
    const at = this.#items.indexOf(entry, this.#head);
    if (at >= 0) this.#items.splice(at, 1);
    return at >= 0;
  }

  all(): Entry[] {
    return this.#items.slice(this.#head);
  }
}

interface Queue {
  readonly declaration: QueueDeclaration;
  /** By priority, 0 to 9. */
  readonly lists: readonly Line[];
  readonly parked: Set<Entry>;
  readonly held: Set<Entry>;
}

interface Waiter {
  readonly queues: readonly string[];
  readonly wake: () => void;
}

/** What lies under one URL. */
class MemorySpace {
  readonly queues = new Map<string, Queue>();
  readonly bindings = new Map<string, StoredBinding>();
  readonly waiters = new Set<Waiter>();
  readonly paused = new Set<string>();
  readonly #parked = new DueHeap<{ readonly queue: Queue; readonly entry: Entry }>();
  #alarm: { readonly at: number; readonly timer: Timer } | undefined;

  declare(declaration: QueueDeclaration): Queue {
    const known = this.queues.get(declaration.name);
    refuseOtherDeclaration(declaration, known === undefined ? undefined : declarationText(known.declaration));
    const queue = known ?? {
      declaration,
      lists: Array.from({ length: 10 }, () => new Line()),
      parked: new Set(),
      held: new Set(),
    };
    this.queues.set(declaration.name, queue);
    return queue;
  }

  push(queue: Queue, message: Outgoing): void {
    const now = systemClock.now();
    const { messageTtl, maxLength } = queueLimits(queue.declaration);
    const entry = {
      message,
      expires: expiresAt(messageTtl, now),
      attempts: startedBefore(message.headers),
      redelivered: isRepeat(message.headers),
      due: message.dueAt ?? 0,
    };
    if (entry.due > now) {
      this.park(queue, entry);
      return;
    }
    queue.lists[priorityOf(message)]?.push(entry);
    while (maxLength !== undefined && waitingCount(queue) > maxLength) queue.lists.find((list) => list.size > 0)?.shift();
    this.wake(queue.declaration.name);
  }

  park(queue: Queue, entry: Entry): void {
    entry.message = kept(entry.message);
    queue.parked.add(entry);
    this.#parked.push(entry.due, { queue, entry });
    this.#arm();
  }

  /** Forgets the times of what was purged. */
  unpark(): void {
    this.#parked.filter(({ queue, entry }) => queue.parked.has(entry));
    this.#arm();
  }

  #arm(): void {
    const { next } = this.#parked;
    if (next === this.#alarm?.at) return;
    this.#alarm?.timer.cancel();
    this.#alarm = undefined;
    if (next !== undefined) this.#alarm = { at: next, timer: after(Math.max(0, next - systemClock.now()), () => this.promote()) };
  }

  /** Moves what is due into the queues, and sets the alarm for the next. */
  promote(): void {
    this.#alarm = undefined;
    const now = systemClock.now();
    for (let due = this.#parked.pop(now); due !== undefined; due = this.#parked.pop(now)) {
      const { queue, entry } = due;
      if (!queue.parked.delete(entry)) continue;
      queue.lists[priorityOf(entry.message)]?.push(entry);
      this.wake(queue.declaration.name);
    }
    this.#arm();
  }

  wake(queue: string): void {
    for (const waiter of this.waiters) if (waiter.queues.includes(queue)) waiter.wake();
  }
}

// Per URL and process, as the URL says: two apps of one process meet under one name.
const spaces = new Map<string, MemorySpace>();

/** Next first. */
function waiting(queue: Queue): Entry[] {
  return queue.lists.toReversed().flatMap((list) => list.all());
}

/** What is too old leaves when somebody looks; the oldest stand first. */
function dropExpired(queue: Queue): Queue {
  const now = systemClock.now();
  for (const list of queue.lists) while ((list.first?.expires ?? Number.POSITIVE_INFINITY) <= now) list.shift();
  return queue;
}

function waitingCount(queue: Queue): number {
  return queue.lists.reduce((sum, list) => sum + list.size, 0);
}

function memoryStore(space: MemorySpace, url: string, policy: DeadLetterPolicy): QueueStore {
  const push = (entries: readonly QueueEntry[]): void => {
    const failures: PublishFailure[] = [];
    for (const [index, { queue: name, message }] of entries.entries()) {
      const queue = space.queues.get(name);
      if (queue === undefined)
        failures.push({
          index,
          stored: 'no',
          cause: new QueueNotFoundError(`Queue "${name}" does not exist. Declare it first.`),
        });
      else space.push(queue, message);
    }
    if (failures.length > 0)
      throw new PublishError(`${failures.length} messages found no queue.`, failures, { transient: false });
  };
  return {
    name: 'memory',
    url,
    database: url,
    features: {
      priorities: true,
      priorityOrder: 'highest-first',
      delay: true,
      fanout: true,
      autoDelete: false,
      eventExchange: 'topic',
      persistent: false,
    },
    declareQueues: async (queues) => {
      for (const queue of queues) space.declare(queue);
    },
    bind: async (bindings) => {
      for (const binding of bindings) space.bindings.set(JSON.stringify(binding), binding);
    },
    allBindings: async () => [...space.bindings.values()],
    bindings: async (exchange) => [...space.bindings.values()].filter((binding) => binding.exchange === exchange),
    push: async (entries) => push(entries),
    // A queue that is gone by then is made anew: failing halfway would undo what others commit.
    jointPush: (entries) => ({
      database: url,
      payload: () => {
        for (const { queue, message } of entries)
          space.push(space.queues.get(queue) ?? space.declare({ name: queue, durable: true, arguments: {} }), message);
      },
    }),
    hold: async ({ generation }) => memoryHolder(space, generation, policy),
    count: async (name) => {
      const queue = space.queues.get(name);
      return queue && { ready: waitingCount(dropExpired(queue)), held: queue.held.size, parked: queue.parked.size };
    },
    peek: async (name, limit) =>
      waiting(dropExpired(space.queues.get(name) ?? NO_QUEUE))
        .slice(0, limit)
        .map((entry) => entry.message),
    purge: async (name) => {
      const queue = space.queues.get(name) ?? NO_QUEUE;
      const count = waitingCount(queue) + queue.parked.size;
      for (const list of queue.lists) list.clear();
      queue.parked.clear();
      space.unpark();
      return count;
    },
    remove: async (name) => {
      space.queues.get(name)?.parked.clear();
      space.queues.delete(name);
      space.unpark();
      for (const [key, binding] of space.bindings) if (binding.queue === name) space.bindings.delete(key);
    },
    waiting: memoryWaiting(space),
    pause: async (queues) => {
      for (const queue of queues) space.paused.add(queue);
    },
    resume: async (queues) => {
      for (const queue of queues) space.paused.delete(queue);
    },
    paused: async (queues) => queues.filter((queue) => space.paused.has(queue)),
    check: async (signal) => signal.throwIfAborted(),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** A look into the queues, and a hand in them. */
function memoryWaiting(space: MemorySpace): WaitingRoom {
  const now = (): number => systemClock.now();
  const shown = (entry: Entry): Waiting => waitingOf(entry.message, entry.due > now() ? entry.due : undefined);

  function find(queue: Queue, { state = 'all', ids, limit }: WaitingQuery): Entry[] {
    const parked = [...queue.parked].sort((one, other) => one.due - other.due);
    const all = [...(state === 'parked' ? [] : waiting(dropExpired(queue))), ...(state === 'ready' ? [] : parked)];
    const wanted = ids === undefined ? undefined : new Set<string | undefined>(ids);
    return all.filter(({ message }) => wanted === undefined || wanted.has(taskIdOf(message))).slice(0, limit);
  }

  function takeOut(queue: Queue, ids: readonly string[], state: WaitingQuery['state'] = 'all'): Entry[] {
    const found = find(queue, { ids, state });
    for (const entry of found) if (!queue.parked.delete(entry)) queue.lists[priorityOf(entry.message)]?.remove(entry);
    space.unpark();
    return found;
  }

  return {
    list: async (name, query = {}) => find(space.queues.get(name) ?? NO_QUEUE, query).map(shown),
    remove: async (name, ids) => takeOut(space.queues.get(name) ?? NO_QUEUE, ids).map(shown),
    reschedule: async (name, ids, dueAt, state) => {
      const queue = space.queues.get(name);
      if (queue === undefined) return [];
      const found = takeOut(queue, ids, state);
      for (const entry of found) {
        const { headersText: _, dueAt: _due, ...message } = entry.message;
        entry.message = { ...message, headers: withEta(message.headers, dueAt) };
        entry.due = dueAt ?? 0;
        if (entry.due > now()) space.park(queue, entry);
        else queue.lists[priorityOf(entry.message)]?.push(entry);
      }
      space.wake(name);
      return found.map(shown);
    },
    wake: async function* (name, isMeant) {
      const queue = space.queues.get(name) ?? NO_QUEUE;
      const parked = [...queue.parked];
      for (let at = 0; at < parked.length; at += PIECE) {
        const found = parked.slice(at, at + PIECE).filter((entry) => queue.parked.has(entry) && isMeant(entry.message));
        for (const entry of found) {
          queue.parked.delete(entry);
          entry.due = 0;
          queue.lists[priorityOf(entry.message)]?.push(entry);
        }
        space.unpark();
        if (found.length > 0) space.wake(name);
        yield found.length;
      }
    },
  };
}

/** Parked messages that are looked at at once. */
const PIECE = 500;

const NO_QUEUE: Queue = {
  declaration: { name: '', durable: false, arguments: {} },
  lists: [],
  parked: new Set(),
  held: new Set(),
};

/** What may lie here for long. */
const kept = (message: Outgoing): Outgoing => ({ ...message, body: ownBytes(message.body) });

function memoryHolder(space: MemorySpace, generation: number, policy: DeadLetterPolicy): Holder {
  const held = new Map<Delivery, { readonly queue: Queue; readonly entry: Entry }>();
  let rotation = 0;

  function settle(settlement: Settlement): void {
    const { delivery, verdict } = settlement;
    const place = held.get(delivery);
    if (place === undefined) return;
    const { queue, entry } = place;
    held.delete(delivery);
    queue.held.delete(entry);
    if (verdict === 'park') {
      entry.due = settlement.until;
      entry.redelivered = isRepeat(entry.message.headers);
      space.park(queue, entry);
    } else if (verdict === 'requeue') {
      entry.redelivered = true;
      if (settlement.counted) entry.attempts++;
      queue.lists[priorityOf(entry.message)]?.unshift(entry);
      space.wake(delivery.queue);
    } else if (verdict === 'deadLetter' && policy.mode === 'lovage') {
      const letter = kept(deadLetter(settlement, systemClock.now()));
      space.push(space.declare(deadLetterDeclaration(delivery.queue, policy)), letter);
    }
  }

  /** The next of one queue and priority that has not expired. */
  function next(name: string, priority: number): Delivery | undefined {
    const queue = space.queues.get(name);
    const list = queue?.lists[priority];
    const now = systemClock.now();
    for (let entry = list?.shift(); queue !== undefined && entry !== undefined; entry = list?.shift()) {
      if (entry.expires !== undefined && entry.expires <= now) continue;
      const { dueAt: _, headersText: _text, ...message } = entry.message;
      const delivery = {
        ...message,
        queue: name,
        redelivered: entry.redelivered,
        attempts: entry.attempts + 1,
        generation,
        tag: undefined,
      };
      held.set(delivery, { queue, entry });
      queue.held.add(entry);
      return delivery;
    }
    return undefined;
  }

  function take(queues: readonly string[], max: number): Delivery[] {
    const taken: Delivery[] = [];
    for (let priority = 9; priority >= 0; priority--) {
      for (let misses = 0; taken.length < max && misses < queues.length; ) {
        const delivery = next(queues[rotation++ % queues.length] ?? '', priority);
        misses = delivery === undefined ? misses + 1 : 0;
        if (delivery !== undefined) taken.push(delivery);
      }
    }
    return taken;
  }

  return {
    closed: new Promise(() => undefined),
    turn: async (call) => {
      // A write that throws must find nothing settled.
      for (const write of call.writes) (write as JointWrite & { readonly payload: () => void }).payload();
      for (const settlement of call.settle.toReversed()) settle(settlement);
      return { taken: take(call.queues, call.take), lost: [] };
    },
    idle: (queues, signal) =>
      new Promise((resolve) => {
        const waiter: Waiter = {
          queues,
          wake: () => {
            space.waiters.delete(waiter);
            signal.removeEventListener('abort', waiter.wake);
            resolve([]);
          },
        };
        const ready = queues.some((name) => space.queues.get(name)?.lists.some((list) => list.size > 0));
        if (ready || signal.aborted) return resolve([]);
        space.waiters.add(waiter);
        signal.addEventListener('abort', waiter.wake, { once: true });
      }),
    [Symbol.asyncDispose]: async () => {
      for (const delivery of [...held.keys()].toReversed()) settle({ verdict: 'requeue', delivery, counted: false });
    },
  };
}

/** Opens the broker of a `memory:` URL. */
export function open(options: BrokerOptions): Broker {
  if (!/^memory:/i.test(options.url)) throw new ConfigurationError(`"${options.url}" is not a memory: URL.`);
  readOptionNames('The broker in memory', options.transportOptions, { names: [] });
  let space = spaces.get(options.url);
  if (space === undefined) {
    space = new MemorySpace();
    spaces.set(options.url, space);
  }
  return virtualBroker(memoryStore(space, options.url, options.deadLetters));
}
