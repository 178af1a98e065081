// What the leader does while it leads: keeps the entries at hand, sends those that are due, notes how far each is.
import type { Lovage } from '../app/index.ts';
import { backoff, logger } from '../util/index.ts';
import { ClockWatch } from './clock-watch.ts';
import { type Job, jobOf, progress, progressAfter, runsOf, settle } from './job.ts';
import { plan, type Run } from './plan.ts';
import { Complaints, makeRoster, nowOf, type Place, type Roster } from './roster.ts';
import type { RunFailure, Sender } from './send.ts';
import { type EntryState, writeState } from './state.ts';
import type { Change, ScheduleStore } from './store.ts';
import { tellAnew, tellDropped, tellFailed, tellPutOff, tellSent } from './tell.ts';

const log = logger('beat');
/** Entries whose runs are sent and noted together. */
const BATCH = 500;
const RETRY = { first: 0.5, cap: 30 };
/** The same while the broker does not answer at all, for which each try waits long enough. */
const AWAY = { first: 0.5, cap: 5 };
/** Seconds after which a broker that does not answer is spoken of. */
const SLOW = 1;

export interface ShiftOptions {
  readonly app: Lovage;
  readonly store: ScheduleStore;
  readonly sender: Sender;
  /** What is written carries it; undefined: this one does not lead any more. */
  readonly token: () => number | undefined;
  /** Has this one led without a gap, as far as it can know? Asked where the store cannot refuse: before messages go to a broker elsewhere. */
  readonly isFresh: () => boolean;
  /** The store refused a write: another leads. */
  readonly lost: () => void;
}

export class Shift {
  readonly #options: ShiftOptions;
  readonly #complaints: Complaints = new Complaints();
  #roster: Roster = { places: new Map(), gone: [] };
  #edits = -1;
  #inDoubt = false;
  #stopping: AbortSignal | undefined;
  /** It was said that the broker is away. */
  #isAway = false;
  /** Failures of the store, one after the other, and when it may be tried again (epoch milliseconds). */
  #failures = 0;
  #retryAt = 0;
  readonly #clocks = new ClockWatch();

  constructor(options: ShiftOptions) {
    this.#options = options;
  }

  /** Number of edits that it knows of. */
  get edits(): number {
    return this.#edits;
  }

  /** A write failed, and nobody knows whether it was done: go on under a new term, then `reset`. */
  get inDoubt(): boolean {
    return this.#inDoubt;
  }

