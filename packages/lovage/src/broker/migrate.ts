// Bringing the messages of a queue to another broker. They are sent first and settled then, so that a death in between loses nothing; what
// may have been sent before such a death is looked for at the other end, by its task id, so that it is not sent twice while it waits there.
import { ATTEMPTS_HEADER } from './dead-letters.ts';
import { patiently } from './redrive.ts';
import type { Broker, Delivery, Message, Outgoing } from './seam.ts';
import { taskIdOf } from './waiting.ts';

/** Seconds in which the copies of one batch have to be confirmed. */
const PUBLISH_TIMEOUT = 30;
/** Most messages that are under way at once: what a death leaves in doubt. */
const BATCH = 100;
/** Headers that the broker they come from wrote about them. */
const OF_BROKER = /^(redelivered|x-lovage-mark|x-delivery-count|x-death|x-first-death-.*|x-last-death-.*)$/;

export interface MigrateOptions {
  readonly from: Broker;
  readonly to: Broker;
  readonly source: string;
  readonly target: string;
  /** Take them out of the source; else it keeps them. */
  readonly move: boolean;
  /** Only these; the others stay. @default all */
  readonly where?: (message: Message) => boolean;
  /** Most that are brought over. @default all that were there at the start */
  readonly limit?: number;
  /** Go on with what comes later, until the signal; needs `move`. @default false */
  readonly forever?: boolean;
  /** Seconds without a message after which those that are left are somebody else's. @default 5 */
  readonly patience?: number;
  /** Ends it after the batch under way. */
  readonly signal?: AbortSignal;
  /** Told after each batch. */
  readonly progress?: (counts: MigrateCounts) => void;
}

export interface MigrateCounts {
  readonly moved: number;
  /** Not sent, because they wait at the other end already. */
  readonly known: number;
  /** How many there were at the start, as far as the broker can count. */
  readonly total: number;
  /** Held by others at the end of a move: by workers, or by somebody who died and whose lease has not ended. They stay. */
  readonly held: number;
}

/** Ids that wait at the other end; asked for when there is a doubt. */
function idsThere({ to, target }: MigrateOptions): () => Promise<ReadonlySet<string>> {
  let ids: Promise<ReadonlySet<string>> | undefined;
  const read = async (): Promise<ReadonlySet<string>> => {
    const count = await to.count(target);
    if (count === undefined) return new Set();
    const messages =
      to.waiting === undefined
        ? await to.peek(target, count.ready)
        : (await to.waiting.list(target)).map(({ message }) => message);
    return new Set(messages.flatMap((message) => taskIdOf(message) ?? []));
  };
  return () => {
    ids ??= read();
    return ids;
  };
}

function copyOf({ headers, properties, body }: Message, target: string, dueAt?: number): Outgoing {
  const kept = Object.entries(headers).filter(([name]) => !OF_BROKER.test(name));
  return {
    exchange: '',
    routingKey: target,
    headers: Object.fromEntries(kept),
    properties,
    body,
    ...(dueAt === undefined ? {} : { dueAt }),
  };
}

/** With what RabbitMQ knows of a message and its headers do not say: that it came again, and how often it was started. */
function withStarts(delivery: Delivery): Message {
  const { attempts, redelivered, headers } = delivery;
  return redelivered || attempts > 1 ? { ...delivery, headers: { ...headers, [ATTEMPTS_HEADER]: attempts - 1 } } : delivery;
}

const send = async (to: Broker, copies: readonly Outgoing[]): Promise<void> => {
  if (copies.length > 0) await to.publish(copies, { signal: AbortSignal.timeout(PUBLISH_TIMEOUT * 1000) });
};

/** Brings over what is chosen. Resolves to the counts. */
export async function migrateQueue(options: MigrateOptions): Promise<MigrateCounts> {
  const count = await options.from.count(options.source);
  const total = (count?.ready ?? 0) + (count?.parked ?? 0);
  const run = new Run(options, total);
  if (count === undefined) return run.counts;
  if (options.move) await run.take(count.ready, count.held ?? 0);
  else await run.copy();
  await run.parked();
  return run.counts;
}

class Run {
  readonly #options: MigrateOptions;
  readonly #total: number;
  readonly #idsThere: () => Promise<ReadonlySet<string>>;
  #moved = 0;
  #known = 0;
  #held = 0;

  constructor(options: MigrateOptions, total: number) {
    this.#options = options;
    this.#total = total;
    this.#idsThere = idsThere(options);
  }

