// Which runs of an entry are to be sent now, which are too late, and when to look again. Pure: state and time in, runs out.
import { createHash } from 'node:crypto';
import { isCustom, type MisfirePolicy, type ScheduleEntry } from '../app/index.ts';
import { derivedId } from '../task/index.ts';
import type { DueTimes } from './next.ts';
import type { EntryState } from './state.ts';

/** Runs of one entry in one round; those that are left come in the next. */
const MAX_RUNS = 500;
/** Milliseconds by which an interval may lie ahead of the clock before it begins anew: the clock was put back. */
const AHEAD = 60_000;
/** The same where the due times stand on the calendar: those that were handled come again, and must not be sent again; but not for ever. */
const FAR_AHEAD = 24 * 3600 * 1000;

/** One run of one entry. */
export interface Run {
  readonly entry: ScheduleEntry;
  /** The same for the same app, entry and due time, whoever sends it. */
  readonly id: string;
  /** Epoch milliseconds. */
  readonly due: number;
}

/** What the settings say of runs that are late; seconds. */
export interface Misfires {
  readonly beatMisfirePolicy: MisfirePolicy;
  readonly beatMisfireGrace: number;
  readonly beatMisfireMaxAge: number | null;
  readonly beatCronStartingDeadline: number | null;
}

/** An entry as it is planned. */
export interface Planned {
  readonly entry: ScheduleEntry;
  readonly times: DueTimes;
  readonly state: EntryState;
}

export interface Round {
  readonly runs: readonly Run[];
  /** How far the entry is once the runs are sent. */
  readonly lastDue: number;
  /** The due time of the latest run that was dropped because it is too late; undefined: none was. */
  readonly dropped: number | undefined;
  /** When to look again, epoch milliseconds; undefined: never. */
  readonly wakeAt: number | undefined;
}

/** The id of a run: whoever leads gives it the same. */
export function runId(app: string, name: string, due: number): string {
  return derivedId(`beat ${app}`, `${due} ${name}`);
}

/** How long a run is put off: its own share of the jitter. */
function delayOf(app: string, { name, jitter }: ScheduleEntry, due: number): number {
  if (jitter === 0) return 0;
  const share = createHash('sha1').update(`${app} ${due} ${name}`).digest().readUInt32BE(0) / 2 ** 32;
  return Math.floor(share * jitter * 1000);
}

/** When a run is sent. */
export function sendTime(app: string, entry: ScheduleEntry, due: number): number {
  return due + delayOf(app, entry, due);
}

/** Milliseconds after which a run is too late. */
function maxAgeOf({ schedule, misfireMaxAge }: ScheduleEntry, settings: Misfires): number {
  const isCrontab = !isCustom(schedule) && schedule.kind === 'crontab';
  const ages = [
    misfireMaxAge === undefined ? settings.beatMisfireMaxAge : misfireMaxAge,
    isCrontab ? settings.beatCronStartingDeadline : null,
  ];
  return Math.min(...ages.map((seconds) => (seconds === null ? Number.POSITIVE_INFINITY : seconds * 1000)));
}

function isAhead({ schedule, lastRunAt }: ScheduleEntry, lastDue: number, now: number): boolean {
  if (lastDue === lastRunAt) return false;
  if (isCustom(schedule)) return lastDue > now + FAR_AHEAD;
  // Once is once.
  if (schedule.kind === 'clocked') return false;
  if (schedule.kind !== 'interval') return lastDue > now + FAR_AHEAD;
  return lastDue > now + Math.max(schedule.relative === true ? FAR_AHEAD : AHEAD, schedule.every * 1000);
}

/** Plans one entry. `app` is the name of the app, `now` epoch milliseconds. */
export function plan({ entry, times, state }: Planned, app: string, settings: Misfires, now: number): Round {
  const left = (entry.maxRuns ?? Number.POSITIVE_INFINITY) - state.totalRuns - state.pending.length;
  const rest = { runs: [], lastDue: state.lastDue, dropped: undefined };
  if (left <= 0 || !entry.enabled) return { ...rest, wakeAt: undefined };
  const last = isAhead(entry, state.lastDue, now) ? now : state.lastDue;
  const first = times.next(last, now);
  if (first === undefined) return { ...rest, wakeAt: undefined };
  const sends = (due: number): number => sendTime(app, entry, due);
  if (sends(first) > now) return { ...rest, lastDue: last, wakeAt: sends(first) };

  const policy = entry.misfirePolicy ?? settings.beatMisfirePolicy;
  const grace = policy === 'skip' ? settings.beatMisfireGrace * 1000 : Number.POSITIVE_INFINITY;
  const maxAge = Math.min(maxAgeOf(entry, settings), grace);
  /** All runs before this moment are too late. */
  const oldest = now - maxAge;
  const newest = times.latest(last, now - entry.jitter * 1000) ?? first;
  const isLate = (due: number): boolean => sends(due) < oldest;
  const found = policy === 'all' ? allRuns() : isLate(newest) ? [] : [newest];
  const dues = found.slice(0, Math.min(left, MAX_RUNS));
  const lastDue = dues.at(-1) ?? newest;
  const dropped = isLate(first) || (policy !== 'all' && newest > first) ? (dues.length === 0 ? newest : first) : undefined;
  const next = dues.length >= left ? undefined : times.next(lastDue, now);
  const runs = dues.map((due) => ({ entry, id: runId(app, entry.name, due), due }));
  return { runs, lastDue, dropped, wakeAt: next === undefined ? undefined : sends(next) };

  function allRuns(): readonly number[] {
    const found: number[] = [];
    // What is too late is passed over in one step.
    const start = Number.isFinite(oldest) ? (times.latest(last, oldest - 1 - entry.jitter * 1000) ?? last) : last;
    for (let due = times.next(start, now); due !== undefined && sends(due) <= now; due = times.next(due, now)) {
      if (!isLate(due)) found.push(due);
      if (found.length >= MAX_RUNS) break;
    }
    return found;
  }
}
