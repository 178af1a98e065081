// The way of a message through a worker: intake → gates → slots → pool → its end. The line (consumer.ts) hands deliveries in; ends.ts
// says what becomes of them.
//
// A message that was started before is a suspect: it may be what killed its worker, and a death is counted against all that the worker
// holds. Where the pool has a process for such a one (`pool.alone`), it runs there, beside the others. Elsewhere, while one is here nothing else is: what has not started goes back uncounted, the broker is asked for one message at a time,
// and the suspect starts when all else has ended. The first message that is no suspect ends this.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Delivery, Subscription } from '../broker/index.ts';
import type { Pool } from '../pool/index.ts';
import type { TaskRequest } from '../protocol/index.ts';
import type { Outcome } from '../task/index.ts';
import {
  BrokerConnectionError,
  type Clock,
  Condition,
  logger,
  type Maybe,
  SignatureRefusedError,
  systemClock,
  TaskRevokedError,
  WorkerLostError,
} from '../util/index.ts';
import { Admission } from './admission.ts';
import { Ends } from './ends.ts';
import { intake, ownerOfRequest } from './intake.ts';
import { logOutcome } from './lines.ts';
import { Pace } from './pace.ts';
import { Policies, type PolicyChange } from './policies.ts';
import type { EventError, WorkerApp } from './port.ts';
import { Quarantine, type Quarantined } from './quarantine.ts';
import type { Rounds } from './rate.ts';
import { Entry, keyOf, Requests, Run } from './request.ts';
import { Returned } from './returned.ts';
import { Revoked } from './revoked.ts';
import { isSuspect, Slots } from './slots.ts';
import { Strategies, tellHook, tellOutcome } from './strategies.ts';
import { eventsOf, tell, tellEnd } from './telling.ts';
import { type Answer, type Fate, fateOf } from './verdict.ts';

const log = logger('consumer');
const SHUT_DOWN: EventError = {
  type: 'WorkerLostError',
  message: 'The worker was shut down while the task ran.',
  traceback: undefined,
};

/** Sees every task begin, right before its body, and end. */
export interface TaskWatch {
  begins(task: Entry): void;
  /** `runtime`: seconds. */
  ended(task: Entry, runtime: number): void;
}

export interface FlowOptions {
  readonly app: WorkerApp;
  readonly pool: Pool;
  readonly hostname: string;
  readonly subscription: () => Subscription | undefined;
  readonly clock?: Clock | undefined;
  /** What must not run, as far as it is known at the start. @default nothing */
  readonly revoked?: Revoked | undefined;
  /** Slots that the pool may grow to when there is work for them; messages are taken for these. @default those that it has */
  readonly capacity?: (() => number) | undefined;
  /** Called when more is in hand than before. */
  readonly onLoad?: (() => void) | undefined;
  readonly watch?: TaskWatch | undefined;
  /** Called when a message was revoked while it was being parked. */
  readonly onMissed?: (() => void) | undefined;
  /** When what is far from its turn under a rate limit comes by again. @default after a minute at least, ten at most */
  readonly rounds?: Rounds | undefined;
}

/** Everything a worker has in hand. */
export class Flow {
  readonly requests: Requests = new Requests();
  /** What must not run. */
  readonly revoked: Revoked;
  /** Ended since the beginning, by state; and the seconds that they ran, together. */
  readonly ended: Map<string, number> = new Map();
  seconds = 0;
  /** Started since the beginning, by task name. */
  readonly totals: Map<string, number> = new Map();
  readonly #options: FlowOptions;
  readonly #clock: Clock;
  readonly #giveUp = new AbortController();
  readonly #ends: Ends;
  readonly #slots: Slots;
  readonly #admission: Admission;
  readonly #strategies: Strategies;
  readonly #quarantine: Quarantine;
  readonly #policies: Policies;
  readonly #returned: Returned;
  #acked = 0;
  #interrupted = 0;
  /** Running tasks whose messages went with a lost line and have not come back: they fill slots, and the new line does not know of them. */
  readonly #orphans = new Set<Entry>();
  #draining = false;
  /** Came after the pause; undefined once all is given back. */
  #late: Delivery[] | undefined = [];
  #prefetch = 0;
  readonly #condition = new Condition();
  /** One message at a time, since the first suspect came. */
  #isolated = false;
  readonly #pace: Pace;
  #suspect: Entry | undefined;
  /** Queues that are paused. */
  #closed: ReadonlySet<string> = new Set();

