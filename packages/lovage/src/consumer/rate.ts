// Rate limits: for each task name a bucket of one token, so that starts are evenly spaced and never come in bursts.
//
// Only what a worker has in hand has a turn. What is further from it waits in the broker and asks again when it comes back, here or at
// another worker, which has turns of its own. So that each turn finds one, and the first in line as a rule:
// 1. The next in line get places: each comes back shortly before its own, and nobody else has that turn unless it stays away.
// 2. All others make rounds: they come by in the order in which they came, and are sent on while no place is to be had.
// 3. There are places again when the first of those that were sent on is back: for it and for those behind it, as many as start in one round.
// So what is said here holds whoever comes back, and what is remembered does not grow with what waits.
import type { Clock } from '../util/index.ts';

/** A turn that was kept for a run is forgotten this many seconds after it: another worker has that run. */
const FORGET_AFTER = 60;
/** At most this many come by in a second, or two for each start, as long as that brings all of them by within the longest round. */
const PASSES = 20;
/** Seconds between the last in line and the first: brokers are a little early or late. */
const GAP = 3;
/** Seconds that one is sent on for at least. */
const SHORTEST = 1;
/** Places that are given out at once. */
const MAX_PLACES = 10_000;
/** A turn is anybody's when nobody has taken it for this many seconds, or half an interval. */
const GRACE = 1;
/** Turns come a little later than planned, never earlier: so much more than a round is given out at once that none is left over. */
const MARGIN = 1.2;

/** Seconds after which a task that is far from its turn comes by again. */
export interface Rounds {
  /** Where few wait. */
  readonly least: number;
  /** However many wait. */
  readonly most: number;
}

export const ROUNDS: Rounds = { least: 60, most: 600 };

/** What a run is told that asks for its turn. */
export interface Turn {
  /** It may start at `at`; otherwise it has to ask again then. */
  readonly isTaken: boolean;
  /** Epoch seconds; not later than now: at once. */
  readonly at: number;
}

interface Bucket {
  readonly rate: number;
  /** Epoch seconds of the next free turn. */
  nextAt: number;
  /** Turns of runs that wait in the broker all the same, until then. */
  readonly kept: Map<string, number>;
  /** The last of them that was taken. */
  keptAt: number;
  /** Places of runs that come back for them, in the order of time, and the first time that is free behind them. */
  readonly places: Map<string, number>;
  placeAt: number;
  /** When there are places for those that make rounds. */
  opensAt: number;
  /** When the last of those comes by. */
  lastAt: number;
  /** How many were sent on in this round so far, and in the one before. */
  passes: number;
  passesBefore: number;
}

