// The way out: messages of one turn of the event loop leave in one publish, within one deadline. What surely was not stored is tried
// again; what may have been stored is not: it is reported so, and the caller decides. (Below this, util/amqp-publisher writes unconfirmed
// messages again on a new line before it reports: same message, same id.)
import type { Broker, Outgoing } from '../broker/index.ts';
import type { Declarable } from '../task/index.ts';
import {
  BrokerConnectionError,
  BrokerFullError,
  deadline,
  LovageError,
  orAborted,
  PublishError,
  type PublishFailure,
  QueueNotFoundError,
  reasonOf,
  sleep,
} from '../util/index.ts';
import { type Declarations, keyOfDeclarable, type Wanted } from './declarations.ts';
import type { PublishRetryPolicy } from './settings.ts';

/** One message and the queue to declare before it, or what its caller wants declared instead. */
export interface Parcel {
  readonly message: Outgoing;
  readonly queue: string | undefined;
  readonly declare?: readonly Declarable[];
}

/** What the outbox needs of the app. */
export interface OutboxHost {
  /** The broker itself once it is open. */
  broker(): Broker | Promise<Broker>;
  readonly declarations: Declarations;
  readonly policy: PublishRetryPolicy;
}

export interface DeliverOptions {
  readonly signal: AbortSignal;
  readonly retry: boolean;
}

/** Messages in one publish: so many that its own cost is shared out, so few that the broker works on the first while the next are encoded. */
const MAX_BATCH = 250;
/**
 * So many leave at once while nothing is under way: the broker has its first work early, and calls that answers let go come in two halves.
 * Not before the broker has answered once: what waits for it to open could be overtaken.
 */
const FIRST_BATCH = 64;
/** Publishes under way before what is no full batch waits, and joins. */
const MAX_UNDER_WAY = 2;
/** Messages whose ages differ by no more than this part of the time they have go out together. */
const SAME_AGE = 1 / 8;

/** How a message fared: undefined when the broker has it. */
export type Fate = PublishFailure | undefined;

/** The fates of any number of messages that all arrived. */
const ALL_WELL: readonly Fate[] = Object.freeze([]);

/** Sends every parcel; answers with the failure of each by its place, and nothing there where the broker has it. Never rejects. */
export async function deliver(parcels: readonly Parcel[], host: OutboxHost, options: DeliverOptions): Promise<readonly Fate[]> {
  const first = await once(parcels, host, options.signal);
  if (first === ALL_WELL) return first;
  const fates = parcels.map((_, index) => first[index]);
  for (let attempt = 0; ; attempt++) {
    const waiting = [...fates.keys()].filter((index) => worthARepeat(fates[index]));
    const again = options.retry && !options.signal.aborted && attempt < (host.policy.maxRetries ?? Number.POSITIVE_INFINITY);
    if (!again || waiting.length === 0) return fates;
    await sleep(pause(attempt, host.policy), options.signal).catch(() => undefined);
    if (options.signal.aborted) return fates;
    const repeated = waiting.flatMap((index) => parcels[index] ?? []);
    const tried = await once(repeated, host, options.signal);
    for (const [at, index] of waiting.entries()) fates[index] = tried[at];
  }
}

/** Seconds before repeat number `attempt` (0 is the first). */
export function pause(attempt: number, policy: PublishRetryPolicy): number {
  const { intervalStart = 0, intervalStep = 0.2, intervalMax = 1 } = policy;
  return Math.min(intervalMax, intervalStart + attempt * intervalStep);
}

/** One try. What is ready is not waited for: a publish on an open line is on the wire before this returns. */
function once(parcels: readonly Parcel[], host: OutboxHost, signal: AbortSignal): Promise<readonly Fate[]> {
  try {
    signal.throwIfAborted();
    const broker = host.broker();
    const declaring = broker instanceof Promise ? undefined : host.declarations.ensure(broker, wantedBy(parcels), signal);
    if (!(broker instanceof Promise) && declaring === undefined) return publish(broker, parcels, host, signal);
    return declareAndPublish(broker, declaring, parcels, host, signal);
  } catch (error) {
    return Promise.resolve(unsent(parcels, error));
  }
}

