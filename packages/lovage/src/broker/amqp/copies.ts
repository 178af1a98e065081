// Verdicts that RabbitMQ does not know: given back with a count, parked, dead. A copy is published, and when it is confirmed the original is
// acked. What breaks between the two leaves a message there twice, never not at all.
import { BrokerError, BrokerFullError, deadline, logger, PublishError, QueueNotFoundError, sleep } from '../../util/index.ts';
import { type DeadLetterSettlement, deadLetterDeclaration } from '../dead-letters.ts';
import type { DeadLetterPolicy, Delivery, Message, Outgoing, Settlement } from '../seam.ts';
import type { HeldDeliveries, HeldDelivery } from './held.ts';
import { copyOf, DELIVERY_COUNT_HEADER, deadCopy, parkedCopy } from './letters.ts';
import type { Line } from './line.ts';
import { startOf, withKey, withoutKey } from './marks.ts';
import type { Send } from './questions.ts';
import type { Starts } from './starts.ts';
import type { Stillness } from './stillness.ts';

/** Seconds in which a copy has to be confirmed; else the original goes back to the queue as it is. */
const COPY_TIMEOUT = 30;
/** Seconds before another try to write anew what came again. */
const RENEW_AGAIN = 1;
/** How often a queue may take no copies of what came again from it. */
const FULL_TRIES = 2;
/**
 * As often may a message have come again on a quorum queue that tells no limit of its own, and have been started. RabbitMQ 4 throws it away at
 * 20, a policy sooner, started or not.
 */
const MOST_RETURNS = 4;
/** As many marks may a message have; then its count goes into its header. */
const MOST_MARKS = 10;

const log = logger('broker', 'amqp');

type Copied = Extract<Settlement, { readonly verdict: 'requeue' | 'deadLetter' | 'park' }>;

/** A message of which a copy is to be written, and why. */
export interface Copy {
  readonly held: HeldDelivery;
  readonly settlement: Copied;
}

export interface CopiesOptions {
  readonly line: Line;
  readonly held: HeldDeliveries;
  readonly stillness: Stillness;
  readonly starts: Starts;
  readonly deadLetters: DeadLetterPolicy;
  readonly send: Send;
  /** How often a quorum queue lets a message come again, as far as its declaration says. */
  readonly returnsOf: (queue: string) => number | undefined;
  /** Declares the dead letters of a queue there. */
  readonly declareDead: (queue: string) => Promise<void>;
  /** Hands these to whoever iterates. */
  readonly run: (deliveries: readonly Delivery[]) => Promise<void>;
}

/** A message that came again, and the copy that is to lie in its place. */
interface Renewal {
  readonly one: HeldDelivery;
  readonly copy: Message;
}

/** A full queue takes no copies, and where they hold all slots nobody makes room in it; from a user who may not write there it never does. */
function takesNone(error: unknown): boolean {
  return error instanceof BrokerFullError || (error instanceof BrokerError && !error.transient);
}

function outgoing(settlement: Copied): Outgoing {
  const { delivery } = settlement;
  if (settlement.verdict === 'deadLetter') return deadCopy(settlement);
  if (settlement.verdict === 'requeue')
    return withKey(copyOf(delivery, settlement.counted ? delivery.attempts + 1 : delivery.attempts));
  // RabbitMQ holds whole seconds. Nothing shorter than one is parked: it would come back at once, again and again.
  return { ...withKey(parkedCopy(delivery)), dueAt: Math.max(settlement.until, Date.now() / 1000 + 1) };
}

export class Copies {
  readonly #options: CopiesOptions;

  constructor(options: CopiesOptions) {
    this.#options = options;
  }

  /** Publishes the copies and acks the originals; resolves to those whose line broke before they could be acked. */
  async write(copies: readonly Copy[]): Promise<readonly Delivery[]> {
    const { line, held, stillness, starts } = this.#options;
    const lost = (): readonly Delivery[] => copies.map((copy) => copy.held.delivery);
    await this.#declareDead(copies);
    const messages = copies.map(({ settlement }) => outgoing(settlement));
    if (!line.isOpen) return lost();
    starts.replacing(messages);
    const failures = await this.#send(messages);
    // The quiet may have begun meanwhile.
    await stillness.over;
    if (!line.isOpen) return lost();
    const written = copies.filter((_, index) => !failures.has(index));
    held.ack(written.map((copy) => copy.held));
    starts.replaced(messages);
    for (const [index, error] of failures) {
      const copy = copies[index];
      if (copy === undefined) continue;
      log.warn('Could not {verdict} a message of "{queue}", it goes back: {error}', {
        verdict: copy.settlement.verdict,
        queue: copy.held.delivery.queue,
        error,
      });
      held.reject(copy.held, true);
    }
    await starts.forget(written.map((copy) => copy.held));
    return [];
  }

