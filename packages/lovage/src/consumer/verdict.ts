// From an outcome to what is written and what is said of the message: the acknowledgement matrix, pure.
// Celery's holes are mended here: nothing interrupted by a shutdown is acked, and no verdict repeats a task without end.
import type { DeathReason, Delivery, Outgoing } from '../broker/index.ts';
import type { ChordOpening, ChordPart, StoredResult } from '../result/index.ts';
import type { Outcome } from '../task/index.ts';
import type { TaskPolicy } from './policy.ts';

/** What to say of a message that is still ours. */
export type Answer =
  | { readonly verdict: 'ack' }
  | { readonly verdict: 'requeue'; readonly counted: boolean }
  | { readonly verdict: 'deadLetter'; readonly reason: DeathReason; readonly error: string };

/** What becomes of a finished task. */
export interface Fate {
  readonly answer: Answer;
  readonly results: readonly StoredResult[];
  readonly next: readonly Outgoing[];
  readonly openings: readonly ChordOpening[] | undefined;
  readonly parts: readonly ChordPart[] | undefined;
  /** Nobody else writes a state for it: the caller stores WorkerLostError. */
  readonly lost: boolean;
}

const ACK: Answer = { verdict: 'ack' };

function fate(outcome: Outcome, answer: Answer): Fate {
  const { results, next, openings, parts } = outcome;
  return { answer, results, next, openings, parts, lost: false };
}

/** Back to the queue with nothing written: the next attempt writes. */
function again(counted: boolean): Fate {
  return { answer: { verdict: 'requeue', counted }, results: [], next: [], openings: undefined, parts: undefined, lost: false };
}

function failed(outcome: Outcome, policy: TaskPolicy): Fate {
  const text = outcome.error === undefined ? outcome.repr : `${outcome.error.type}: ${outcome.error.message}`;
  if (outcome.unusable !== undefined) {
    return fate(outcome, { verdict: 'deadLetter', reason: outcome.unusable.reason, error: outcome.unusable.error });
  }
  const hardLimit = outcome.error?.timedOut === true && !outcome.error.type.startsWith('Soft');
  // Counted, so that a task that never makes its limit ends in the dead letters instead of running for ever.
  if (hardLimit) return policy.acksOnTimeout ? fate(outcome, ACK) : again(true);
  return policy.acksOnFailure ? fate(outcome, ACK) : fate(outcome, { verdict: 'deadLetter', reason: 'failed', error: text });
}

/** The message once more, as a new one: what a task asked for after its message was acked early. */
function resend(delivery: Delivery): Outgoing {
  const { headers, properties, body, queue } = delivery;
  return { exchange: '', routingKey: queue, headers, properties, body };
}

function lateFate(outcome: Outcome, policy: TaskPolicy): Fate {
  switch (outcome.state) {
    case 'FAILURE':
      return failed(outcome, policy);
    case 'REJECTED':
      return outcome.requeue === true
        ? again(true)
        : fate(outcome, { verdict: 'deadLetter', reason: 'rejected', error: outcome.repr });
    case 'LOST':
      return policy.rejectOnWorkerLost ? again(outcome.innocent !== true) : { ...fate(outcome, ACK), lost: true };
    default:
      return fate(outcome, ACK);
  }
}

function earlyFate(outcome: Outcome, delivery: Delivery): Fate {
  if (outcome.state === 'LOST') return { ...fate(outcome, ACK), lost: true };
  if (outcome.state === 'REJECTED' && outcome.requeue === true) return { ...fate(outcome, ACK), next: [resend(delivery)] };
  return fate(outcome, ACK);
}

/** What becomes of a task that ended so. `original` is its message as it came first. */
export function fateOf(
  outcome: Outcome,
  options: { readonly policy: TaskPolicy; readonly acked: boolean; readonly interrupted: boolean; readonly original: Delivery },
): Fate {
  if (options.interrupted && outcome.state !== 'SUCCESS' && outcome.state !== 'RETRY' && outcome.state !== 'IGNORED') {
    // A shutdown stopped it. An early ack cannot be taken back, so that task at least gets a final state.
    return options.acked ? { ...again(false), answer: ACK, lost: true } : again(false);
  }
  return options.acked ? earlyFate(outcome, options.original) : lateFate(outcome, options.policy);
}
