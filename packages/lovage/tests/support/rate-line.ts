// A line before a rate limit, played through on a clock of its own: messages that a broker keeps until their times, and workers that take
// whichever comes, as the gates of the consumer do.
import { DueHeap } from '../../src/broker/due.ts';
import { RateLimits } from '../../src/consumer/rate.ts';

/** Within so many seconds a worker keeps what has its turn (gates.ts). */
const HOLD_SECONDS = 5;
/** Messages that the workers take in a second, at first. */
const TAKEN = 5000;

export interface Line {
  /** Starts in a second. */
  readonly rate: number;
  readonly messages: number;
  /** Seconds that are played. */
  readonly seconds: number;
  /** @default 1 */
  readonly workers?: number;
  /** When all but the first of these come. @default 0 */
  readonly join?: number;
  /** The rate from some second on; 0: none. @default never another */
  readonly change?: { readonly at: number; readonly rate: number };
  /** When a broker delivers what is due then, where now it is so late. @default in steps of a fifth of a second */
  readonly delivers?: (due: number, now: number) => number;
}

export interface Start {
  readonly at: number;
  readonly message: number;
  readonly worker: number;
}

export interface Played {
  /** In the order of time. */
  readonly starts: readonly Start[];
  /** Messages that were sent on, by the second. */
  readonly passes: ReadonlyMap<number, number>;
  /** The longest that one was away, in seconds. */
  readonly away: number;
}

const inSteps = (due: number): number => Math.ceil((due + 0.001) * 5) / 5;

/** As RabbitMQ: whole seconds, the rest left out. */
export function inWholeSeconds(due: number, now: number): number {
  return now + Math.max(1, Math.floor(due - now));
}

export function play({ rate, messages, seconds, workers = 1, join = 0, change, delivers = inSteps }: Line): Played {
  let now = 0;
  let current = rate;
  const clock = { now: () => now, monotonic: () => now * 1000 };
  const limits = Array.from({ length: workers }, () => new RateLimits(clock));
  const parked = new DueHeap<number>();
  for (let message = 0; message < messages; message++) parked.push(message / TAKEN, message);
  const starts: Start[] = [];
  const passes = new Map<number, number>();
  let away = 0;
  // The same each time, and nearly any worker each time.
  let taken = 1;
  for (; parked.next !== undefined && parked.next < seconds; ) {
    now = Math.max(now, parked.next);
    if (change !== undefined && now >= change.at && current !== change.rate) {
      current = change.rate;
      for (const each of limits) each.restart('t', current === 0 ? undefined : current);
    }
    const message = parked.pop(now) ?? 0;
    taken = (taken * 16_807) % 2_147_483_647;
    const worker = now < join ? 0 : taken % workers;
    const turn = current === 0 ? { isTaken: true, at: now } : limits[worker]?.turn('t', current, `k${message}`, HOLD_SECONDS);
    if (turn?.isTaken !== false) {
      starts.push({ at: Math.max(now, turn?.at ?? now), message, worker });
      continue;
    }
    passes.set(Math.floor(now), (passes.get(Math.floor(now)) ?? 0) + 1);
    const back = delivers(Math.max(now, turn.at), now);
    away = Math.max(away, back - now);
    parked.push(back, message);
  }
  return { starts: starts.sort((one, other) => one.at - other.at), passes, away };
}