  /** Epoch milliseconds of the next run; undefined when there is none. */
  get wakeAt(): number | undefined {
    let first: number | undefined;
    for (const { wakeAt } of this.#roster.places.values())
      if (wakeAt !== undefined && (first === undefined || wakeAt < first)) first = wakeAt;
    return first === undefined ? undefined : Math.max(first, this.#retryAt);
  }

  /** Forgets everything: the next turn reads it anew. */
  reset(): void {
    this.#roster = { places: new Map(), gone: [] };
    this.#edits = -1;
    this.#inDoubt = false;
  }

  /** After the clock was put back, what was planned by the old one would wait too long: all entries are planned anew. */
  lookAtClock(): void {
    const { app } = this.#options;
    const wall = nowOf(app);
    const back = this.#clocks.look(wall, app.time.monotonic());
    if (back === 0) return;
    log.warning('The clock was put back by {seconds} s: all entries are looked at anew.', { seconds: Math.round(back / 1000) });
    this.#retryAt = Math.min(this.#retryAt, wall);
    for (const place of this.#roster.places.values()) place.wakeAt = wall;
  }

  /** Reads entries and how far they are. New ones are noted at once, so that they begin now whoever leads later. */
  async read(): Promise<void> {
    const snapshot = await this.#options.store.load();
    const roster = await makeRoster(this.#options.app, snapshot, this.#complaints, this.#now);
    const fresh = [...roster.places].filter(([, place]) => place.isNew);
    const changes: Change[] = fresh.map(([name, { state }]) => [name, writeState(state)]);
    changes.push(...roster.gone.map((name): Change => [name, undefined]));
    if (changes.length > 0 && !(await this.#commit(changes))) return;
    this.#roster = roster;
    this.#edits = snapshot.edits;
  }

  /** Sends all that is due. Resolves when nothing is, or when another leads. */
  async work(signal: AbortSignal): Promise<void> {
    this.#stopping = signal;
    for (let due = this.#due(); due.length > 0 && this.#leads && !signal.aborted; due = this.#due()) {
      for (let at = 0; at < due.length && this.#leads; at += BATCH) await this.#sendAll(due.slice(at, at + BATCH));
    }
  }

  get #leads(): boolean {
    return this.#options.token() !== undefined && !this.#inDoubt;
  }

  get #now(): number {
    const { app } = this.#options;
    const now = nowOf(app);
    this.#clocks.note(now, app.time.monotonic());
    return now;
  }

  #due(): readonly Place[] {
    const now = this.#now;
    return [...this.#roster.places.values()].filter(({ wakeAt }) => wakeAt !== undefined && wakeAt <= now);
  }

  async #commit(changes: readonly Change[]): Promise<boolean> {
    const token = this.#options.token();
    try {
      if (token !== undefined && (await this.#options.store.commit(token, changes))) return true;
    } catch (error) {
      this.#doubt();
      throw error;
    }
    this.#options.lost();
    return false;
  }

  /** Answers the seconds until the store is tried again. */
  #doubt(): number {
    const wait = backoff(this.#failures++, RETRY);
    this.#inDoubt = true;
    this.#retryAt = this.#now + wait * 1000;
    return wait;
  }

  async #sendAll(places: readonly Place[]): Promise<void> {
    const now = this.#now;
    const jobs = places.flatMap((place) => this.#jobOf(place, now) ?? []);
    if (this.#options.sender.isJoint) {
      const [pure, mixed] = [
        jobs.filter(({ repeated }) => repeated.length === 0),
        jobs.filter(({ repeated }) => repeated.length > 0),
      ];
      if (pure.length > 0) await this.#sendJointly(pure);
      if (mixed.length > 0) await this.#sendApart(mixed);
    } else if (jobs.length > 0) await this.#sendApart(jobs);
  }

  /** Plans one entry; undefined when it has nothing to send or to note. */
  #jobOf(place: Place, now: number): Job | undefined {
    const { app } = this.#options;
    const { entry } = place.resolved;
    try {
      const round = plan({ entry, times: place.times, state: place.state }, app.name, app.settings, now);
      if (round.lastDue < place.state.lastDue) tellAnew(entry.name, place.state.lastDue);
      if (round.dropped !== undefined) tellDropped(entry.name, round.dropped, round.runs.length > 0);
      const job = jobOf(place, round, entry.misfirePolicy ?? app.settings.beatMisfirePolicy);
      if (job === undefined) place.wakeAt = round.wakeAt;
      return job;
    } catch (error) {
      place.wakeAt = undefined;
      this.#complaints.tell({ name: entry.name, error: error instanceof Error ? error : new Error(String(error)) });
      return undefined;
    }
  }

  /** Messages and memory in one transaction. */
  async #sendJointly(jobs: readonly Job[]): Promise<void> {
    const { sender } = this.#options;
    const token = this.#options.token();
    if (token === undefined) return;
    const states = new Map<Job, EntryState>();
    const changes = (failed: ReadonlySet<Run>): readonly Change[] =>
      jobs.map((job) => {
        const sent = job.runs.filter((run) => !failed.has(run)).length;
        const state = progress(job, sent, [], this.#now);
        states.set(job, state);
        return [job.place.resolved.entry.name, writeState(state)];
      });
    const runs = jobs.flatMap((job) => job.runs);
    try {
      const failed = await sender.sendJointly(token, runs, changes);
      if (failed === undefined) return this.#options.lost();
      for (const [{ entry }, error] of failed) tellFailed(entry.name, error);
      tellSent(runs.filter((run) => !failed.has(run)));
      for (const [job, state] of states) settle(job, state);
      this.#failures = 0;
    } catch (error) {
      if (!isRefusal(error)) tellPutOff(jobs, this.#doubt(), error);
      else if (jobs.length === 1) this.#putOff(jobs, error);
      else {
        // One of them is to blame: the others go on.
        const half = jobs.length >> 1;
        await this.#sendJointly(jobs.slice(0, half));
        await this.#sendJointly(jobs.slice(half));
      }
    }
  }

  /** Claims, sends, notes. The broker is asked for first: between claiming and sending as little time as can be may go by. */
  async #sendApart(jobs: readonly Job[]): Promise<void> {
    if (!(await this.#reachBroker(jobs))) return;
    const claimed = jobs.map((job) => ({ job, state: progress(job, 0, runsOf(job), this.#now) }));
    if (!(await this.#commit(claimed.map(({ job, state }) => [job.place.resolved.entry.name, writeState(state)])))) return;
    for (const { job, state } of claimed) job.place.state = state;
    if (!this.#options.isFresh()) return this.#putOff(jobs, 'this beat stood still, and another may lead');
    const runs = [...jobs.flatMap((job) => job.repeated), ...jobs.flatMap((job) => job.runs)];
    const ends = await this.#options.sender.send(runs);
    const failures = new Map<Run, RunFailure>(runs.map((run, index) => [run, ends[index]]));
    for (const run of jobs.flatMap(runsOf)) {
      const failure = failures.get(run);
      if (failure?.transient === false) tellFailed(run.entry.name, failure.error);
    }
    const noted = jobs.map((job) => ({ job, state: progressAfter(job, failures, this.#now) }));
    const sent = [...failures].flatMap(([run, failure]) => (failure === undefined ? [run] : []));
    tellSent(sent);
    for (const { job, state } of noted) if (state.pending.length === 0) settle(job, state);
    const failed = noted.filter(({ state }) => state.pending.length > 0);
    for (const { job, state } of failed) job.place.state = state;
    if (failed.length > 0)
      this.#putOff(
        failed.map(({ job }) => job),
        [...failures.values()].find((failure) => failure?.transient === true)?.error,
      );
    await this.#commit(noted.map(({ job, state }) => [job.place.resolved.entry.name, writeState(state)]));
    this.#failures = 0;
  }

  /** Is the broker there? If not, that is said at once with the reason, and after a while these are put off. */
  async #reachBroker(jobs: readonly Job[]): Promise<boolean> {
    const { sender, app } = this.#options;
    const stopping = this.#stopping;
    let why = await sender.whyNot(SLOW, stopping);
    if (why !== undefined && stopping?.aborted !== true) {
      if (!this.#isAway) log.warning('Runs that are due ({count}) wait for the broker: {why}', { count: jobs.length, why });
      this.#isAway = true;
      why = await sender.whyNot(app.settings.taskPublishTimeout, stopping);
    }
    if (why === undefined) this.#isAway = false;
    else if (stopping?.aborted !== true) this.#putOff(jobs, why, AWAY);
    return why === undefined;
  }

  /** These cannot be sent now: the same again in a while. */
  #putOff(jobs: readonly Job[], error: unknown, pace: typeof RETRY = RETRY): void {
    const wait = backoff(Math.max(...jobs.map(({ place }) => place.tries)), pace);
    for (const { place } of jobs) {
      place.tries++;
      place.wakeAt = this.#now + wait * 1000;
    }
    tellPutOff(jobs, wait, error);
  }
}

/** The store answered that what is written does not fit what is there: nothing was done. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError' && error.message.startsWith('WRONGTYPE');
}
