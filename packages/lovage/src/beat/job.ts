// What one entry has to send in a round, and how far it is once that went as it did. Pure.
import type { MisfirePolicy } from '../app/index.ts';
import type { Round, Run } from './plan.ts';
import type { Place } from './roster.ts';
import type { RunFailure } from './send.ts';
import type { EntryState } from './state.ts';

export interface Job {
  readonly place: Place;
  /** Runs that somebody claimed and may have sent. */
  readonly repeated: readonly Run[];
  readonly runs: readonly Run[];
  readonly lastDue: number;
  /** When to look at it again, if all goes well. */
  readonly wakeAt: number | undefined;
}

/** The job of an entry as it is planned; undefined when it has nothing to send or to note. */
export function jobOf(place: Place, { runs, lastDue, wakeAt }: Round, policy: MisfirePolicy): Job | undefined {
  const { state, resolved } = place;
  // A newer run takes the place of one that could not be sent, unless all are wanted.
  const isReplaced = runs.length > 0 && policy !== 'all';
  const repeated = isReplaced ? [] : state.pending.map(({ id, due }) => ({ entry: resolved.entry, id, due }));
  if (runs.length + repeated.length === 0 && lastDue === state.lastDue) return undefined;
  return { place, repeated, runs, lastDue, wakeAt };
}

/** All that it sends, the oldest first. */
export function runsOf({ repeated, runs }: Job): readonly Run[] {
  return [...repeated, ...runs];
}

/** How far its entry is when so many runs were sent and these are claimed. */
export function progress({ place: { state }, lastDue }: Job, sent: number, claimed: readonly Run[], now: number): EntryState {
  return {
    ...state,
    lastDue,
    lastRunAt: sent > 0 ? now : state.lastRunAt,
    totalRuns: state.totalRuns + sent,
    pending: claimed.map(({ id, due }) => ({ id, due })),
  };
}

/** The same once its claimed runs went as they did: what may go later stays claimed. */
export function progressAfter(job: Job, failures: ReadonlyMap<Run, RunFailure>, now: number): EntryState {
  const all = runsOf(job);
  const sent = all.filter((run) => failures.get(run) === undefined).length;
  return progress(
    job,
    sent,
    all.filter((run) => failures.get(run)?.transient === true),
    now,
  );
}

/** It is as far as that, and waits for its next run. */
export function settle({ place, wakeAt }: Job, state: EntryState): void {
  place.state = state;
  place.tries = 0;
  place.wakeAt = wakeAt;
}