  get counts(): MigrateCounts {
    return { moved: this.#moved, known: this.#known, total: this.#total, held: this.#held };
  }

  get #left(): number {
    return (this.#options.limit ?? Number.POSITIVE_INFINITY) - this.#moved;
  }

  get #isOver(): boolean {
    return this.#left <= 0 || this.#options.signal?.aborted === true;
  }

  /** Out of the source, batch by batch: sent, then acknowledged. What somebody holds who died comes back while we wait. */
  async take(ready: number, held: number): Promise<void> {
    const { from, source, forever = false, where = () => true, patience, signal } = this.#options;
    if (!forever && ready === 0 && held === 0) return;
    // With a filter the others are held until the end: all have to fit.
    const prefetch = this.#options.where === undefined ? Math.min(BATCH, this.#left) : Math.max(BATCH, ready + held);
    await using subscription = await from.subscribe([source], { prefetch, node: 'lovage@migrate' });
    let seen = 0;
    let passed = 0;
    for await (const batch of patiently(subscription, patience ?? (forever ? Number.POSITIVE_INFINITY : undefined), signal)) {
      seen += batch.length;
      const chosen = batch.filter((delivery) => where(delivery)).slice(0, this.#left);
      passed += batch.length - chosen.length;
      for (let start = 0; start < chosen.length; start += BATCH) {
        const part = chosen.slice(start, start + BATCH);
        await this.#bring(part);
        await subscription.settle(part.map((delivery) => ({ verdict: 'ack', delivery })));
        this.#tell();
      }
      if (this.#isOver) break;
      if (forever || seen < ready) continue;
      const left = await this.#look(passed);
      // What somebody held at the start may be ready by now: it was not seen yet.
      if (this.#held === 0 && (left === 0 || seen >= ready + held)) break;
    }
    await this.#look(passed);
  }

  /** Notes how many messages somebody else holds; `own` are ours. Answers how many are ready. */
  async #look(own: number): Promise<number> {
    const { ready = 0, held = 0 } = (await this.#options.from.count(this.#options.source)) ?? {};
    this.#held = Math.max(0, held - own);
    return ready;
  }

  async #bring(deliveries: readonly Delivery[]): Promise<void> {
    const { to, target } = this.#options;
    // Held before by somebody who did not finish with it: perhaps by an earlier run, which may have sent it.
    const isInDoubt = deliveries.some(({ redelivered }) => redelivered);
    const there = isInDoubt ? await this.#idsThere() : undefined;
    const fresh = deliveries.filter((delivery) => !delivery.redelivered || there?.has(taskIdOf(delivery) ?? '') !== true);
    await send(
      to,
      fresh.map((delivery) => copyOf(withStarts(delivery), target)),
    );
    this.#moved += fresh.length;
    this.#known += deliveries.length - fresh.length;
  }

  /** The source keeps them, so an earlier run cannot be told from its traces there: what waits at the other end is left out. */
  async copy(): Promise<void> {
    const { from, source, target, to, where = () => true } = this.#options;
    const count = await from.count(source);
    if (count === undefined || count.ready === 0) return;
    const chosen = (await from.peek(source, count.ready)).filter(where);
    const there = await this.#idsThere();
    const fresh = chosen.filter((message) => !there.has(taskIdOf(message) ?? '')).slice(0, this.#left);
    this.#known += chosen.filter((message) => there.has(taskIdOf(message) ?? '')).length;
    for (let start = 0; start < fresh.length && !this.#isOver; start += BATCH) {
      const part = fresh.slice(start, start + BATCH);
      await send(
        to,
        part.map((message) => copyOf(message, target)),
      );
      this.#moved += part.length;
      this.#tell();
    }
  }

  /** What waits for its time, where the source shows it. */
  async parked(): Promise<void> {
    const { from, to, source, target, move, where = () => true } = this.#options;
    if (from.waiting === undefined || this.#isOver) return;
    const waiting = (await from.waiting.list(source, { state: 'parked' })).filter(({ message }) => where(message));
    const there = waiting.length > 0 ? await this.#idsThere() : new Set<string>();
    for (let start = 0; start < waiting.length && !this.#isOver; start += BATCH) {
      const part = waiting.slice(start, start + Math.min(BATCH, this.#left));
      const fresh = part.filter(({ id }) => id === undefined || !there.has(id));
      await send(
        to,
        fresh.map(({ message, dueAt }) => copyOf(message, target, dueAt)),
      );
      if (move)
        await from.waiting.remove(
          source,
          part.flatMap(({ id }) => id ?? []),
        );
      this.#moved += fresh.length;
      this.#known += part.length - fresh.length;
      this.#tell();
    }
  }

  #tell(): void {
    this.#options.progress?.(this.counts);
  }
}
