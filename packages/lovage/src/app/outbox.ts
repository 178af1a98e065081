// The way out: messages of one turn of the event loop leave in one publish, within one deadline. What surely was not stored is tried
// again; what may have been stored never is. The only place that decides whether a publish is repeated.
import type { Broker, Outgoing } from '../broker/index.ts';
import {
  BrokerConnectionError,
  BrokerFullError,
  batcher,
  deadline,
  LovageError,
  orAborted,
  PublishError,
  type PublishFailure,
  QueueNotFoundError,
  sleep,
} from '../util/index.ts';
import type { Declarations } from './declarations.ts';
import type { PublishRetryPolicy } from './settings.ts';

/** One message and the queue to declare before it. */
export interface Parcel {
  readonly message: Outgoing;
  readonly queue: string | undefined;
}

/** What the outbox needs of the app. */
export interface OutboxHost {
  broker(): Promise<Broker>;
  readonly declarations: Declarations;
  readonly policy: PublishRetryPolicy;
}

export interface DeliverOptions {
  readonly signal: AbortSignal;
  readonly retry: boolean;
}

/** Messages in one publish. */
const MAX_BATCH = 1000;
/** Messages whose ages differ by no more than this part of the time they have go out together. */
const SAME_AGE = 1 / 8;

/** How a message fared: undefined when the broker has it. */
type Fate = PublishFailure | undefined;

interface Try {
  /** What is still to be sent, with its place in the answer. */
  readonly waiting: readonly number[];
  readonly fates: readonly Fate[];
}

/** Sends every parcel; answers with the failure of each, or undefined where the broker has it. Never rejects. */
export async function deliver(parcels: readonly Parcel[], host: OutboxHost, options: DeliverOptions): Promise<readonly Fate[]> {
  const fates: Fate[] = parcels.map(() => undefined);
  let waiting: readonly number[] = parcels.map((_, index) => index);
  for (let attempt = 0; waiting.length > 0; attempt++) {
    const tried = await once(parcels, waiting, host, options.signal);
    for (const [at, index] of waiting.entries()) fates[index] = tried.fates[at];
    waiting = tried.waiting;
    const again = options.retry && !options.signal.aborted && attempt < (host.policy.maxRetries ?? Number.POSITIVE_INFINITY);
    if (!again || waiting.length === 0) break;
    await sleep(pause(attempt, host.policy), options.signal).catch(() => undefined);
    if (options.signal.aborted) break;
  }
  return fates;
}

/** Seconds before repeat number `attempt` (0 is the first). */
export function pause(attempt: number, policy: PublishRetryPolicy): number {
  const { intervalStart = 0, intervalStep = 0.2, intervalMax = 1 } = policy;
  return Math.min(intervalMax, intervalStart + attempt * intervalStep);
}

async function once(parcels: readonly Parcel[], indexes: readonly number[], host: OutboxHost, signal: AbortSignal): Promise<Try> {
  const chosen = indexes.map((index) => parcels[index]).filter((parcel) => parcel !== undefined);
  let fates: readonly Fate[];
  try {
    signal.throwIfAborted();
    const broker = await orAborted(host.broker(), signal);
    const queues = new Set(chosen.map(({ queue }) => queue).filter((queue) => queue !== undefined));
    const undeclared = await host.declarations.ensure(broker, queues, signal);
    fates = await publish(broker, chosen, undeclared, signal);
    forgetMissing(chosen, fates, host.declarations);
  } catch (error) {
    // Nothing was handed to the broker yet.
    fates = chosen.map((_, index) => ({ index, stored: 'no', cause: error }));
  }
  return { fates, waiting: indexes.filter((_, at) => worthARepeat(fates[at])) };
}

/** Publishes what has its queue; the rest fails with the reason of its declaration. */
async function publish(
  broker: Broker,
  parcels: readonly Parcel[],
  undeclared: ReadonlyMap<string, unknown>,
  signal: AbortSignal,
): Promise<readonly Fate[]> {
  const fates: Fate[] = parcels.map(({ queue }, index) =>
    queue !== undefined && undeclared.has(queue) ? { index, stored: 'no', cause: undeclared.get(queue) } : undefined,
  );
  const ready = parcels.map((_, index) => index).filter((index) => fates[index] === undefined);
  if (ready.length === 0) return fates;
  try {
    const messages = ready.flatMap((index) => parcels[index]?.message ?? []);
    // The driver keeps the deadline itself; should it fail to, the caller is not kept waiting.
    await orAborted(broker.publish(messages, { signal }), signal);
  } catch (error) {
    for (const failure of failuresOf(error, ready.length)) {
      const index = ready[failure.index];
      if (index !== undefined) fates[index] = { ...failure, index };
    }
  }
  return fates;
}