/** Nothing was handed to the broker yet. */
function unsent(parcels: readonly Parcel[], cause: unknown): readonly Fate[] {
  return parcels.map((_, index) => ({ index, stored: 'no', cause }));
}

async function declareAndPublish(
  opened: Broker | Promise<Broker>,
  begun: ReturnType<Declarations['ensure']>,
  parcels: readonly Parcel[],
  host: OutboxHost,
  signal: AbortSignal,
): Promise<readonly Fate[]> {
  try {
    const broker = opened instanceof Promise ? await orAborted(opened, signal) : opened;
    const undeclared = await (begun ?? host.declarations.ensure(broker, wantedBy(parcels), signal));
    if (undeclared === undefined || undeclared.size === 0) return await publish(broker, parcels, host, signal);
    return await publishDeclared(broker, parcels, undeclared, host, signal);
  } catch (error) {
    return unsent(parcels, error);
  }
}

function wantedBy(parcels: readonly Parcel[]): Wanted {
  const wanted = new Map<string, Exclude<Declarable, string> | undefined>();
  let last: string | undefined;
  for (const { queue, declare } of parcels) {
    if (queue !== undefined && queue !== last) wanted.set(queue, undefined);
    last = queue;
    for (const declared of declare ?? []) {
      wanted.set(keyOfDeclarable(declared), typeof declared === 'string' ? undefined : declared);
    }
  }
  return wanted;
}

/** Keys of what a parcel needs. */
function keysOf({ queue, declare = [] }: Parcel): readonly string[] {
  return [...(queue === undefined ? [] : [queue]), ...declare.map(keyOfDeclarable)];
}

async function publish(
  broker: Broker,
  parcels: readonly Parcel[],
  host: OutboxHost,
  signal: AbortSignal,
): Promise<readonly Fate[]> {
  try {
    const messages = parcels.map(({ message }) => message);
    await atDeadline(broker.publish(messages, { signal }), signal);
    return ALL_WELL;
  } catch (error) {
    const fates: Fate[] = parcels.map(() => undefined);
    for (const failure of failuresOf(error, parcels.length)) fates[failure.index] = failure;
    forgetMissing(parcels, fates, host.declarations);
    return fates;
  }
}

/**
 * The driver keeps the deadline itself, and its word says more: what held the messages up, and which were never written. Should it say
 * nothing within the turn, the caller is not kept waiting.
 */