  /** What came again may run, with the starts that were noted; as it came, which is as if started once, where they cannot be found out. */
  async again(again: readonly HeldDelivery[]): Promise<void> {
    const { line, starts, run } = this.#options;
    let mayMark = true;
    try {
      mayMark = await starts.mayMark();
      const deliveries = await starts.counted(again.map(({ delivery }) => delivery));
      for (const [index, one] of again.entries()) {
        const found = deliveries[index] ?? one.delivery;
        // Where starts cannot be noted, whatever came again was started.
        one.delivery = mayMark ? found : { ...found, attempts: Math.max(found.attempts, one.delivery.attempts) };
      }
    } catch (error) {
      if (!line.isOpen) throw error;
      log.warn('The starts of {count} messages that came again cannot be counted: {error}', { count: again.length, error });
    }
    if (!mayMark) return this.#renew(again, withoutKey);
    const worn = new Set(again.filter(({ delivery }) => this.#isWorn(delivery)));
    await run(again.flatMap((one) => (worn.has(one) ? [] : [one.delivery])));
    await this.#renew([...worn], withKey);
  }

  #isWorn(delivery: Delivery): boolean {
    const returns = delivery.headers[DELIVERY_COUNT_HEADER];
    const limit = this.#options.returnsOf(delivery.queue) ?? Infinity;
    const most = Math.max(1, Math.min(MOST_RETURNS, Math.floor(limit / 2)));
    return (typeof returns === 'number' && returns >= most) || startOf(delivery).number > MOST_MARKS;
  }

  /** Writes what came again anew, with its count; that copy may run. Tries until all are written or the line is lost. */
  async #renew(again: readonly HeldDelivery[], keyed: (copy: Message) => Message): Promise<void> {
    const { line, held, stillness, starts, run } = this.#options;
    for (const one of again) one.isSettling = true;
    let open = again.map((one): Renewal => ({ one, copy: keyed(copyOf(one.delivery, one.delivery.attempts)) }));
    starts.replacing(open.map(({ copy }) => copy));
    for (let tries = 1; open.length > 0 && line.isOpen; tries++) {
      const failures = await this.#send(open.map(({ copy }) => copy));
      // Without its queue a message has nowhere to go: the deletion took it.
      const isDone = (index: number): boolean => !failures.has(index) || failures.get(index) instanceof QueueNotFoundError;
      // So these run as they are.
      const isRun = (index: number): boolean => tries >= FULL_TRIES && takesNone(failures.get(index));
      const done = open.filter((_, index) => isDone(index));
      const asTheyAre = open.filter((_, index) => isRun(index));
      open = open.filter((_, index) => !isDone(index) && !isRun(index));
      await stillness.over;
      if (!line.isOpen) return;
      held.ack(done.map(({ one }) => one));
      starts.replaced([...done, ...asTheyAre].map(({ copy }) => copy));
      await starts.forget(done.map(({ one }) => one));
      for (const { one } of asTheyAre) one.isSettling = false;
      await run(asTheyAre.map(({ one }) => one.delivery));
      if (open.length === 0) return;
      log.warn('{count} redelivered messages wait to be written anew: {error}', {
        count: open.length,
        error: [...failures.values()][0],
      });
      await sleep(RENEW_AGAIN, line.signal, { ref: false });
    }
  }

  /** Which of them were not taken, and why; empty when all were. */
  async #send(messages: readonly Outgoing[]): Promise<ReadonlyMap<number, unknown>> {
    const late = (): Error => new BrokerError(`RabbitMQ did not confirm within ${COPY_TIMEOUT} s.`, { transient: true });
    using limit = deadline(COPY_TIMEOUT, late, this.#options.line.signal);
    try {
      await this.#options.send(messages, limit.signal);
      return new Map();
    } catch (error) {
      if (error instanceof PublishError) return new Map(error.failures.map(({ index, cause }) => [index, cause]));
      return new Map(messages.map((_, index) => [index, error]));
    }
  }

  async #declareDead(copies: readonly Copy[]): Promise<void> {
    const { deadLetters, declareDead } = this.#options;
    const dead = copies
      .map(({ settlement }) => settlement)
      .filter((settlement): settlement is DeadLetterSettlement => settlement.verdict === 'deadLetter');
    for (const queue of new Set(dead.map(({ delivery }) => deadLetterDeclaration(delivery.queue, deadLetters).name))) {
      // Publishing to a queue that is not there says so, and the message goes back.
      await declareDead(queue).catch((error: unknown) => log.warn('Cannot declare "{queue}": {error}', { queue, error }));
    }
  }
}