function failuresOf(error: unknown, count: number): readonly PublishFailure[] {
  if (error instanceof PublishError) return error.failures;
  const stored = error instanceof BrokerFullError ? 'no' : 'unknown';
  return Array.from({ length: count }, (_, index) => ({ index, stored, cause: error }));
}

/** A queue that was declared and is gone (somebody deleted it) is declared anew by the repeat. */
function forgetMissing(parcels: readonly Parcel[], fates: readonly Fate[], declarations: Declarations): void {
  for (const fate of fates) {
    const queue = fate?.cause instanceof QueueNotFoundError ? parcels[fate.index]?.queue : undefined;
    if (queue !== undefined) declarations.forget(queue);
  }
}

function worthARepeat(fate: Fate): boolean {
  if (fate === undefined || fate.stored !== 'no') return false;
  return fate.cause instanceof QueueNotFoundError || (fate.cause instanceof LovageError && fate.cause.transient);
}

/** A parcel, and when it was given (performance.now()): its time runs from then, however long it waits for those before it. */
interface Waiting {
  readonly parcel: Parcel;
  readonly since: number;
}

/** Parcels that go out together, and the index of the first of them in its batch. */
interface Group {
  readonly first: number;
  readonly group: Waiting[];
}

/** Joins the parcels of one turn into one delivery. */
export function createOutbox(
  host: () => OutboxHost,
  limits: () => { readonly timeout: number; readonly retry: boolean },
): (parcel: Parcel) => Promise<Fate> {
  const join = batcher(
    async (waiting: readonly Waiting[], answer: (index: number, fate: Fate) => void) => {
      const { timeout, retry } = limits();
      const fates = await Promise.all(
        ofOneAge(waiting, timeout).map(async ({ first, group }) => {
          const waited = (performance.now() - (group[0]?.since ?? 0)) / 1000;
          using limit = publishDeadline(timeout, undefined, waited);
          const parcels = group.map(({ parcel }) => parcel);
          // Awaited here: the deadline ends with this function.
          const own = await deliver(parcels, host(), { signal: limit.signal, retry });
          for (const [index, fate] of own.entries()) answer(first + index, fate);
          return own;
        }),
      );
      return fates.flat();
    },
    { maxSize: MAX_BATCH },
  );
  return (parcel) => join({ parcel, since: performance.now() });
}

/** Usually all of a batch are one group. Behind a broker that stands still old and new ones gather, and each keeps its own deadline. */
function ofOneAge(waiting: readonly Waiting[], timeout: number): readonly Group[] {
  const step = timeout * 1000 * SAME_AGE;
  const groups: Group[] = [];
  for (const [index, entry] of waiting.entries()) {
    const last = groups.at(-1);
    const oldest = last?.group[0]?.since ?? Number.NEGATIVE_INFINITY;
    if (entry.since - oldest <= step) last?.group.push(entry);
    else groups.push({ first: index, group: [entry] });
  }
  return groups;
}

/** The one deadline of a publish, of which `waited` seconds are over. Its timer keeps the process alive: a program must not end before its messages are out. */
export function publishDeadline(
  seconds: number,
  parent: AbortSignal | undefined,
  waited: number = 0,
): ReturnType<typeof deadline> {
  return deadline(
    Math.max(0, seconds - waited),
    () => new BrokerConnectionError(`The broker did not confirm within ${seconds} s (taskPublishTimeout).`),
    parent,
    { ref: true },
  );
}

/** The error of a publish that failed for some of its messages. One reason for all that is not a matter of the line is thrown as it is. */
export function publishError(what: string, fates: readonly Fate[]): Error | undefined {
  const failures = fates.flatMap((fate, index) => (fate === undefined ? [] : [{ ...fate, index }]));
  const [first] = failures;
  if (first === undefined) return undefined;
  const permanent = first.cause instanceof LovageError && !first.cause.transient ? first.cause : undefined;
  if (permanent !== undefined && failures.every(({ cause }) => cause === permanent)) return permanent;
  const reason = first.cause instanceof Error ? first.cause.message : String(first.cause);
  const safe = failures.every(({ stored }) => stored === 'no');
  const advice = safe
    ? 'None of it was stored: sending again is safe.'
    : 'It may have been stored: send again only under the same taskId.';
  const count = fates.length === 1 ? '' : ` (${failures.length} of ${fates.length} messages)`;
  return new PublishError(`${what} was not published${count}: ${reason} ${advice}`, failures, {
    cause: first.cause,
    transient: permanent === undefined,
  });
}
