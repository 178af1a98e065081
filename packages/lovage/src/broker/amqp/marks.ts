// Marks: how a message that came again is known to have been started or not. RabbitMQ says only that somebody held it: a worker that died
// of it, or a line that was cut while it was on its way, again and again. The message stays as it is; its starts are written beside it.
//
// its n-th start since it came again, or was given back → the mark `lovage.start.<key>.<n>` is declared (an empty queue; twice is once)
// came again → its marks are counted: so often it was started · its end → they are deleted
import { createHash } from 'node:crypto';
import { type AmqpConnection, PublishError, QueueNotFoundError, uuid } from '../../util/index.ts';
import type { Delivery, Message, Outgoing } from '../seam.ts';
import { MARK_HEADER, startsOf } from './letters.ts';
import { onChannel } from './topology.ts';

const MARK_PREFIX = 'lovage.start.';
/** A mark that nobody has asked for so long (ms) is gone, and its start forgotten. It outlives the longest task. */
const MARK_LIFE = 7 * 86_400_000;
const KEY = /^[0-9a-f-]{36}$/;
/** Most starts in vain that are remembered. Their messages may come to another worker, and nobody says so here. */
const MOST_IN_VAIN = 10_000;

/** The n-th start of one message. */
export interface Start {
  readonly key: string;
  /** From 1 on; less: RabbitMQ's word has to do for it, see `startOf`. */
  readonly number: number;
}

const queueOf = ({ key, number }: Start): string => `${MARK_PREFIX}${key}.${number}`;

function givenKey({ headers }: Message): string | undefined {
  const key = headers[MARK_HEADER];
  return typeof key === 'string' && KEY.test(key) ? key : undefined;
}

/** Names what came again as it will be named when it comes once more. Copies of one message are one. */
function keyOf(delivery: Delivery): string {
  const given = givenKey(delivery);
  if (given !== undefined) return given;
  const { id, retries } = delivery.headers;
  const hash = createHash('sha256').update(JSON.stringify([delivery.queue, id ?? null, retries ?? null, startsOf(delivery)]));
  // Only of what is no task's, or of one in the first protocol.
  if (typeof id !== 'string') hash.update(delivery.body);
  return hash.digest('hex').slice(0, 32);
}

/** Starts before the first that is marked. No first delivery is marked, which would cost each task a declaration: what came again had one. */
function before(delivery: Delivery): number {
  return startsOf(delivery) + (givenKey(delivery) === undefined ? 1 : 0);
}

/** The start that this delivery is for. */
export function startOf(delivery: Delivery): Start {
  return { key: keyOf(delivery), number: delivery.attempts - before(delivery) };
}

/** A copy that goes back with its starts in the header: with a key of its own those that follow are marked, too, the first included. */
export function withKey<Copy extends Message>(copy: Copy): Copy {
  // What was never started needs that as little as what is new.
  if (startsOf(copy) === 0) return withoutKey(copy);
  return { ...copy, headers: { ...copy.headers, [MARK_HEADER]: uuid() } };
}

/** A copy that counts as started when it comes again. */
export function withoutKey<Copy extends Message>(copy: Copy): Copy {
  const { [MARK_HEADER]: _, ...headers } = copy.headers;
  return { ...copy, headers };
}

/** Publishes, on a line of its own. */
export type Send = (messages: readonly Outgoing[], signal: AbortSignal) => Promise<void>;

/** Dropped at once where it arrives. */
const QUESTION = {
  exchange: '',
  headers: {},
  properties: { contentType: 'application/data', contentEncoding: 'binary', deliveryMode: 1, expiration: '0' },
  body: Buffer.alloc(0),
} as const;

/**
 * Which of these marks are there: RabbitMQ sends back what leads to no queue. Asking for the queues themselves would close a channel for each
 * that is not there, and write two lines into the log of the server.
 */
async function areThere(starts: readonly Start[], send: Send, signal: AbortSignal): Promise<readonly boolean[]> {
  try {
    await send(
      starts.map((start) => ({ ...QUESTION, routingKey: queueOf(start) })),
      signal,
    );
    return starts.map(() => true);
  } catch (error) {
    if (!(error instanceof PublishError)) throw error;
    const unknown = error.failures.find(({ cause }) => !(cause instanceof QueueNotFoundError));
    if (unknown !== undefined) throw unknown.cause;
    const missing = new Set(error.failures.map(({ index }) => index));
    return starts.map((_, index) => !missing.has(index));
  }
}

/** These messages came again: with their `attempts`, as many as there are marks. Throws what `send` does. */
export async function counted(again: readonly Delivery[], send: Send, signal: AbortSignal): Promise<readonly Delivery[]> {
  const found = again.map((delivery) => ({ delivery, key: keyOf(delivery), marks: 0 }));
  for (let open = found; open.length > 0; ) {
    const next = open.map(({ key, marks }): Start => ({ key, number: marks + 1 }));
    const there = await areThere(next, send, signal);
    open = open.filter((_, index) => there[index]);
    for (const one of open) one.marks++;
  }
  return found.map(({ delivery, marks }) => ({ ...delivery, attempts: 1 + before(delivery) + marks }));
}

/** Throws BrokerError: BrokerConnectionError, or where RabbitMQ refuses it. */
export async function mark(connection: AmqpConnection, start: Start): Promise<void> {
  const options = { durable: true, arguments: { 'x-queue-type': 'classic', 'x-expires': MARK_LIFE } };
  await onChannel(connection, (run) => run('A mark', (channel) => channel.assertQueue(queueOf(start), options)));
}

/** Deletes the marks of these, and of their starts before. Throws BrokerError. */
export async function forget(connection: AmqpConnection, starts: readonly Start[]): Promise<void> {
  if (starts.length === 0) return;
  await onChannel(connection, async (run) => {
    for (const { key, number: last } of starts)
      for (let number = last; number > 0; number--)
        await run('A mark', (channel) => channel.deleteQueue(queueOf({ key, number })));
  });
}

/** Starts that may be marked and were not made: the last of each key. Of many the oldest is forgotten; its message then counts as started. */
export class StartsInVain {
  readonly #numbers = new Map<string, number>();

  add({ key, number }: Start): void {
    this.#numbers.set(key, number);
    const [oldest] = this.#numbers.keys();
    if (this.#numbers.size > MOST_IN_VAIN && oldest !== undefined) this.#numbers.delete(oldest);
  }

  /** Takes those out that are for these messages. */
  take(again: readonly Delivery[]): readonly Start[] {
    return again.flatMap((delivery) => {
      const key = keyOf(delivery);
      const number = this.#numbers.get(key);
      this.#numbers.delete(key);
      return number === undefined ? [] : [{ key, number }];
    });
  }
}
