// Settling: what the outcomes of one turn write, in an order that loses nothing. One database for broker and results: one transaction.
// Else store → send → verdict. A death between two steps repeats the later ones at most.
import type { Broker, Delivery, JointWrite, Outgoing, Settlement, Subscription } from '../broker/index.ts';
import { type ChordOpening, type ChordPart, type JointJoin, READY_STATES, type StoredResult } from '../result/index.ts';
import { BrokerConnectionError, LovageError, logger } from '../util/index.ts';
import { Joins } from './joins.ts';
import { persist, send, store } from './persist.ts';
import type { WorkerApp } from './port.ts';

/** What one message's end writes. */
export interface Writes {
  /** Absent when the message is not ours any more (acked early, or its line was lost). */
  readonly settlement: Settlement | undefined;
  readonly results: readonly StoredResult[];
  readonly next: readonly Outgoing[];
  /** Chords to open before `next` is sent. */
  readonly openings?: readonly ChordOpening[] | undefined;
  /** Parts of chords to count. */
  readonly parts?: readonly ChordPart[] | undefined;
}

/** What an end writes beside its verdict. */
export type Written = Omit<Writes, 'settlement'>;

/** An end, and who is told what came of it. */
export interface Turn extends Writes {
  readonly done: (settled: Settled) => void;
}

/**
 * `settled`: everything is written and the broker has the verdict. `lost`: everything is written, but the message was not ours any
 * more. `given-up`: nothing can be said; the message comes back.
 */
export type Settled = 'settled' | 'lost' | 'given-up';

export interface SettlerOptions {
  readonly app: Pick<WorkerApp, 'broker' | 'backend' | 'publisher' | 'joins'>;
  readonly node: string;
  /** The line as it is now. */
  readonly subscription: () => Subscription | undefined;
  /** Ends the retries of a store or broker that stays away. */
  readonly giveUp: AbortSignal;
  /** Is a task of this name over at once, as far as is known? */
  readonly isBrisk: (task: string) => boolean;
}

const MAX_BATCH = 256;
const MAX_IN_FLIGHT = 4;
/** Joint ones leave together in the next turn of the subscription, however many they are. */
const MAX_JOINT_IN_FLIGHT = 32;
const log = logger('consumer');

/** Commits turns; those of one turn of the event loop together. */
export class Settler {
  readonly #options: SettlerOptions;
  readonly #joint: boolean;
  /** Ends the chords that turns complete. */
  readonly joins: Joins;
  #waiting: Turn[] = [];
  #scheduled = false;
  #inFlight = 0;

  constructor(options: SettlerOptions) {
    this.#options = options;
    const { app, subscription, giveUp } = options;
    const { broker, backend } = app;
    this.#joint =
      backend?.jointPut !== undefined &&
      broker.jointPublish !== undefined &&
      broker.database !== undefined &&
      broker.database === backend.database;
    this.joins = new Joins({ app, subscription, giveUp, joint: this.#joint });
  }

  /** Settles one message's end, together with those of the same turn of the event loop. */
  add(turn: Turn): void {
    this.#waiting.push(turn);
    if (this.#scheduled) return;
    this.#scheduled = true;
    // One hop behind the promise jobs of this turn, so that the ends of awaiting code still join.
    queueMicrotask(() => queueMicrotask(this.#flush));
  }

  readonly #flush = (): void => {
    this.#scheduled = false;
    while (this.#waiting.length > 0 && this.#inFlight < (this.#joint ? MAX_JOINT_IN_FLIGHT : MAX_IN_FLIGHT)) {
      const batch = this.#waiting.length <= MAX_BATCH ? this.#waiting : this.#waiting.slice(0, MAX_BATCH);
      this.#waiting = this.#waiting.length <= MAX_BATCH ? [] : this.#waiting.slice(MAX_BATCH);
      void this.#run(batch);
    }
  };

  async #run(batch: readonly Turn[]): Promise<void> {
    this.#inFlight++;
    const settled = await this.#commit(batch).catch((error: unknown) => {
      if (!this.#options.giveUp.aborted) log.error('Settling failed: {error}', { error: String(error) });
      return undefined;
    });
    this.#inFlight--;
    for (const [index, turn] of batch.entries()) turn.done(settled?.[index] ?? 'given-up');
    this.#flush();
  }

  /**
   * What follows a task and will be over at once runs here and now, in the place of its message: on one machine a chain of quick steps
   * needs no round trip for each. What will take its time is sent, so that what it follows can be settled, and others may take it.
   */
  #inPlace(turns: readonly Writes[], subscription: Subscription): readonly Writes[] {
    if (subscription.successor === undefined) return turns;
    return turns.map((turn) => {
      const delivery = turn.settlement?.verdict === 'ack' ? turn.settlement.delivery : undefined;
      const [next] = turn.next;
      if (delivery === undefined || next === undefined || !this.#mayFollow(turn, next)) return turn;
      // What was started before may have been the death of a worker, and the next death must be counted against whoever it is.
      const successor = delivery.attempts > 1 ? undefined : subscription.successor?.(delivery, next);
      return successor === undefined ? turn : { ...turn, next: [], settlement: { verdict: 'become', delivery, successor } };
    });
  }

  /** Only a stored success tells whoever gets the message again what became of it. */
  #mayFollow({ next, results: [own], openings, parts }: Writes, { headers }: Outgoing): boolean {
    if (next.length > 1 || own?.state !== 'SUCCESS' || openings !== undefined || parts !== undefined) return false;
    return typeof headers.task === 'string' && this.#options.isBrisk(headers.task);
  }

  async #commit(turns: readonly Writes[]): Promise<readonly Settled[]> {
    const writes = turns.some((turn) => turn.results.length > 0 || turn.next.length > 0 || turn.parts !== undefined);
    const subscription = this.#options.subscription();
    const isJoint = this.#joint && writes && turns.every((turn) => turn.settlement !== undefined);
    return isJoint && subscription !== undefined ? this.#commitJoint(turns, subscription) : this.#commitApart(turns);
  }

