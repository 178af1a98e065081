// The gates between intake and the pool, pure questions with one answer each: may this run, and when?
import type { Clock } from '../util/index.ts';
import type { RateLimits } from './rate.ts';
import type { Entry } from './request.ts';
import type { Revoked } from './revoked.ts';

/** A task due later than this many seconds waits in the broker, not in the memory of a worker. */
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
  /** Can the broker keep a message until a time? */
  readonly parks: boolean;
}

/** Revoked or too late? Asked on receipt and again right before the start. */
export function lapsed({ request }: Entry, state: Pick<GateState, 'clock' | 'revoked'>): 'revoked' | 'expired' | undefined {
  if (state.revoked.matches(request)) return 'revoked';
  if (request.expiresAt !== undefined && state.clock.now() > request.expiresAt) return 'expired';
  return undefined;
}

function wait(until: number, why: 'eta' | 'rate', { clock, parks }: GateState): Gate | undefined {
  const seconds = until - clock.now();
  if (seconds <= 0) return undefined;
  return { kind: parks && seconds > HOLD_SECONDS ? 'park' : 'hold', until, why };
}

/** Asks the eta, then the rate limit (which takes a turn). */
export function gate(entry: Entry, state: GateState): Gate {
  const reason = lapsed(entry, state);
  if (reason !== undefined) return { kind: 'discard', reason };
  const { request, policy } = entry;
  const early = request.etaAt === undefined ? undefined : wait(request.etaAt, 'eta', state);
  if (early !== undefined) return early;
  if (policy.rate === undefined) return { kind: 'run' };
  const turn = state.rates.turn(request.task, policy.rate, entry.key);
  const late = wait(turn, 'rate', state);
  if (late === undefined) return { kind: 'run' };
  if (late.kind === 'park') state.rates.reserve(request.task, entry.key, turn);
  return late;
}