async function atDeadline(publishing: Promise<void>, signal: AbortSignal): Promise<void> {
  try {
    await orAborted(publishing, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    const silence = new Promise<never>((_, reject) => setImmediate(reject, error));
    await Promise.race([publishing, silence]);
  }
}

/** Publishes what has its queue; the rest fails with the reason of its declaration. */
async function publishDeclared(
  broker: Broker,
  parcels: readonly Parcel[],
  undeclared: ReadonlyMap<string, unknown>,
  host: OutboxHost,
  signal: AbortSignal,
): Promise<readonly Fate[]> {
  const fates: Fate[] = parcels.map((parcel, index) => {
    const missing = keysOf(parcel).find((key) => undeclared.has(key));
    return missing === undefined ? undefined : { index, stored: 'no', cause: undeclared.get(missing) };
  });
  const ready = parcels.map((_, index) => index).filter((index) => fates[index] === undefined);
  if (ready.length === 0) return fates;
  const published = await publish(
    broker,
    ready.flatMap((index) => parcels[index] ?? []),
    host,
    signal,
  );
  for (const [at, index] of ready.entries()) {
    const fate = published[at];
    if (fate !== undefined) fates[index] = { ...fate, index };
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
    const parcel = fate?.cause instanceof QueueNotFoundError ? parcels[fate.index] : undefined;
    for (const key of parcel === undefined ? [] : keysOf(parcel)) declarations.forget(key);
  }
}

function worthARepeat(fate: Fate): boolean {
  if (fate === undefined || fate.stored !== 'no') return false;
  return fate.cause instanceof QueueNotFoundError || (fate.cause instanceof LovageError && fate.cause.transient);
}

/** Told once how a parcel fared; must not throw. */
export type Told = (fate: Fate) => void;

/** The outbox of a producer. */
export interface Outbox {
  /** Sends a parcel along with the others of its turn. */
  post(parcel: Parcel, told: Told): void;
  /** Resolves when nothing is on its way. */
  idle(): Promise<void>;
}

/** Parcels that go out together, and when the first was given (performance.now()): their time runs from then, however long they wait for those before them. */
interface Batch {
  readonly parcels: Parcel[];
  readonly told: Told[];
  readonly since: number;
}

/**
 * Joins the parcels of one turn into one delivery. A full batch leaves at once, within the turn; what is less leaves in the microtask
 * after it, or, while enough is under way, when an answer comes: then it has grown. Behind a broker that stands still old and new ones
 * gather, and each keeps its own deadline. Not util/batcher: one promise for every call is one too many (bench row redis-enqueue-bulk).
 */
export function createOutbox(
  host: () => OutboxHost,
  limits: () => { readonly timeout: number; readonly retry: boolean },
): Outbox {
  const waiting: Batch[] = [];
  const idlers: (() => void)[] = [];
  let current: Batch | undefined;
  let underWay = 0;
  let answered = false;
  let scheduled = false;

  async function leave({ parcels, told, since }: Batch): Promise<void> {
    underWay++;
    let fates: readonly Fate[];
    try {
      const { timeout, retry } = limits();
      using limit = publishDeadline({ seconds: timeout, waited: (performance.now() - since) / 1000, host: host() });
      fates = await deliver(parcels, host(), { signal: limit.signal, retry });
    } catch (error) {
      fates = unsent(parcels, error);
    }
    underWay--;
    answered = true;
    for (let index = 0; index < told.length; index++) told[index]?.(fates[index]);
    if (underWay < MAX_UNDER_WAY) leaveAll();
    tellIdlers();
  }

  function leaveAll(): void {
    current = undefined;
    for (const batch of waiting.splice(0)) void leave(batch);
  }

  function tellIdlers(): void {
    if (waiting.length > 0 || underWay > 0) return;
    for (const resolve of idlers.splice(0)) resolve();
  }

  /** The batch of this turn: the last that waits, if it is of one age with it. */
  function open(): Batch {
    const now = performance.now();
    const last = waiting.at(-1);
    if (last !== undefined && now - last.since <= limits().timeout * 1000 * SAME_AGE) return last;
    const batch: Batch = { parcels: [], told: [], since: now };
    waiting.push(batch);
    return batch;
  }

  function endOfTurn(): void {
    scheduled = false;
    current = undefined;
    if (underWay < MAX_UNDER_WAY) leaveAll();
    tellIdlers();
  }

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    // One hop behind the promise jobs of this turn, so that calls made by awaiting code still join.
    queueMicrotask(() => queueMicrotask(endOfTurn));
  }

  return {
    post: (parcel, told) => {
      current ??= open();
      current.parcels.push(parcel);
      current.told.push(told);
      if (current.parcels.length >= (answered && underWay === 0 ? FIRST_BATCH : MAX_BATCH)) leaveAll();
      else schedule();
    },
    idle: () =>
      new Promise((resolve) => {
        idlers.push(resolve);
        schedule();
      }),
  };
}

interface PublishDeadline {
  readonly seconds: number;
  /** Seconds of them that are over. @default 0 */
  readonly waited?: number;
  readonly parent?: AbortSignal | undefined;
  readonly host: Pick<OutboxHost, 'broker'>;
}

/** The one deadline of a publish. Its timer keeps the process alive: a program must not end before its messages are out. */
export function publishDeadline({ seconds, waited = 0, parent, host }: PublishDeadline): ReturnType<typeof deadline> {
  const late = (): BrokerConnectionError => {
    const cause = troubleOf(host);
    const why = cause === undefined ? '.' : `: ${reasonOf(cause)}.`;
    return new BrokerConnectionError(
      `The broker did not confirm within ${seconds} s (taskPublishTimeout)${why}`,
      cause && { cause },
    );
  };
  return deadline(Math.max(0, seconds - waited), late, parent, { ref: true });
}

/** Why the broker cannot be reached, if it says so. */
function troubleOf(host: Pick<OutboxHost, 'broker'>): Error | undefined {
  try {
    const broker = host.broker();
    return broker instanceof Promise ? undefined : broker.trouble;
  } catch {
    return undefined;
  }
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
