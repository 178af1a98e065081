// Looking at dead letters and sending them again. Works on every driver: a letter is taken, its copy published, then it is acked, so
// that a death in between loses nothing. Whoever comes after such a death finds letters that were held before, and cannot know whether
// they were sent. Where the broker shows what waits, those whose copies wait are only acked. All others are sent with the mark of a message
// that may have been sent before, so that the worker which takes it asks first whether the task is over.
import { BrokerError, checkLimit, PublishError, QueueNotFoundError } from '../util/index.ts';
import { ATTEMPTS_HEADER, asRepeat, DEATH_HEADER, type Death, deadLetterQueue, readDeath } from './dead-letters.ts';
import type { Broker, Delivery, Message, Outgoing, Subscription } from './seam.ts';
import { taskIdOf } from './waiting.ts';

/** Seconds without a further letter after which those that are left are somebody else's. */
const PATIENCE = 5;
/** Seconds in which the copies of one batch have to be confirmed. */
const PUBLISH_TIMEOUT = 30;
/** Letters that are held beside those that were there, for those that come back. */
const SPARE = 100;
/** Most messages among which copies of an interrupted run are looked for: they are all read. In longer queues their mark has to do. */
const MOST_LOOKED_AT = 10_000;
/** What brokers and workers wrote about the message's earlier life. */
const PAST: ReadonlySet<string> = new Set([
  ...[DEATH_HEADER, ATTEMPTS_HEADER, 'x-lovage-mark', 'redelivered', 'x-delivery-count', 'x-death'],
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
  /** How many letters are looked at, the oldest first: a whole number above 0. @default 1000 */
  readonly limit?: number;
  /** What is sent in place of a letter that goes back, such as one with a new signature. */
  readonly renew?: (letter: Message, next: Outgoing) => Outgoing;
  /**
   * Called with a batch right before it is sent, told apart by whether an interrupted run may have sent them; what it resolves to is called
   * with those that surely were not.
   */
  readonly before?: (
    fresh: readonly DeadLetter[],
    inDoubt: readonly DeadLetter[],
  ) => Promise<(unsent: readonly DeadLetter[]) => Promise<void>>;
}

const DEFAULT_LIMIT = 1000;

/** Foreign senders may write no headers. */
const headersOf = ({ headers }: Message): Message['headers'] => (headers as Message['headers'] | null) ?? {};

const idOf = (message: Message): string | undefined => taskIdOf({ ...message, headers: headersOf(message) });

function letterOf(message: Message): DeadLetter {
  const { id, task } = headersOf(message);
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
  return (await broker.peek(deadLetterQueue(queue), checkLimit(limit, 'dead letters'))).map(letterOf);
}

/**
 * Sends dead letters of a queue to where they died, as if new; resolves to those that were sent, by this run or by one that was interrupted
 * before it could take them out. Those that cannot be sent stay, and reject it once all others are sent. Throws ConfigurationError for a
 * limit that is no whole number.
 */
export async function resendDeadLetters(
  broker: Broker,
  queue: string,
  options: ResendOptions = {},
): Promise<readonly DeadLetter[]> {
  const { renew = (_, next) => next, before } = options;
  const errors: unknown[] = [];
  let stayed = 0;
  const ids = new Set<string>();
  const sent = await takeOut(broker, queue, options, async (chosen) => {
    const all = chosen.map((delivery) => ({ delivery, isInDoubt: isInDoubt(delivery, ids), message: again(delivery, queue) }));
    const there = await waitingOf(broker, all);
    const parcels = all.filter((parcel) => !there.has(parcel)).map((parcel) => readied(parcel, renew));
    const { fresh = [], inDoubt = [] } = Object.groupBy(parcels, (parcel) => (parcel.isInDoubt ? 'inDoubt' : 'fresh'));
    const undo = await before?.(fresh.map(letterIn), inDoubt.map(letterIn));
    // One queue after the other: one that was deleted keeps its own letters back and no others.
    const groups = Map.groupBy(parcels, ({ message }) => message.routingKey);
    const ends = await Promise.all([...groups.values()].map((group) => sendGroup(broker, group, errors)));
    const gone = [...Array.from(there, ({ delivery }) => delivery), ...ends.flatMap((end) => end.gone)];
    const unsent = ends.flatMap((end) => end.unsent);
    stayed += chosen.length - gone.length;
    if (unsent.length > 0) await undo?.(unsent.map(letterOf));
    return gone;
  });
  if (errors.length === 0) return sent;
  const [error] = errors;
  throw new BrokerError(
    `${stayed} dead letters of "${queue}" were not sent and stay where they are, ${sent.length} were sent: ${error instanceof Error ? error.message : String(error)}`,
    { cause: error },
  );
}

/** A letter, and what is sent in its place. */
interface Parcel {
  readonly delivery: Delivery;
  readonly message: Outgoing;
  /** May it have been sent before? */
  readonly isInDoubt: boolean;
}

const letterIn = ({ delivery }: Parcel): DeadLetter => letterOf(delivery);

function readied(parcel: Parcel, renew: NonNullable<ResendOptions['renew']>): Parcel {
  const message = renew(parcel.delivery, parcel.message);
  return { ...parcel, message: parcel.isInDoubt ? asRepeat(message) : message };
}

/** Held before by somebody who did not finish with it, or there twice: `ids` are those of this run so far. */
function isInDoubt(delivery: Delivery, ids: Set<string>): boolean {
  const id = idOf(delivery);
  const isSecond = id !== undefined && ids.has(id);
  if (id !== undefined) ids.add(id);
  return delivery.redelivered || isSecond;
}

/** Those that wait already where they would be sent, as far as the broker shows it. */
async function waitingOf(broker: Broker, parcels: readonly Parcel[]): Promise<ReadonlySet<Parcel>> {
  const doubtful = parcels.filter(({ delivery }) => delivery.redelivered && idOf(delivery) !== undefined);
  const found = new Set<Parcel>();
  for (const [queue, group] of Map.groupBy(doubtful, ({ message }) => message.routingKey)) {
    const ids = await idsIn(broker, queue);
    for (const parcel of group) if (ids.has(idOf(parcel.delivery))) found.add(parcel);
  }
  return found;
}

/** Of what waits in a queue. None where the broker does not show it, or where there is too much of it. */
async function idsIn(broker: Broker, queue: string): Promise<ReadonlySet<string | undefined>> {
  const { ready = 0, parked = 0 } = broker.waiting === undefined ? {} : ((await broker.count(queue)) ?? {});
  // All at once: to be asked for a thousand ids costs a store far more.
  const there = ready + parked > MOST_LOOKED_AT ? [] : ((await broker.waiting?.list(queue)) ?? []);
  return new Set(there.map(({ id }) => id));
}

/** Publishes them; answers those that are surely stored, and those that surely are not. */
async function sendGroup(
  broker: Broker,
  group: readonly Parcel[],
  errors: unknown[],
): Promise<{ readonly gone: readonly Delivery[]; readonly unsent: readonly Delivery[] }> {
  const deliveries = group.map(({ delivery }) => delivery);
  try {
    await broker.publish(
      group.map(({ message }) => message),
      { signal: AbortSignal.timeout(PUBLISH_TIMEOUT * 1000) },
    );
    return { gone: deliveries, unsent: [] };
  } catch (error) {
    errors.push(error);
    if (!(error instanceof PublishError)) return { gone: [], unsent: [] };
    const failed = new Map(error.failures.map(({ index, stored }) => [index, stored]));
    return {
      gone: deliveries.filter((_, index) => !failed.has(index)),
      unsent: deliveries.filter((_, index) => failed.get(index) === 'no'),
    };
  }
}

/** Deletes dead letters of a queue; resolves to those that were deleted. */
export function discardDeadLetters(
  broker: Broker,
  queue: string,
  options: Omit<ResendOptions, 'before' | 'renew'> = {},
): Promise<readonly DeadLetter[]> {
  return takeOut(broker, queue, options, async (chosen) => chosen);
}

/**
 * Takes the chosen ones out, in batches, those that `first` resolves to; the others are put back as they were. Letters that a
 * program held which died (an earlier run of this) come back while we wait, and are looked at too.
 */
async function takeOut(
  broker: Broker,
  queue: string,
  { where = () => true, limit = DEFAULT_LIMIT }: ResendOptions,
  first: (chosen: readonly Delivery[]) => Promise<readonly Delivery[]>,
): Promise<readonly DeadLetter[]> {
  checkLimit(limit, 'dead letters');
  const dead = deadLetterQueue(queue);
  const { ready, held } = await countOf(broker, dead);
  const most = Math.min(ready + (held ?? 0), limit);
  if (most === 0) return [];
  await using subscription = await subscribe(broker, dead, Math.min(most + SPARE, limit));
  // Not more than there were: what dies meanwhile is for the next time. RabbitMQ does not tell what others hold.
  const isOld = (at: number, { redelivered }: Delivery): boolean =>
    at < limit && (at < ready || (redelivered && at < ready + (held ?? Number.POSITIVE_INFINITY)));
  const sent: DeadLetter[] = [];
  let seen = 0;
  let passed = 0;
  for await (const batch of patiently(subscription)) {
    const old = batch.filter((delivery, index) => isOld(seen + index, delivery));
    const chosen = old.map((delivery) => ({ delivery, letter: letterOf(delivery) })).filter(({ letter }) => where(letter));
    let gone: readonly Delivery[] = [];
    if (chosen.length > 0) {
      gone = await first(chosen.map(({ delivery }) => delivery));
      await subscription.settle(gone.map((delivery) => ({ verdict: 'ack', delivery })));
      sent.push(...chosen.filter(({ delivery }) => gone.includes(delivery)).map(({ letter }) => letter));
    }
    seen += batch.length;
    passed += old.length - gone.length;
    if (seen >= limit || old.length < batch.length) break;
    if (seen < ready) continue;
    const left = await countOf(broker, dead);
    if (left.ready === 0 && (left.held ?? 0) <= passed) break;
  }
  return sent;
}

async function countOf(broker: Broker, queue: string): Promise<{ readonly ready: number; readonly held: number | undefined }> {
  const { ready = 0, held } = (await broker.count(queue)) ?? {};
  return { ready, held };
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
  const { properties, body } = delivery;
  const kept = Object.entries(headersOf(delivery)).filter(([name]) => !PAST.has(name));
  // By its own name: what it was sent through may lead to other queues, too.
  const routingKey = readDeath(delivery)?.origin.queue || queue;
  return { exchange: '', routingKey, headers: Object.fromEntries(kept), properties, body };
}
