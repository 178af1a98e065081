// Rate limits: for each task name a bucket of one token, so that starts are evenly spaced and never come in bursts.
import type { Clock } from '../util/index.ts';

/** Reservations of parked messages are forgotten this many seconds after their turn: another worker has them. */
const FORGET_AFTER = 60;

interface Bucket {
  rate: number;
  /** Epoch seconds of the next free turn. */
  nextAt: number;
  /** When the last one came back for its turn (epoch seconds). */
  cameAt: number;
  /** Seconds by which all turns that are kept have moved. */
  moved: number;
  /** Turns of messages that wait in the broker (epoch seconds, before they moved). */
  readonly reserved: Map<string, number>;
}

/** Turns by task name. */
export class RateLimits {
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** When the run `key` may start (epoch seconds; not later than now: at once). Takes that turn. */
  turn(task: string, rate: number, key: string): number {
    const now = this.#clock.now();
    const bucket = this.#bucket(task, rate);
    const own = bucket.reserved.get(key);
    if (own !== undefined) {
      bucket.reserved.delete(key);
      return redeem(bucket, own, now);
    }
    const at = Math.max(now, bucket.nextAt);
    bucket.nextAt = at + 1 / rate;
    return at;
  }

  /** Turns that are still to come count no longer: the next is an interval of the new rate after the last start. */
  restart(task: string, rate: number | undefined): void {
    const bucket = this.#buckets.get(task);
    if (bucket === undefined) return;
    const coming = Math.max(1, Math.ceil((bucket.nextAt - this.#clock.now()) * bucket.rate));
    const last = bucket.nextAt - coming / bucket.rate;
    bucket.reserved.clear();
    if (rate === undefined) this.#buckets.delete(task);
    else this.#buckets.set(task, { ...bucket, rate, nextAt: last + 1 / rate });
  }

  /** Keeps a turn for a run that goes back to the broker until then. */
  reserve(task: string, key: string, at: number): void {
    const bucket = this.#buckets.get(task);
    if (bucket === undefined) return;
    const { reserved, moved } = bucket;
    reserved.set(key, at - moved);
    const old = this.#clock.now() - FORGET_AFTER;
    for (const [other, turn] of reserved) {
      // Turns are kept in the order in which they were given out.
      if (turn + moved >= old) break;
      reserved.delete(other);
    }
  }

  #bucket(task: string, rate: number): Bucket {
    let bucket = this.#buckets.get(task);
    if (bucket === undefined) {
      bucket = { rate, nextAt: 0, cameAt: 0, moved: 0, reserved: new Map() };
      this.#buckets.set(task, bucket);
    } else if (bucket.rate !== rate) {
      // A changed rate counts from the last start, whoever waits keeps its turn.
      bucket.nextAt = bucket.nextAt - 1 / bucket.rate + 1 / rate;
      bucket.rate = rate;
    }
    return bucket;
  }
}

/**
 * The turn of one that comes back for it. Many come at once whose turns have passed when nobody could start for a while: then all turns
 * move by as long. One that is late by itself, while others came in time, has its turn now.
 */
function redeem(bucket: Bucket, kept: number, now: number): number {
  const interval = 1 / bucket.rate;
  const missed = now - Math.max(kept + bucket.moved, bucket.cameAt + interval);
  if (missed > interval) {
    bucket.moved += missed;
    bucket.nextAt += missed;
  }
  bucket.cameAt = now;
  return kept + bucket.moved;
}
