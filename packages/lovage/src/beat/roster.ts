// What the leader holds of each entry: when it is due, how far it is, when to look at it again.
import type { Lovage } from '../app/index.ts';
import { logger } from '../util/index.ts';
import { type DueTimes, dueTimes } from './next.ts';
import { runId } from './plan.ts';
import { type Resolved, resolveEntries, type WrongEntry } from './resolve.ts';
import { type EntryState, readState } from './state.ts';
import type { Snapshot } from './store.ts';

const log = logger('beat');

/** One entry while beat runs. */
export interface Place {
  readonly resolved: Resolved;
  readonly times: DueTimes;
  state: EntryState;
  /** Epoch milliseconds; undefined: never. */
  wakeAt: number | undefined;
  /** Failed tries of the run that is due, and when the next one may be. */
  tries: number;
  /** The state is not in the store yet. */
  isNew: boolean;
}

/** All places, and names of which the store keeps something that no entry has any more. */
export interface Roster {
  readonly places: ReadonlyMap<string, Place>;
  readonly gone: readonly string[];
}

/** Epoch milliseconds, whole: due times are made of them, and ids of due times. */
export function nowOf({ time }: Lovage): number {
  return Math.round(time.now() * 1000);
}

/** The zone of crontabs that have none of their own. */
export function zoneName({ settings }: Lovage): string {
  const { timezone, enableUtc } = settings;
  return timezone ?? (enableUtc ? 'UTC' : Intl.DateTimeFormat().resolvedOptions().timeZone);
}

/** Says once for each text what is wrong with an entry. */
export class Complaints {
  readonly #said = new Map<string, string>();

  tell({ name, error }: WrongEntry): void {
    if (this.#said.get(name) === error.message) return;
    this.#said.set(name, error.message);
    log.error("The schedule entry '{name}' is left out, the others go on: {reason}", { name, reason: error.message });
  }

  /** Of a change that does not count. */
  tellUntouched({ name, error }: WrongEntry): void {
    if (this.#said.get(name) === error.message) return;
    this.#said.set(name, error.message);
    log.error("What somebody changed of the schedule entry '{name}' does not count, it stays as the code has it: {reason}", {
      name,
      reason: error.message,
    });
  }
}

/** Where an entry begins that was never seen. */
export function freshState({ entry }: Resolved, timezone: string, now: number, grace: number): EntryState {
  // A program that is told "once, right now" needs a moment to start.
  const isOnce = 'kind' in entry.schedule && entry.schedule.kind === 'clocked';
  return {
    lastDue: entry.lastRunAt ?? (isOnce ? now - grace * 1000 : now),
    lastRunAt: undefined,
    totalRuns: 0,
    timezone,
    pending: [],
  };
}

/** Makes the places of what a store keeps, at `now` (epoch milliseconds). Entries that cannot be used are named and left out. */
export async function makeRoster(app: Lovage, snapshot: Snapshot, complaints: Complaints, now: number): Promise<Roster> {
  const timezone = zoneName(app);
  const { entries, wrong, untouched } = await resolveEntries(app, snapshot.edited);
  for (const each of wrong) complaints.tell(each);
  for (const each of untouched) complaints.tellUntouched(each);
  const places = new Map<string, Place>();
  for (const [name, resolved] of entries) {
    try {
      const text = snapshot.states.get(name);
      const stored = text === undefined ? undefined : ownState(app.name, name, readState(text));
      const state = placed(stored ?? freshState(resolved, timezone, now, app.settings.beatMisfireGrace), resolved, timezone, now);
      const times = dueTimes(resolved.entry, timezone);
      // Says what is wrong with a schedule before its first run.
      times.next(state.lastDue, now);
      places.set(name, { resolved, times, state, wakeAt: now, tries: 0, isNew: stored === undefined });
    } catch (error) {
      complaints.tell({ name, error: error instanceof Error ? error : new Error(String(error)) });
    }
  }
  const kept = new Set([...places.keys(), ...wrong.map(({ name }) => name)]);
  return { places, gone: [...snapshot.states.keys()].filter((name) => !kept.has(name) && !entries.has(name)) };
}

/** Runs that were claimed have the ids that beat gives them: whoever else writes into the store chooses no ids. */
function ownState(app: string, name: string, state: EntryState | undefined): EntryState | undefined {
  return state && { ...state, pending: state.pending.filter(({ id, due }) => id === runId(app, name, due)) };
}

/** A stored state as it counts now: in another zone, or after a pause, an entry begins anew. */
function placed(state: EntryState, { entry, since }: Resolved, timezone: string, now: number): EntryState {
  if (since !== undefined && since > state.lastDue) return { ...state, lastDue: since, timezone };
  const { schedule } = entry;
  const hasOwnZone = 'kind' in schedule && (schedule.kind !== 'crontab' || schedule.timezone !== undefined);
  if (state.timezone === timezone || hasOwnZone) return state;
  log.warning("The time zone of '{name}' changed from {from} to {to}: it begins anew.", {
    name: entry.name,
    from: state.timezone,
    to: timezone,
  });
  return { ...state, lastDue: now, timezone };
}
