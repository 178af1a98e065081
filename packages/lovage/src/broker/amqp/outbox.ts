// Everything that goes out to queues and exchanges: plain messages, and those that are due later, by way of the delay levels.
// The levels, and the bindings that lead out of them, are declared here before the first delayed message of a connection.
import {
  type AmqpConnection,
  type AmqpLetter,
  type AmqpPublisher,
  BrokerConnectionError,
  blockedError,
  LovageError,
  logger,
  orAborted,
  PublishError,
  type PublishFailure,
  sleep,
  TopologyMismatchError,
} from '../../util/index.ts';
import type { BindingDeclaration, Message, Outgoing } from '../seam.ts';
import {
  DELIVERY_EXCHANGE,
  type DelayedQueueType,
  type DelayLevel,
  delayKey,
  delayLevels,
  directKey,
  directName,
  entryExchange,
  topicKey,
  topicTakes,
  wholeDelay,
} from './delayed.ts';
import { toDelayedLetter, toLetter } from './letters.ts';
import { isForbidden, onChannel, type Run, type TopologyMemory } from './topology.ts';

/**
 * Milliseconds for which the way out of the levels to a queue counts as there. Its queue may be deleted and declared anew by anybody, and
 * RabbitMQ takes a message into the levels that finds no way out: it stays there, and enough of those hold up all that is delayed.
 */
const WAY_LASTS_MS = 5000;
/** News have few keys; whoever makes them up as they go shall not fill the memory. */
const MAX_FOLLOWED = 1000;
/** Seconds between attempts to declare on a line that breaks. */
const DECLARE_AGAIN = 0.2;
const TRANSIENT = 1;

const log = logger('broker', 'amqp');

export interface OutboxOptions {
  readonly publisher: AmqpPublisher;
  readonly memory: TopologyMemory;
  readonly delayedQueueType: DelayedQueueType;
}

/** Where a delayed message shall come out. */
type Way =
  | { readonly kind: 'queues'; readonly queues: readonly string[] }
  | { readonly kind: 'topic'; readonly bindings: readonly BindingDeclaration[] };

interface Job {
  readonly index: number;
  readonly letter: AmqpLetter;
}

export interface Outbox {
  /** Can RabbitMQ hold messages for this user? True until it says that it does not allow the delay levels. */
  readonly holds: boolean;
  /** Resolves when all are confirmed; rejects with PublishError. */
  send(messages: readonly Outgoing[], signal: AbortSignal): Promise<void>;
  /**
   * 0 when the last news under this key found no queue, else undefined: RabbitMQ tells of nobody, and not of how many. It sends back what nobody
   * hears, so only that is looked at after which somebody has asked once, and commands.
   */
  audience(exchange: string, routingKey: string): 0 | undefined;
  /** A queue was deleted: what leads to it out of the levels is not there any more. */
  forgetWays(): void;
}

/** A way out of the levels that was declared. */
interface Led {
  /** Milliseconds of the monotonic clock. */
  readonly at: number;
  readonly done: Promise<void>;
}

function connectLevels(run: Run, level: DelayLevel): Promise<unknown> {
  return run(`The delay level "${level.name}"`, async (channel) => {
    await channel.bindQueue(level.name, level.name, level.stayKey);
    await channel.bindExchange(level.next, level.name, level.passKey);
  });
}

async function declareLevels(run: Run, type: DelayedQueueType): Promise<void> {
  const levels = delayLevels(type);
  const durable = { durable: true, autoDelete: false };
  for (const name of [...levels.map((level) => level.name), DELIVERY_EXCHANGE]) {
    await run(`The exchange "${name}"`, (channel) => channel.assertExchange(name, 'topic', durable));
  }
  for (const level of levels) {
    try {
      await run(`The queue "${level.name}"`, (channel) =>
        channel.assertQueue(level.name, { durable: true, arguments: level.arguments }),
      );
    } catch (error) {
      // Laid out with the other queue type by a peer: it holds messages just as well.
      if (!(error instanceof TopologyMismatchError)) throw error;
    }
    await connectLevels(run, level);
  }
}

