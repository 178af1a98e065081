// The gates between intake and the pool, pure questions with one answer each: may this run, and when?
import type { Clock } from '../util/index.ts';
import type { RateLimits } from './rate.ts';
import type { Entry } from './request.ts';
import type { Revoked } from './revoked.ts';

/** A task due, or with its turn, later than this many seconds waits in the broker, not in the memory of a worker. */
export const HOLD_SECONDS = 5;

/** What the gates say. */
export type Gate =
  | { readonly kind: 'run' }
  | { readonly kind: 'discard'; readonly reason: 'revoked' | 'expired' }
  /** Wait here until then. */
  | { readonly kind: 'hold'; readonly until: number; readonly why: 'eta' | 'rate' }
  /** Wait in the broker until then. */
  | { readonly kind: 'park'; readonly until: number; readonly why: 'eta' | 'rate' };

/** What the gates look at. */
export interface GateState {
  readonly clock: Clock;
  readonly revoked: Pick<Revoked, 'matches'>;
  readonly rates: RateLimits;
  /** Starts in a second, as the limit is now; undefined: none. */
  readonly rateOf: (entry: Entry) => number | undefined;
  /** Can the broker keep a message until a time? */
  readonly parks: boolean;
}

/** Revoked or too late? Asked on receipt and again right before the start. */
export function lapsed({ request }: Entry, state: Pick<GateState, 'clock' | 'revoked'>): 'revoked' | 'expired' | undefined {
  if (state.revoked.matches(request)) return 'revoked';
  if (request.expiresAt !== undefined && state.clock.now() > request.expiresAt) return 'expired';
  return undefined;
}

function early(until: number, { clock, parks }: GateState): Gate | undefined {
  const seconds = until - clock.now();
  if (seconds <= 0) return undefined;
  return { kind: parks && seconds > HOLD_SECONDS ? 'park' : 'hold', until, why: 'eta' };
}

/** Takes a turn if there is one soon. */
function limited(entry: Entry, rate: number, { clock, parks, rates }: GateState): Gate {
  const turn = rates.turn(entry.request.task, rate, entry.key, parks ? HOLD_SECONDS : undefined);
  if (!turn.isTaken) return { kind: 'park', until: turn.at, why: 'rate' };
  return turn.at <= clock.now() ? { kind: 'run' } : { kind: 'hold', until: turn.at, why: 'rate' };
}

/** Asks the eta, then the rate limit. */
export function gate(entry: Entry, state: GateState): Gate {
  const reason = lapsed(entry, state);
  if (reason !== undefined) return { kind: 'discard', reason };
  const { etaAt } = entry.request;
  const wait = etaAt === undefined ? undefined : early(etaAt, state);
  if (wait !== undefined) return wait;
  const rate = state.rateOf(entry);
  return rate === undefined ? { kind: 'run' } : limited(entry, rate, state);
}