  /** A transaction does nothing for messages that were not ours any more; what they led to is still written, if it is not yet. */
  async #writeLost(turns: readonly Writes[], lost: ReadonlySet<Delivery>): Promise<void> {
    const apart = turns
      .filter(({ settlement }) => settlement !== undefined && lost.has(settlement.delivery))
      .map((turn) => ({ ...turn, settlement: undefined }));
    await this.#commitApart(await this.#withoutDone(apart));
  }

  /** One transaction for all of it; where that fails, or nobody knows whether it was made, one part after the other. */
  async #commitJoint(turns: readonly Writes[], subscription: Subscription): Promise<readonly Settled[]> {
    const { broker, backend, publisher } = this.#options.app;
    const { watch } = publisher;
    const following = watch === undefined ? [] : turns.flatMap((turn) => turn.next);
    if (following.length > 0) await watch?.before(following);
    const placed = this.#inPlace(turns, subscription);
    /** What its parts would say: nobody follows in a place before the broker is told of it. */
    let said = turns;
    let lost: ReadonlySet<Delivery>;
    try {
      const results = placed.flatMap((turn) => turn.results);
      const next = placed.flatMap((turn) => turn.next);
      const writes: JointWrite[] = [];
      if (results.length > 0 && backend?.jointPut !== undefined) writes.push(backend.jointPut(results));
      const counted = placed.some(hasChords) ? this.#count(placed, writes) : undefined;
      if (next.length > 0 && broker.jointPublish !== undefined) writes.push(await broker.jointPublish(next));
      const settlements = placed.flatMap((turn) => turn.settlement ?? []);
      said = placed;
      const settling = subscription.settle(settlements, writes);
      const successors = settlements.flatMap((settlement) => (settlement.verdict === 'become' ? settlement.successor : []));
      if (successors.length > 0) subscription.handOut?.(successors);
      lost = new Set(await settling);
      if (counted !== undefined) await this.#counted(counted, lost.size > 0);
    } catch (error) {
      log.warning('A joint commit failed, its parts are written one by one: {error}', { error: String(error) });
      return this.#commitApart(await this.#withoutDone(said));
    }
    if (lost.size > 0) await this.#writeLost(placed, lost);
    // What was lost was told of when it was sent apart, or comes again.
    else if (following.length > 0) await watch?.after(following);
    return placed.map(({ settlement }) =>
      settlement !== undefined && lost.has(settlement.delivery) ? lostAs(settlement) : 'settled',
    );
  }

  /** Adds what the turns have for chords to a joint commit. */
  #count(turns: readonly Writes[], writes: JointWrite[]): Counted | undefined {
    const chords = this.joins.store;
    const openings = this.joins.openings(turns.flatMap((turn) => turn.openings ?? []));
    if (openings.length > 0 && chords?.jointOpen !== undefined) writes.push(chords.jointOpen(openings));
    const parts = turns.flatMap((turn) => turn.parts ?? []);
    if (parts.length === 0 || chords?.jointJoin === undefined) return undefined;
    const join = chords.jointJoin(parts);
    writes.push(join.write);
    return { join, parts };
  }

  /** The bodies of chords that were completed are sent by a commit of their own: a crash before it leaves them to a janitor. */
  async #counted({ join, parts }: Counted, isLost: boolean): Promise<void> {
    const complete = join.complete();
    // What was lost counts its parts once more, by itself.
    if (complete === undefined && isLost) return;
    await this.joins.end(complete ?? (await this.joins.count([], parts)), parts);
  }

  /** After a failed joint commit: a turn whose ready result is stored was committed after all, so it writes nothing again. */
  async #withoutDone(turns: readonly Writes[]): Promise<readonly Writes[]> {
    const { backend } = this.#options.app;
    if (backend === undefined) return turns;
    const ids = turns.flatMap((turn) => turn.results.slice(0, 1).map((result) => result.id));
    const stored = await persist('read results', this.#options.giveUp, () => backend.get(ids));
    return turns.map((turn) => {
      const [own] = turn.results;
      const record = own === undefined ? undefined : stored.get(own.id);
      const done = record !== undefined && record.state === own?.state && READY_STATES.has(record.state);
      // Its parts are counted already; whether they completed a chord was lost with the answer.
      return done ? { settlement: turn.settlement, results: [], next: [], parts: turn.parts } : turn;
    });
  }

  async #commitApart(turns: readonly Writes[]): Promise<readonly Settled[]> {
    let written: readonly Writes[] = turns;
    try {
      await this.#write(turns);
    } catch (error) {
      if (this.#options.giveUp.aborted) throw error;
      // One of them cannot be written whatever we try: find out which, so that the others are not held up.
      written = await Promise.all(turns.map((turn) => this.#writeAlone(turn)));
    }
    return this.#settle(written);
  }

  async #write(turns: readonly Writes[]): Promise<void> {
    const { backend, publisher } = this.#options.app;
    const { giveUp } = this.#options;
    const foreign = await store(
      backend,
      turns.flatMap((turn) => turn.results),
      giveUp,
    );
    const ours = foreign.size === 0 ? turns : withoutForeign(turns, foreign);
    const parts = ours.flatMap((turn) => turn.parts ?? []);
    const complete = ours.some(hasChords)
      ? await this.joins.count(
          ours.flatMap((turn) => turn.openings ?? []),
          parts,
        )
      : [];
    await send(
      publisher,
      ours.flatMap((turn) => turn.next),
      giveUp,
    );
    if (complete.length > 0) await this.joins.end(complete, parts);
  }

  /** The turn with the verdict that it can have: what cannot be written sends its message to the dead letters, from where it can come again. */
  async #writeAlone(turn: Writes): Promise<Writes> {
    try {
      await this.#write([turn]);
      return turn;
    } catch (error) {
      if (this.#options.giveUp.aborted) throw error;
      const text = error instanceof LovageError ? `${error.code}: ${error.message}` : String(error);
      const id = turn.results[0]?.id ?? turn.next[0]?.headers.id;
      log.error('What the end of task {id} writes cannot be written, so its message goes to the dead letters: {error}', {
        id: String(id),
        error: text,
      });
      if (turn.settlement === undefined) return turn;
      const { delivery } = turn.settlement;
      return {
        ...turn,
        settlement: { verdict: 'deadLetter', delivery, reason: 'failed', error: text, node: this.#options.node },
      };
    }
  }

  async #settle(turns: readonly Writes[]): Promise<readonly Settled[]> {
    const settlements = turns.flatMap((turn) => turn.settlement ?? []);
    if (settlements.length === 0) return turns.map(() => 'settled');
    const lost = await this.#verdicts(settlements);
    return turns.map(({ settlement }) =>
      settlement !== undefined && (lost === 'all' || lost.has(settlement.delivery)) ? lostAs(settlement) : 'settled',
    );
  }

  async #verdicts(settlements: readonly Settlement[]): Promise<ReadonlySet<Delivery> | 'all'> {
    const subscription = this.#options.subscription();
    if (subscription === undefined) return 'all';
    return persist('settle', this.#options.giveUp, async () => {
      try {
        return new Set(await subscription.settle(settlements));
      } catch (error) {
        // A full broker may have room later; a lost line is the consumer's to mend, and its messages come back and are settled then.
        if (!(error instanceof BrokerConnectionError) && this.#options.subscription() === subscription) throw error;
        log.debug('{count} verdicts were lost with the line: {error}', { count: settlements.length, error: String(error) });
        return 'all';
      }
    });
  }
}

/** What was to be followed in its place has not been followed: its message must come again. */
function lostAs({ verdict }: Settlement): Settled {
  return verdict === 'become' ? 'given-up' : 'lost';
}

/** Turns that belong to another attempt write nothing more. Of two turns of one id here, which no store can tell apart, the first is not another's. */
function withoutForeign(turns: readonly Writes[], foreign: ReadonlySet<string>): readonly Writes[] {
  const ids = turns.map(({ results: [own] }) => own?.id);
  return turns.filter((_, index) => {
    const id = ids[index];
    if (id === undefined || !foreign.has(id)) return true;
    return ids.indexOf(id) === index && ids.lastIndexOf(id) !== index;
  });
}

/** A count that is part of a commit. */
interface Counted {
  readonly join: JointJoin;
  readonly parts: readonly ChordPart[];
}

const hasChords = ({ parts, openings }: Writes): boolean => parts !== undefined || openings !== undefined;

/** Can this broker keep a message until a time? */
export function canPark(broker: Broker): boolean {
  return broker.features.delay;
}
