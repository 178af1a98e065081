// Marks: how a message that came again is known to have been started or not. RabbitMQ says only that somebody held it: a worker that died
// of it, or a line that was cut while it was on its way, again and again. The message stays as it is; its starts are written beside it.
//
// its n-th start since it came again, or was given back → the mark `lovage.start.<key>.<n>` is declared (an empty queue; twice is once)
// came again → its marks are counted: so often it was started · its end → they are deleted
import { createHash } from 'node:crypto';
import { type AmqpConnection, QueueNotFoundError, uuid } from '../../util/index.ts';
import type { Delivery, Message } from '../seam.ts';
import { MARK_HEADER, startsOf } from './letters.ts';
import { leading, type Send } from './questions.ts';
import { onChannel, type Run } from './topology.ts';

const MARK_PREFIX = 'lovage.start.';
/** A mark that was not declared again for so long (ms) is gone, and its start forgotten. It outlives the longest task. */
const MARK_LIFE = 7 * 86_400_000;
/** Channels on which marks are asked for by name. */
const ASKING_CHANNELS = 8;
const KEY = /^[0-9a-f-]{36}$/;
/** Most starts in vain that are remembered. Their messages may come to another worker, and nobody says so here. */
const MOST_IN_VAIN = 10_000;

/** The n-th start of one message. */
export interface Start {
  readonly key: string;
  /** From 1 on; less: it is not marked, see `before`. */
  readonly number: number;
}

const queueOf = ({ key, number }: Start): string => `${MARK_PREFIX}${key}.${number}`;

/** The key of what was given back. It has starts, or its first delivery would not be marked. */
function givenKey(message: Message): string | undefined {
  const { headers } = message;
  const key = headers[MARK_HEADER];
  return typeof key === 'string' && KEY.test(key) && startsOf(message) > 0 ? key : undefined;
}

/** Names what came again as it will be named when it comes once more. Copies of one message are one. */
function keyOf(delivery: Delivery): string {
  const given = givenKey(delivery);
  if (given !== undefined) return given;
  const { id, retries, replaced_task_nesting } = delivery.headers;
  const plain = [id, retries, replaced_task_nesting].map((value) =>
    typeof value === 'string' || typeof value === 'number' ? value : null,
  );
  const hash = createHash('sha256').update(JSON.stringify([delivery.queue, ...plain, startsOf(delivery)]));
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

/** Those that may be marked of a message: the start that this delivery is for, and those before. */
export function startsUntil(delivery: Delivery): readonly Start[] {
  const { key, number } = startOf(delivery);
  return Array.from({ length: Math.max(0, number) }, (_, before) => ({ key, number: before + 1 }));
}

/** Which of these are marked. */
export type Ask = (starts: readonly Start[]) => Promise<readonly boolean[]>;

/** These messages came again: with their `attempts`, as many as there are marks. Throws what `ask` does. */
export async function counted(again: readonly Delivery[], ask: Ask): Promise<readonly Delivery[]> {
  const found = again.map((delivery) => ({ delivery, key: keyOf(delivery), marks: 0 }));
  for (let open = found; open.length > 0; ) {
    const there = await ask(open.map(({ key, marks }) => ({ key, number: marks + 1 })));
    open = open.filter((_, index) => there[index]);
    for (const one of open) one.marks++;
  }
  return found.map(({ delivery, marks }) => ({ ...delivery, attempts: 1 + before(delivery) + marks }));
}

/** Asks for all at once, by letters that are dropped where they arrive and come back where there is no queue. */
export function askByLetter(send: Send, signal: AbortSignal): Ask {
  return (starts) =>
    leading(
      starts.map((start) => ({ exchange: '', routingKey: queueOf(start), expiration: '0' })),
      send,
      signal,
    );
}

/** Asks for one after the other, on a few channels. Each that is not there closes one, and writes two lines into the log of the server; but it works during an alarm. */
export function askByName(connection: AmqpConnection): Ask {
  const some = (starts: readonly Start[]): Promise<readonly boolean[]> =>
    onChannel(connection, async (run) => {
      const there: boolean[] = [];
      for (const start of starts) {
        try {
          await run('A mark', (channel) => channel.checkQueue(queueOf(start)));
          there.push(true);
        } catch (error) {
          if (!(error instanceof QueueNotFoundError)) throw error;
          there.push(false);
        }
      }
      return there;
    });
  return async (starts) => {
    const each = Math.ceil(starts.length / ASKING_CHANNELS);
    const lots = Array.from({ length: ASKING_CHANNELS }, (_, at) => starts.slice(at * each, (at + 1) * each));
    return (await Promise.all(lots.map(some))).flat();
  };
}

/** What expires in it goes nowhere, whatever a policy says of dead letters. */
const MARK = {
  durable: true,
  arguments: {
    'x-queue-type': 'classic',
    'x-expires': MARK_LIFE,
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': 'lovage.nowhere',
  },
} as const;

/**
 * Those before are declared once more, which renews them. Nothing is declared any more once it is not `wanted`. Throws BrokerError:
 * BrokerConnectionError, or where RabbitMQ refuses it.
 */
export async function mark(run: Run, starts: readonly Start[], wanted: () => boolean = () => true): Promise<void> {
  for (const start of starts)
    await run('A mark', async (channel) => void (wanted() && (await channel.assertQueue(queueOf(start), MARK))));
}

/** Deletes these marks. Throws BrokerError. */
export async function forget(run: Run, starts: readonly Start[]): Promise<void> {
  for (const start of starts) await run('A mark', (channel) => channel.deleteQueue(queueOf(start)));
}

/** Starts that may be marked and were not made: the last of each key. Of many the oldest is forgotten; its message then counts as started. */
export class StartsInVain {
  readonly #numbers = new Map<string, number>();

  add({ key, number }: Start): void {
    this.#numbers.set(key, number);
    const [oldest] = this.#numbers.keys();
    if (this.#numbers.size > MOST_IN_VAIN && oldest !== undefined) this.#numbers.delete(oldest);
  }

  /** Forgets what is remembered of this message, which was counted: was its last start in vain? An earlier one is another worker's by now. */
  take(counted: Delivery): boolean {
    const { key, number } = startOf(counted);
    const inVain = this.#numbers.get(key) === number - 1;
    this.#numbers.delete(key);
    return inVain;
  }
}