function leadOut(run: Run, way: Way): Promise<void> {
  return run('The way out of the delay levels', async (channel) => {
    if (way.kind === 'queues')
      for (const queue of way.queues) await channel.bindQueue(queue, DELIVERY_EXCHANGE, directKey(queue));
    else {
      for (const binding of way.bindings) {
        await channel.bindExchange(binding.exchange, DELIVERY_EXCHANGE, topicKey(binding));
        await channel.bindQueue(binding.queue, binding.exchange, topicKey(binding));
      }
    }
  });
}

/** The outbox of one broker. */
export function createOutbox({ publisher, memory, delayedQueueType }: OutboxOptions): Outbox {
  const laid = new WeakMap<AmqpConnection, Promise<void>>();
  let led = new WeakMap<AmqpConnection, Map<string, Led>>();
  /** News about which somebody asked, or commands: was the last one heard? undefined: nobody knows. */
  const heard = new Map<string, boolean | undefined>();
  let holds = true;

  function wayOf(message: Message): Way | undefined {
    if (!holds) return undefined;
    if (message.exchange === '') return { kind: 'queues', queues: [message.routingKey] };
    const bindings = memory.bindingsOf(message.exchange);
    const type = memory.exchangeType(message.exchange);
    // What no queue takes must not enter the levels: it would never come out. Sent now it is refused, or held by a worker that we know nothing of.
    if (type === 'topic' && bindings.some((binding) => topicTakes(binding.routingKey, message.routingKey)))
      return { kind: 'topic', bindings };
    if (type === 'topic') return undefined;
    const queues = bindings.filter((binding) => binding.routingKey === message.routingKey).map((binding) => binding.queue);
    return type === 'direct' && queues.length > 0 ? { kind: 'queues', queues } : undefined;
  }

  function levelsOn(connection: AmqpConnection): Promise<void> {
    const before = laid.get(connection);
    if (before !== undefined) return before;
    const laying = onChannel(connection, (run) => declareLevels(run, delayedQueueType));
    laid.set(connection, laying);
    laying.catch(() => laid.delete(connection));
    return laying;
  }

  function wayOn(connection: AmqpConnection, way: Way): Promise<void> {
    const ways = led.get(connection) ?? new Map<string, Led>();
    led.set(connection, ways);
    const key = JSON.stringify(way);
    const now = performance.now();
    const before = ways.get(key);
    if (before !== undefined && now - before.at < WAY_LASTS_MS) return before.done;
    const leading = { at: now, done: onChannel(connection, (run) => leadOut(run, way)) };
    ways.set(key, leading);
    leading.done.catch(() => {
      if (ways.get(key) === leading) ways.delete(key);
    });
    return leading.done;
  }

  /** What is due later goes to its queue now, as without native delayed delivery: the worker holds it. */
  function refuse(error: unknown): void {
    if (!holds) return;
    holds = false;
    log.warn(
      'Messages with a due time are held by workers: {error}. Allow this user celery_delayed_.*, or set delayedDelivery: false in brokerTransportOptions.',
      { error: error instanceof Error ? error.message : String(error) },
    );
  }

  async function prepare(way: Way, signal: AbortSignal): Promise<void> {
    for (;;) {
      const connection = await publisher.connection(signal);
      try {
        await orAborted(levelsOn(connection), signal);
        return await orAborted(wayOn(connection, way), signal);
      } catch (error) {
        if (signal.aborted && connection.blocked !== undefined) throw blockedError(connection.blocked, error);
        if (isForbidden(error)) return refuse(error);
        if (!(error instanceof BrokerConnectionError)) throw error;
        await sleep(DECLARE_AGAIN, signal);
      }
    }
  }

  /** The way of a message that RabbitMQ shall hold; undefined: it goes to its queue now. */
  function delayedWay(message: Outgoing, now: number): Way | undefined {
    return delayOf(message, now) === 0 ? undefined : wayOf(message);
  }

  function plainLetter(message: Message): AmqpLetter {
    const letter = toLetter(message, mustArrive(message, memory));
    if (letter.mandatory) return letter;
    const key = newsKey(message.exchange, message.routingKey);
    if (!heard.has(key) && !isCommand(message, memory)) return letter;
    return { ...letter, told: (isHeard) => void heard.set(key, isHeard) };
  }

  function lettersOf(message: Outgoing, now: number): readonly AmqpLetter[] {
    const way = delayedWay(message, now);
    if (way === undefined) return [plainLetter(message)];
    const keys = way.kind === 'queues' ? way.queues.map(directName) : [message.routingKey];
    const delay = delayOf(message, now);
    return keys.map((key) => toDelayedLetter(message, entryExchange(delay), delayKey(delay, key)));
  }

  async function collect(
    messages: readonly Outgoing[],
    signal: AbortSignal,
  ): Promise<{ jobs: Job[]; failures: PublishFailure[] }> {
    const failures: PublishFailure[] = [];
    const began = Date.now() / 1000;
    for (const [index, message] of messages.entries()) {
      try {
        const way = delayedWay(message, began);
        if (way !== undefined) await prepare(way, signal);
      } catch (cause) {
        failures.push({ index, stored: 'no', cause });
      }
    }
    const failed = new Set(failures.map(({ index }) => index));
    // On a fresh server the preparation takes seconds, which are over by now: the messages have to wait only for the rest.
    const now = Date.now() / 1000;
    const jobs = messages.flatMap((message, index) =>
      failed.has(index) ? [] : lettersOf(message, now).map((letter): Job => ({ index, letter })),
    );
    return { jobs, failures };
  }

  async function sendPlain(messages: readonly Outgoing[], signal: AbortSignal): Promise<void> {
    await publisher.publish(messages.map(plainLetter), signal);
  }

  async function sendDelayed(messages: readonly Outgoing[], signal: AbortSignal): Promise<void> {
    const { jobs, failures } = await collect(messages, signal);
    try {
      await publisher.publish(
        jobs.map((job) => job.letter),
        signal,
      );
    } catch (error) {
      if (!(error instanceof PublishError)) throw error;
      for (const failure of error.failures) failures.push({ ...failure, index: jobs[failure.index]?.index ?? failure.index });
    }
    const first = failures[0]?.cause;
    if (failures.length === 0) return;
    const why = first instanceof Error ? first.message : String(first);
    throw new PublishError(`RabbitMQ did not take ${failures.length} of ${messages.length} messages: ${why}`, failures, {
      cause: first,
      transient: failures.some(({ cause }) => !(cause instanceof LovageError) || cause.transient),
    });
  }

  return {
    get holds() {
      return holds;
    },
    send: (messages, signal) =>
      (messages.some((message) => message.dueAt !== undefined) ? sendDelayed : sendPlain)(messages, signal),
    audience: (exchange, routingKey) => {
      const key = newsKey(exchange, routingKey);
      if (heard.size >= MAX_FOLLOWED && !heard.has(key)) heard.clear();
      // From now on it is looked at.
      if (!heard.has(key)) heard.set(key, undefined);
      return heard.get(key) === false ? 0 : undefined;
    },
    forgetWays: () => {
      led = new WeakMap();
    },
  };
}

function newsKey(exchange: string, routingKey: string): string {
  return `${exchange}\0${routingKey}`;
}

/** Whole seconds for which RabbitMQ is to hold it. */
function delayOf({ dueAt }: Outgoing, now: number): number {
  return dueAt === undefined ? 0 : wholeDelay(dueAt - now);
}

/** What is said to all workers: whoever sends it waits for answers. */
function isCommand({ exchange }: Message, memory: TopologyMemory): boolean {
  return exchange.endsWith('.pidbox') && memory.exchangeType(exchange) === 'fanout';
}

/** Nobody need listen to a broadcast, and nobody need watch a topic whose news are transient (events); everything else must find a queue. */
function mustArrive(message: Message, memory: TopologyMemory): boolean {
  if (message.exchange === '') return true;
  if (message.exchange.endsWith('.pidbox')) return false;
  const type = memory.exchangeType(message.exchange);
  return type !== 'fanout' && !(type === 'topic' && message.properties.deliveryMode === TRANSIENT);
}