/** Turns by task name. */
export class RateLimits {
  readonly #clock: Clock;
  readonly #rounds: Rounds;
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock, rounds: Rounds = ROUNDS) {
    this.#clock = clock;
    this.#rounds = rounds;
  }

  /** The turn of the run `key`, if it comes within so many seconds; otherwise when to ask again. */
  turn(task: string, rate: number, key: string, within: number = Number.POSITIVE_INFINITY): Turn {
    const now = this.#clock.now();
    const bucket = this.#bucket(task, rate);
    const kept = bucket.kept.get(key);
    if (kept !== undefined) {
      bucket.kept.delete(key);
      const at = Math.max(kept, bucket.keptAt + 1 / rate);
      bucket.keptAt = Math.max(at, now);
      bucket.nextAt = Math.max(bucket.nextAt, bucket.keptAt + 1 / rate);
      return { isTaken: true, at };
    }
    // Far beyond any turn that is given, late ones too: the clock was set back.
    if (bucket.nextAt > now + 2 * (within + 1 / rate)) bucket.nextAt = now;
    const isPlaced = bucket.places.delete(key);
    // Who is not back by now another worker has.
    if (Number.isFinite(within)) forget(bucket.places, now + within / 2 - GRACE);
    const at = Math.max(now, bucket.nextAt);
    // Where nothing can be sent on, nobody is waited for either.
    if (at <= now + within && (isPlaced || within === Number.POSITIVE_INFINITY || isFree(bucket, at, now))) {
      bucket.nextAt = at + 1 / rate;
      return { isTaken: true, at };
    }
    const place = isPlaced || bucket.opensAt <= now ? this.#place(bucket, key, now) : undefined;
    // In hand a little before its turn, so that it starts in time however late the broker is.
    return { isTaken: false, at: place === undefined ? this.#sendOn(bucket, now) : place - within / 2 };
  }

  /** Turns that are still to come count no longer: the next is an interval of the new rate after the last start. */
  restart(task: string, rate: number | undefined): void {
    const bucket = this.#buckets.get(task);
    if (bucket === undefined) return;
    const coming = Math.max(1, Math.ceil((bucket.nextAt - this.#clock.now()) * bucket.rate));
    const last = bucket.nextAt - coming / bucket.rate;
    if (rate === undefined) this.#buckets.delete(task);
    else this.#buckets.set(task, newBucket(rate, last + 1 / rate));
  }

  /** Turns that are still to come count no longer; those that had them ask again. */
  forgetComing(task: string): void {
    const rate = this.#buckets.get(task)?.rate;
    if (rate !== undefined) this.restart(task, rate);
  }

  /** Keeps a turn that was taken for a run that goes back to the broker until then. */
  keep(task: string, key: string, at: number): void {
    const bucket = this.#buckets.get(task);
    if (bucket === undefined) return;
    forget(bucket.kept, this.#clock.now() - FORGET_AFTER);
    bucket.kept.set(key, at);
  }

  #bucket(task: string, rate: number): Bucket {
    const known = this.#buckets.get(task);
    if (known?.rate === rate) return known;
    if (known === undefined) this.#buckets.set(task, newBucket(rate, 0));
    else this.restart(task, rate);
    return this.#buckets.get(task) ?? newBucket(rate, 0);
  }

  /** The next place; undefined when it is further than a round. */
  #place(bucket: Bucket, key: string, now: number): number | undefined {
    const { places, nextAt, lastAt, rate } = bucket;
    const { least, most } = this.#rounds;
    forget(places, now - FORGET_AFTER);
    const at = Math.max(bucket.placeAt, nextAt);
    const round = Math.min(most, Math.max(least, MARGIN * (lastAt - now)));
    if (at > now + round || places.size >= MAX_PLACES) return undefined;
    places.set(key, at);
    bucket.placeAt = at + 1 / rate;
    return at;
  }

  /** When one without a place comes by again: behind the last, or, where too many wait for that, among them. */
  #sendOn(bucket: Bucket, now: number): number {
    const { least, most } = this.#rounds;
    const isFirst = bucket.opensAt <= now;
    if (isFirst) {
      bucket.passesBefore = bucket.passes;
      bucket.passes = 0;
    }
    const isMore = bucket.passes++ >= bucket.passesBefore;
    const narrow = 1 / Math.max(PASSES, 2 * bucket.rate);
    // As many as in the last round are spread over this one, so that at any time one is near that can have a turn of somebody who stays away.
    const apart = isMore ? narrow : Math.max(narrow, (least - GAP) / bucket.passesBefore);
    const behind = bucket.lastAt + (isFirst ? GAP : apart);
    // Where turns come faster than places are given out, not after a whole round: the turns behind the places would be nobody's.
    const soonest = Math.min(now + least, Math.max(bucket.placeAt, now + SHORTEST));
    const next = Math.max(behind, soonest);
    const at = next > now + most ? now + Math.max(least, most / 2) : next;
    bucket.lastAt = at;
    if (isFirst) bucket.opensAt = at - GAP / 2;
    return at;
  }
}

function newBucket(rate: number, nextAt: number): Bucket {
  return {
    rate,
    nextAt,
    kept: new Map(),
    keptAt: 0,
    places: new Map(),
    placeAt: 0,
    opensAt: 0,
    lastAt: 0,
    passes: 0,
    passesBefore: 0,
  };
}

/** May one without a place have the turn `at`? */
function isFree({ rate, places, nextAt }: Bucket, at: number, now: number): boolean {
  const [next] = places.values();
  return next === undefined || next >= at + 1 / rate || now >= nextAt + Math.min(GRACE, 0.5 / rate);
}

/** Leaves out what was due before. */
function forget(times: Map<string, number>, before: number): void {
  for (const [key, at] of times) {
    if (at >= before) break;
    times.delete(key);
  }
}
