// Looking at dead letters and sending them again. Works on every driver: a letter is taken, its copy published, then it is acked, so
// that a death in between doubles it at most.
import { BrokerError, QueueNotFoundError } from '../util/index.ts';
import { ATTEMPTS_HEADER, DEATH_HEADER, type Death, deadLetterQueue, readDeath } from './dead-letters.ts';
import type { Broker, Delivery, Message, Outgoing, Subscription } from './seam.ts';

/** Seconds without a further letter after which those that are left are somebody else's. */
const PATIENCE = 5;
/** Seconds in which the copies of one batch have to be confirmed. */
const PUBLISH_TIMEOUT = 30;
/** What brokers and workers wrote about the message's earlier life. */
const PAST: ReadonlySet<string> = new Set([
  ...[DEATH_HEADER, ATTEMPTS_HEADER, 'redelivered', 'x-delivery-count', 'x-death'],
  ...['exchange', 'queue', 'reason'].flatMap((part) => [`x-first-death-${part}`, `x-last-death-${part}`]),
]);

/** A message among the dead, as far as it can be read. */
export interface DeadLetter {
  /** Task id. */
  readonly id: string | undefined;
  /** Task name. */
  readonly task: string | undefined;
  /** Why it died; undefined when the message does not tell. */
  readonly death: Death | undefined;
  readonly message: Message;
}

export interface ResendOptions {
  /** Only these. @default all */
  readonly where?: (letter: DeadLetter) => boolean;
  /** How many letters are looked at, the oldest first. @default 1000 */
  readonly limit?: number;
  /** What is sent in place of a letter that goes back, such as one with a new signature. */
  readonly renew?: (letter: Message, next: Outgoing) => Outgoing;
  /** Called with a batch right before it is sent. */
  readonly before?: (letters: readonly DeadLetter[]) => Promise<void>;
}

const DEFAULT_LIMIT = 1000;

function letterOf(message: Message): DeadLetter {
  const { id, task } = message.headers;
  return {
    id: typeof id === 'string' ? id : undefined,
    task: typeof task === 'string' ? task : undefined,
    death: readDeath(message),
    message,
  };
}

/** The dead letters of a queue, the oldest first. */
export async function listDeadLetters(
  broker: Broker,
  queue: string,
  limit: number = DEFAULT_LIMIT,
): Promise<readonly DeadLetter[]> {
  return (await broker.peek(deadLetterQueue(queue), limit)).map(letterOf);
}

/** Sends dead letters of a queue to where they died, as if new; resolves to those that were sent. */
export function resendDeadLetters(broker: Broker, queue: string, options: ResendOptions = {}): Promise<readonly DeadLetter[]> {
  const { renew = (_, next) => next } = options;
  return takeOut(broker, queue, options, (chosen) =>
    broker.publish(
      chosen.map((delivery) => renew(delivery, again(delivery, queue))),
      { signal: AbortSignal.timeout(PUBLISH_TIMEOUT * 1000) },
    ),
  );
}

/** Deletes dead letters of a queue; resolves to those that were deleted. */
export function discardDeadLetters(
  broker: Broker,
  queue: string,
  options: Omit<ResendOptions, 'before' | 'renew'> = {},
): Promise<readonly DeadLetter[]> {
  return takeOut(broker, queue, options, async () => undefined);
}

/** Takes the chosen ones out, in batches, each once `first` has resolved for it; the others are put back as they were. */
async function takeOut(
  broker: Broker,
  queue: string,
  { where = () => true, limit = DEFAULT_LIMIT, before }: ResendOptions,
  first: (chosen: readonly Delivery[]) => Promise<void>,
): Promise<readonly DeadLetter[]> {
  const dead = deadLetterQueue(queue);
  const ready = (await broker.count(dead))?.ready ?? 0;
  const most = Math.min(ready, limit);
  if (most === 0) return [];
  await using subscription = await subscribe(broker, dead, most);
  const sent: DeadLetter[] = [];
  let seen = 0;
  for await (const batch of patiently(subscription)) {
    seen += batch.length;
    const chosen = batch.map((delivery) => ({ delivery, letter: letterOf(delivery) })).filter(({ letter }) => where(letter));
    const letters = chosen.map(({ letter }) => letter);
    await before?.(letters);
    await first(chosen.map(({ delivery }) => delivery));
    await subscription.settle(chosen.map(({ delivery }) => ({ verdict: 'ack', delivery })));
    sent.push(...letters);
    if (seen >= most) break;
  }
  return sent;
}

async function subscribe(broker: Broker, queue: string, prefetch: number): Promise<Subscription> {
  try {
    return await broker.subscribe([queue], { prefetch, node: 'lovage@redrive' });
  } catch (error) {
    if (!(error instanceof QueueNotFoundError)) throw error;
    throw new BrokerError(`The queue "${queue}" was deleted while its letters were being sent again.`, { cause: error });
  }
}

/** Batches until none comes for so many seconds, or until the signal. */
export async function* patiently(
  subscription: Subscription,
  patience: number = PATIENCE,
  signal?: AbortSignal,
): AsyncGenerator<readonly Delivery[]> {
  const batches = subscription[Symbol.asyncIterator]();
  while (signal?.aborted !== true) {
    const late = Promise.withResolvers<undefined>();
    const end = (): void => late.resolve(undefined);
    // Kept alive by the wait itself, however long it is.
    const timer = setTimeout(end, Number.isFinite(patience) ? patience * 1000 : 2 ** 31 - 1);
    signal?.addEventListener('abort', end, { once: true });
    const next = batches.next();
    const batch = await Promise.race([next, late.promise]).finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
    });
    // Disposing the subscription ends the wait that is left.
    next.catch(() => undefined);
    if (batch === undefined || batch.done === true) return;
    yield batch.value;
  }
}

function again(delivery: Delivery, queue: string): Outgoing {
  const { headers, properties, body } = delivery;
  const kept = Object.entries(headers).filter(([name]) => !PAST.has(name));
  // By its own name: what it was sent through may lead to other queues, too.
  const routingKey = readDeath(delivery)?.origin.queue || queue;
  return { exchange: '', routingKey, headers: Object.fromEntries(kept), properties, body };
}