  constructor(options: FlowOptions) {
    this.#options = options;
    const { app, pool, hostname, subscription, onMissed: missed } = options;
    const clock = options.clock ?? systemClock;
    this.revoked = options.revoked ?? new Revoked({}, clock);
    const { requests, revoked } = this;
    const changed = (): void => this.#adjust();
    this.#clock = clock;
    this.#pace = new Pace(clock);
    this.#quarantine = new Quarantine({ after: app.settings.quarantineAfter ?? null, isolated: pool.can.kill, clock });
    const isBrisk = (task: string): boolean => this.#pace.isBrisk(task);
    const ends = new Ends({ app, hostname, subscription, clock, requests, giveUp: this.#giveUp.signal, isBrisk, changed });
    const run = (entry: Entry): void => this.#run(entry);
    this.#ends = ends;
    this.#slots = new Slots({
      limit: () => pool.limit + (pool.ahead ?? 0),
      start: (entry) => this.#start(entry),
      ward: pool.alone === undefined ? false : pool.aloneInside === true ? 'inside' : 'beside',
      whole: () => pool.limit,
    });
    this.#policies = new Policies(app);
    const rateOf = (entry: Entry): number | undefined => this.#policies.rateOf(entry);
    const { rounds } = options;
    this.#admission = new Admission({ app, clock, requests, revoked, ends, rateOf, rounds, run, changed, missed });
    const admit = (entry: Entry): void => this.#admission.admit(entry);
    this.#returned = new Returned({
      app,
      requests,
      ends,
      giveUp: this.#giveUp.signal,
      admit: (entry) => this.#strategies.admit(entry),
      attached: (entry) => void this.#orphans.delete(entry),
      changed,
    });
    this.#strategies = new Strategies({ app, hostname, revoked, requests, ends, admit, changed });
  }

  get running(): number {
    return this.#slots.running;
  }

  /** Tasks that run, or that would if there were slots. */
  get load(): number {
    return this.#slots.running + this.#slots.waiting;
  }

  /** Is there a process of its own for a message that was started before? */
  get #hasWard(): boolean {
    return this.#options.pool.alone !== undefined;
  }

  /** Slots that there are, or may be. */
  get #capacity(): number {
    const { pool, capacity } = this.#options;
    return Math.max(pool.limit, capacity?.() ?? 0);
  }

  /** Tasks that are in quarantine, because they ended one process after the other. */
  get quarantined(): readonly Quarantined[] {
    return this.#quarantine.closed;
  }

  /** The pool has more or fewer slots than before: starts what waits, and asks for as many messages as that makes. */
  resized(): void {
    this.#slots.grown();
    this.#adjust();
  }

  /** A slot is free, nothing in hand could fill it, and the broker owes us a message: it gives no more than were asked for. */
  get hungry(): boolean {
    if (this.#isolated && this.requests.size > 0) return false;
    if (this.#draining || this.#slots.waiting > 0 || this.#slots.running >= this.#capacity) return false;
    return this.#unsettled < this.prefetch;
  }

  /** Messages that the broker counts as ours: of tasks in hand, and those whose verdict is on its way. */
  get #unsettled(): number {
    const entries = [...this.requests];
    const settling = entries.filter(({ state }) => state === 'settling').length;
    return (
      entries.filter(({ delivery, acked }) => delivery !== undefined && !acked).length +
      Math.max(0, this.#ends.pending - settling)
    );
  }

  /** How many unsettled messages the worker wants: its slots, and whatever only waits for its time. Never less than one, which brokers take for no limit. */
  get prefetch(): number {
    const { settings } = this.#options.app;
    const { workerPrefetchMultiplier: multiplier, workerEtaTaskLimit: etaLimit } = settings;
    if (this.#isolated) return 1;
    if (multiplier === 0) return 65_535;
    const slots = Math.max(1, Math.floor(this.#capacity * multiplier));
    const held = Math.min(this.#admission.held + this.#strategies.held, etaLimit ?? Number.POSITIVE_INFINITY);
    const ahead = settings.workerDisablePrefetch === true ? 0 : this.#pace.ahead(slots);
    const orphans = settings.workerEnablePrefetchCountReduction === false ? 0 : this.#orphans.size;
    // As many again, not any number of them: the rest of the queue has its turn, too.
    const aside = Math.min(this.#slots.aside, slots);
    return Math.max(1, slots - this.#acked - orphans + held + ahead + aside);
  }

  /** Takes a batch in. */
  receive(deliveries: readonly Delivery[]): void {
    this.#slots.together(() => {
      for (const delivery of suspectsFirst(deliveries)) this.#receiveSafely(delivery);
    });
    this.#options.onLoad?.();
    this.#adjust();
  }

  #receiveSafely(delivery: Delivery): void {
    try {
      this.#receive(delivery);
    } catch (error) {
      // A defect of ours must not become a poison message that kills one worker after another.
      log.error('A message could not be taken in: {error}', { error });
      const cause = error instanceof Error ? error : new Error(String(error));
      this.#ends.unusable(delivery, { reason: 'malformed', error: cause, owner: undefined });
    }
  }

  /** The line is gone: what was not started comes back by itself, what runs goes on and waits for its message. */
  lineLost(): void {
    this.#admission.turnsLost();
    for (const { noted, delivery } of this.#forget()) if (delivery !== undefined) noted?.unstarted?.(delivery);
    this.#isolated = false;
    if (this.#late !== undefined) this.#late = [];
    for (const entry of this.requests) {
      entry.delivery = undefined;
      if (entry.state === 'running' && !entry.acked) this.#orphans.add(entry);
    }
    if (this.#options.app.settings.workerCancelLongRunningTasksOnConnectionLoss === true) this.#cancelOrphans();
  }

  /** A new line, opened with that prefetch; what has changed since is said on it. */
  lineOpened(prefetch: number): void {
    this.#prefetch = prefetch;
    this.#adjust();
  }

  /** Their messages may be on another worker by now, where they start anew. */
  #cancelOrphans(): void {
    if (this.#orphans.size === 0) return;
    const setting = 'workerCancelLongRunningTasksOnConnectionLoss';
    log.warning('{count} running tasks are aborted, because the connection to the broker was lost (setting {setting}).', {
      count: this.#orphans.size,
      setting,
    });
    const reason = new BrokerConnectionError(
      `The connection to the broker was lost, so the task runs again when its message comes back (setting ${setting}).`,
    );
    for (const entry of this.#orphans) this.#interrupt(entry, reason);
  }

  /** Starts nothing any more, at once. What comes now waits for `giveBack`: while the broker still delivers here, it would come straight back. */
  pause(): void {
    this.#draining = true;
    this.#slots.pause();
  }

  /** Gives back, uncounted, what has not started. */
  async giveBack(): Promise<void> {
    this.pause();
    const late = this.#late ?? [];
    this.#late = undefined;
    const unstarted = this.#forget();
    await Promise.all([...late, ...unstarted.map(({ delivery }) => delivery)].map((delivery) => this.#ends.giveBack(delivery)));
  }

  /** Running tasks that a shutdown broke off, and those whose ends it left unwritten. */
  get interrupted(): number {
    return this.#interrupted + this.#ends.unwritten;
  }

  /** What comes from these queues, and what has not started of them, is given back. */
  closeTo(queues: ReadonlySet<string>): void {
    this.#closed = queues;
  }

  /** Gives back, uncounted, what has not started of paused queues; what waits for its time goes on waiting in the broker. */
  giveBackPaused(): void {
    if (this.#closed.size === 0) return;
    for (const entry of this.requests) {
      if (!this.#closed.has(entry.original.queue)) continue;
      if (entry.state === 'ready') this.#slots.remove(entry);
      if (entry.state === 'received' || entry.state === 'held' || entry.state === 'ready') this.#admission.letGo(entry);
    }
    this.#adjust();
  }

  /** Asks every running task to stop; their messages go back uncounted. */
  interrupt(reason: Error): void {
    for (const entry of this.requests) {
      if (entry.state !== 'running') continue;
      if (!entry.interrupted) this.#interrupted++;
      this.#interrupt(entry, reason);
    }
  }

  #interrupt(entry: Entry, reason: Error): void {
    entry.interrupted = true;
    entry.run?.abort(reason);
  }

  /** Gives the messages of tasks back that run on although they were interrupted. */
  async abandon(): Promise<void> {
    const running = [...this.requests].filter((entry) => entry.state === 'running');
    await Promise.all(
      running.map(async (entry) => {
        this.requests.delete(entry);
        entry.state = 'done';
        if (!entry.acked) tell(eventsOf(entry, this.#options.app), (to) => to.cancelled(entry.request.id));
        await (entry.acked ? this.#ends.abandoned(entry) : this.#ends.giveBack(entry.delivery));
        if (entry.acked) tell(eventsOf(entry, this.#options.app), (to) => to.failed(entry.request.id, SHUT_DOWN));
      }),
    );
  }

  /** Stores and brokers that stay away are not waited for any longer. */
  giveUp(reason: Error): void {
    this.#giveUp.abort(reason);
  }

  /** Does anything still run? */
  get runs(): boolean {
    return [...this.requests].some((entry) => entry.state === 'running');
  }

  /** Resolves when nothing runs. */
  async still(): Promise<void> {
    await this.#condition.until(() => !this.runs);
  }

  /** Resolves when nothing runs and everything is settled. */
  async quiet(): Promise<void> {
    await this.#condition.until(() => this.#isQuiet);
  }

  [Symbol.dispose](): void {
    this.#admission[Symbol.dispose]();
  }

  get #isQuiet(): boolean {
    return (
      this.#ends.pending === 0 && [...this.requests].every((entry) => entry.state !== 'running' && entry.state !== 'settling')
    );
  }

  #adjust(): void {
    const { prefetch } = this;
    if (prefetch !== this.#prefetch) {
      this.#prefetch = prefetch;
      void this.#limit(prefetch);
    }
    this.#condition.changed();
  }

  async #limit(prefetch: number): Promise<void> {
    try {
      await this.#options.subscription()?.prefetch(prefetch);
    } catch (error) {
      log.debug('The prefetch of {prefetch} was not set: {error}', { prefetch, error: String(error) });
    }
  }

  #receive(delivery: Delivery): void {
    const { app, hostname } = this.#options;
    if (this.#draining) {
      if (this.#late === undefined) void this.#ends.giveBack(delivery);
      else this.#late.push(delivery);
      return;
    }
    if (this.#closed.has(delivery.queue)) {
      void this.#ends.giveBack(delivery);
      return;
    }
    const taken = intake(delivery, app, hostname);
    if ('reason' in taken) {
      this.#ends.unusable(delivery, taken);
      return;
    }
    const key = keyOf(taken.request);
    if (delivery.redelivered && this.#returned.attach(key, delivery)) return;
    if (this.#returned.overLimit(delivery, taken.request) || this.#turnsAway(delivery)) return;
    const entry = new Entry(key, taken, { delivery, policy: this.#policies.of(taken.definition) });
    this.requests.add(entry);
    if (isSuspect(delivery) && !this.#hasWard) void this.#alone(entry);
    else if (delivery.redelivered || isSuspect(delivery) || app.guard?.covers(delivery.queue) === true)
      void this.#returned.recollect(entry);
    else this.#strategies.admit(entry);
  }

  /** Nothing comes in beside a suspect; it goes back uncounted. */
  #turnsAway(delivery: Delivery): boolean {
    if (this.#hasWard) return false;
    if (!this.#isolated && !isSuspect(delivery)) return false;
    const suspect = this.#suspect;
    if (suspect?.delivery !== undefined && suspect.state !== 'settling' && suspect.state !== 'done') {
      void this.#ends.giveBack(delivery);
      return true;
    }
    this.#isolated = isSuspect(delivery);
    if (this.#isolated) this.#clearHand();
    return false;
  }

  /** What has not started goes back; what waits for its time waits in the broker. */
  #clearHand(): void {
    this.#slots.clear();
    for (const entry of this.requests) {
      if (entry.state === 'received' || entry.state === 'held' || entry.state === 'ready') this.#admission.letGo(entry);
    }
  }

  /** Lets a suspect go on once nothing else is here. */
  async #alone(entry: Entry): Promise<void> {
    this.#suspect = entry;
    this.#prefetch = this.prefetch;
    await this.#limit(this.#prefetch);
    // What was already on its way from the subscription to us comes in, and goes back.
    await nextTurn();
    await this.#condition.until(() => this.#slots.running === 0 && this.#ends.pending === 0);
    if (entry.state === 'received' && entry.delivery !== undefined) await this.#returned.recollect(entry);
  }

  #run(entry: Entry): void {
    if (this.#holdsBack(entry)) return;
    const { request } = entry;
    entry.alone = isSuspect(request) || (this.#hasWard && this.#quarantine.watches(request.task));
    this.#slots.add(entry);
  }

  /** In quarantine: it waits in the broker, as it came. Where the broker cannot keep it, it runs alone. */
  #holdsBack(entry: Entry): boolean {
    const until = this.#quarantine.closedUntil(entry.request.task);
    return until !== undefined && this.#admission.parkUntil(entry, until);
  }

  /** The task was closed just now: what has not started of it goes back to wait. */
  #closeOff(task: string): void {
    for (const entry of this.requests) {
      if (entry.request.task !== task || entry.state !== 'ready') continue;
      this.#slots.remove(entry);
      if (!this.#holdsBack(entry)) this.#slots.add(entry);
    }
  }

  #start(entry: Entry): void {
    if (this.#admission.refuse(entry) || this.#holdsBack(entry)) {
      this.#slots.free(entry);
      return;
    }
    const { request, delivery } = entry;
    const subscription = request.attempts > 1 ? this.#options.subscription() : undefined;
    const noted = delivery === undefined ? undefined : subscription?.starting?.(delivery);
    if (noted === undefined) this.#begin(entry);
    else {
      // Until it begins it may still be given back, or revoked.
      entry.state = 'received';
      entry.noted = subscription;
      void this.#beginNoted(entry, noted);
    }
  }

  /** The broker learns of a suspect's start right before it: a death that comes then is counted, and none that comes while it waits. */
  async #beginNoted(entry: Entry, noted: Promise<void>): Promise<void> {
    let isNoted = true;
    try {
      await noted;
    } catch (error) {
      isNoted = false;
      log.debug('The start of task {id} was not noted: {error}', { id: entry.request.id, error: String(error) });
    }
    const isOurs = isWaiting(entry.state) && entry.delivery !== undefined && !this.#draining;
    if (isNoted && isOurs) this.#begin(entry);
    else this.#slots.free(entry);
    this.#adjust();
  }

  #begin(entry: Entry): void {
    // Asked last: of what has not started after all the guard must not take the next delivery for a copy.
    if (this.#refuseRepeat(entry)) {
      this.#slots.free(entry);
      return;
    }
    this.#quarantine.starts(entry.request.task, entry.key);
    entry.state = 'running';
    entry.noted = undefined;
    entry.run = new Run(
      (slot) => this.#started(entry, slot.pid),
      !entry.policy.acksLate,
      entry.alone ? undefined : () => this.#unstarted(entry),
    );
    const outcome = this.#outcome(entry, entry.run);
    if (!(outcome instanceof Promise)) this.#finish(entry, outcome);
    else {
      outcome
        .catch(brokenPool)
        .then((ended) => this.#finish(entry, ended))
        .catch((error: unknown) => log.error('The end of task {id} failed: {error}', { id: entry.request.id, error }));
    }
  }

  /** A signed message that started here before is somebody's copy of it. The task keeps its result. */
  #refuseRepeat(entry: Entry): boolean {
    const { delivery, original, request } = entry;
    if (delivery === undefined || this.#options.app.guard?.repeats(original) !== true) return false;
    const error = new SignatureRefusedError(
      `The signed message of task ${request.id} was started here before: this is a copy. Send the task again to run it again.`,
    );
    this.requests.delete(entry);
    entry.state = 'done';
    this.#ends.unusable(delivery, { reason: 'refused-signature', error, owner: undefined });
    return true;
  }

  #outcome(entry: Entry, run: Run): Maybe<Outcome> {
    const { pool } = this.#options;
    try {
      const job = this.#policies.job(entry);
      return entry.alone && pool.alone !== undefined ? pool.alone(job, run) : pool.run(job, run);
    } catch (error) {
      return brokenPool(error);
    }
  }

  #started(entry: Entry, pid: number): void {
    const { task } = entry.request;
    entry.pid = pid;
    entry.startedAt = this.#clock.now();
    this.totals.set(task, (this.totals.get(task) ?? 0) + 1);
    if (!entry.policy.acksLate) this.#ackEarly(entry);
    const { events } = this.#options.app;
    if (events?.wanted === true) tell(eventsOf(entry, this.#options.app), (to) => to.started(entry.request));
    tellHook(entry, (hooks) => hooks.onAccepted?.(entry.request));
    this.#options.watch?.begins(entry);
  }

  /** It waited in a slot of the pool and has not begun: as if it had not started. */
  #unstarted(entry: Entry): void {
    const { request, key, original, delivery } = entry;
    this.#orphans.delete(entry);
    entry.run = undefined;
    this.#quarantine.undecided(request.task, key);
    this.#options.app.guard?.returned(original);
    const isOurs = entry.state === 'running' && delivery !== undefined;
    if (isOurs && this.#late !== undefined && !this.#closed.has(original.queue)) this.#slots.back(entry);
    else {
      // Given back by a shutdown, or to be; or its line was lost, and it comes again.
      if (isOurs) this.#admission.letGo(entry);
      else if (entry.state === 'running') this.requests.delete(entry);
      entry.state = 'done';
      this.#slots.free(entry);
    }
    this.#adjust();
  }

  #ackEarly(entry: Entry): void {
    entry.acked = true;
    this.#acked++;
    if (entry.delivery !== undefined) this.#ends.say(entry.delivery, { verdict: 'ack' });
    entry.delivery = undefined;
  }

  #finish(entry: Entry, outcome: Outcome): void {
    if (entry.acked) this.#acked--;
    this.#orphans.delete(entry);
    this.#options.watch?.ended(entry, outcome.runtime);
    this.#judge(entry, outcome);
    if (entry.state !== 'running') {
      // Abandoned by a shutdown: its message has gone back, so this outcome is nobody's.
      this.#slots.free(entry);
      return;
    }
    entry.state = 'settling';
    entry.run = undefined;
    // A task whose message is acked before it starts must not start again: what it follows has to be settled first.
    this.#pace.note(entry.request.task, entry.acked ? Number.POSITIVE_INFINITY : outcome.runtime);
    this.ended.set(outcome.state, (this.ended.get(outcome.state) ?? 0) + 1);
    this.seconds += outcome.runtime;
    if (entry.terminated !== undefined) {
      this.#endTerminated(entry, outcome, entry.terminated);
      return;
    }
    logOutcome(entry.request, outcome);
    tellOutcome(entry, outcome);
    const { policy, acked, interrupted, original } = entry;
    const fate = fateOf(outcome, { policy, acked, interrupted, original });
    if (outcome.requeue === true || fate.answer.verdict === 'requeue') this.#options.app.guard?.returned(original);
    const then = this.#tellEnd(entry, outcome, fate);
    if (fate.lost) this.#endLost(entry, fate.answer, outcome.error?.message ?? outcome.repr, then);
    else this.#ends.end(entry, fate.answer, fate, then);
    this.#slots.free(entry);
    this.#adjust();
  }

  /** What its end says of the task, whatever becomes of the message. */
  #judge({ request: { task }, key }: Entry, { state, died, runtime }: Outcome): void {
    if (state !== 'LOST') this.#quarantine.lived(task);
    else if (died !== true) this.#quarantine.undecided(task, key);
    else if (this.#quarantine.died(task, key, runtime)) this.#closeOff(task);
  }

  /** What is over is told when its result can be read; what runs again before it can. */
  #tellEnd(entry: Entry, outcome: Outcome, fate: Fate): (() => void) | undefined {
    const events = eventsOf(entry, this.#options.app);
    if (events === undefined) return undefined;
    const say = (): void => tell(events, (to) => tellEnd(to, entry, outcome, fate));
    if (outcome.state !== 'RETRY' && outcome.requeue !== true && fate.answer.verdict !== 'requeue') return say;
    say();
    return undefined;
  }

  /** Revoked while it ran: REVOKED is its one final state, also where it came to another end before it heeded the signal. */
  #endTerminated(entry: Entry, outcome: Outcome, signal: string): void {
    const { request, policy } = entry;
    const { app } = this.#options;
    log.info('Task {name}[{id}] was terminated ({signal})', { name: request.task, id: request.id, signal: signal || 'revoked' });
    const told = (): void => this.#tellTerminated(entry, signal);
    if (outcome.state === 'REVOKED') {
      this.#ends.end(entry, { verdict: 'ack' }, outcome, told);
    } else {
      const wanted = app.backend !== undefined && !(request.ignoreResult ?? policy.ignoreResult);
      const results = wanted ? app.records.revoked(ownerOfRequest(request), 'terminated') : [];
      this.#ends.endWithout(entry, { verdict: 'ack' }, results, { state: 'REVOKED', reason: 'terminated' }, told);
    }
    this.#slots.free(entry);
    this.#adjust();
  }

  #tellTerminated(entry: Entry, signal: string): void {
    const { request } = entry;
    const { app } = this.#options;
    tell(eventsOf(entry, app), (to) => to.revoked(request.id, { terminated: true, expired: false, signal: signal || undefined }));
    try {
      app.observer.taskRevoked?.(request, { expired: false, terminated: true, signal: signal || undefined });
    } catch (error) {
      log.error('An observer of revoked tasks failed: {error}', { error });
    }
  }

  #endLost(entry: Entry, answer: Answer, message: string, then: (() => void) | undefined): void {
    const error = new WorkerLostError(message);
    this.#ends.endWithout(entry, answer, this.#ends.lost(entry, error), { state: 'FAILURE', error }, then);
  }

  /** Ends the chords that were complete `seconds` ago and of which whoever completed them is gone. Resolves to how many. */
  mendChords(seconds: number): Promise<number> {
    return this.#ends.mendChords(seconds);
  }

  /** Ends at once what waits here and was revoked; what runs goes on. Resolves to nothing: the gates stop what comes later. */
  revokeWaiting(): void {
    const waiting = [...this.requests].filter(({ state, request }) => isWaiting(state) && this.revoked.matches(request));
    if (waiting.length === 0) return;
    this.#slots.drop(new Set(waiting));
    for (const entry of waiting) this.#admission.revoke(entry);
    this.#adjust();
  }

  /** Stops what runs and is meant. Answers the ids of those, and of those that wait here and end now. */
  terminate(isMeant: (request: TaskRequest) => boolean, signal: string): readonly string[] {
    const meant = [...this.requests].filter(
      ({ state, request }) => (isWaiting(state) || state === 'running') && isMeant(request),
    );
    for (const entry of meant) {
      if (entry.state !== 'running') continue;
      entry.terminated = signal;
      entry.run?.abort(
        new TaskRevokedError(`The task was revoked while it ran${signal === '' ? '' : ` (${signal})`}.`, { signal }),
      );
    }
    this.revokeWaiting();
    return [...new Set(meant.map(({ request }) => request.id))];
  }

  /** Another rate limit (starts in a second; undefined: none) or other time limits of a task, from now on, until the worker ends. */
  change(task: string, change: PolicyChange): void {
    this.#policies.change(task, change);
    if ('rate' in change) this.#admission.rateChanged(task, change.rate);
  }

  /** Lets go of all that has not started; returns it. */
  #forget(): readonly Entry[] {
    this.#slots.clear();
    const unstarted = [...this.requests].filter(({ state }) => state === 'received' || state === 'held' || state === 'ready');
    for (const entry of unstarted) {
      entry.release?.();
      entry.state = 'done';
      this.requests.delete(entry);
    }
    return unstarted;
  }
}

/** In hand, and not started. */
function isWaiting(state: Entry['state']): boolean {
  return state === 'received' || state === 'held' || state === 'ready';
}

/** Before those of the same batch that would start beside them. */
function suspectsFirst(deliveries: readonly Delivery[]): readonly Delivery[] {
  if (!deliveries.some(isSuspect)) return deliveries;
  return [...deliveries.filter(isSuspect), ...deliveries.filter((delivery) => !isSuspect(delivery))];
}

function brokenPool(error: unknown): Outcome {
  const message = error instanceof Error ? error.message : String(error);
  return {
    state: 'LOST',
    results: [],
    next: [],
    runtime: 0,
    repr: message,
    error: { type: 'WorkerLostError', message, traceback: undefined, expected: false },
  };
}
