// The way of a message through a worker: intake → gates → slots → pool → settle. The line (consumer.ts) hands deliveries in.
import type { Delivery, Settlement, Subscription } from '../broker/index.ts';
import type { Pool } from '../pool/index.ts';
import type { TaskRequest } from '../protocol/index.ts';
import { attemptNumber, READY_STATES, type StoredResult } from '../result/index.ts';
import type { Outcome } from '../task/index.ts';
import { type Clock, logger, systemClock, WorkerLostError } from '../util/index.ts';
import { type GateState, gate, lapsed } from './gates.ts';
import { intake, ownerOfRequest, type Unusable, type Usable } from './intake.ts';
import { logDiscarded, logOutcome, logReceived, logUnusable } from './lines.ts';
import { persist } from './persist.ts';
import { policyOf, type TaskPolicy } from './policy.ts';
import type { ResultOwner, WorkerApp } from './port.ts';
import { RateLimits } from './rate.ts';
import { type Entry, keyOf, Requests } from './request.ts';
import { canPark, type Settled, Settler, type Turn } from './settle.ts';
import { Slots } from './slots.ts';
import { TimerHeap } from './timers.ts';
import { type Answer, fateOf } from './verdict.ts';

const log = logger('consumer');
/** Seconds after which a message for somebody else's task is looked at again. */
const UNKNOWN_PARK_SECONDS = 5;

export interface FlowOptions {
  readonly app: WorkerApp;
  readonly pool: Pool;
  readonly hostname: string;
  readonly subscription: () => Subscription | undefined;
  readonly clock?: Clock | undefined;
}

/** Everything a worker has in hand. */
export class Flow {
  readonly requests: Requests = new Requests();
  /** Ids that must not run. */
  readonly revoked: Set<string> = new Set();
  /** Started since the beginning, by task name. */
  readonly totals: Map<string, number> = new Map();
  readonly #options: FlowOptions;
  readonly #clock: Clock;
  readonly #giveUp = new AbortController();
  readonly #settler: Settler;
  readonly #slots: Slots;
  readonly #timers: TimerHeap;
  readonly #gates: GateState;
  readonly #policies = new WeakMap<object, TaskPolicy>();
  #commits = 0;
  #held = 0;
  #acked = 0;
  #draining = false;
  /** Came after the pause; undefined once all is given back. */
  #late: Delivery[] | undefined = [];
  #prefetch = 0;
  #quiet: PromiseWithResolvers<void> | undefined;

  constructor(options: FlowOptions) {
    this.#options = options;
    const { app, pool, hostname, subscription } = options;
    this.#clock = options.clock ?? systemClock;
    this.#timers = new TimerHeap(this.#clock);
    this.#settler = new Settler({ app, node: hostname, subscription, giveUp: this.#giveUp.signal });
    this.#slots = new Slots({ limit: () => pool.limit, start: (entry) => this.#start(entry) });
    this.#gates = {
      clock: this.#clock,
      revoked: this.revoked,
      rates: new RateLimits(this.#clock),
      parks: canPark(app.broker),
    };
  }

  get running(): number {
    return this.#slots.running;
  }

  /** A slot is free, and nothing in hand could fill it. */
  get hungry(): boolean {
    return !this.#draining && this.#slots.waiting === 0 && this.#slots.running < this.#options.pool.limit;
  }

  /** How many unsettled messages the worker wants: its slots, and whatever only waits for its time. Never less than one, which brokers take for no limit. */
  get prefetch(): number {
    const { workerPrefetchMultiplier: multiplier, workerEtaTaskLimit: etaLimit } = this.#options.app.settings;
    if (multiplier === 0) return 65_535;
    const slots = Math.max(1, Math.floor(this.#options.pool.limit * multiplier));
    const held = Math.min(this.#held, etaLimit ?? Number.POSITIVE_INFINITY);
    return Math.max(1, slots - this.#acked + held);
  }

  /** Takes a batch in. */
  receive(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) {
      try {
        this.#receive(delivery);
      } catch (error) {
        // A defect of ours must not become a poison message that kills one worker after another.
        log.error('A message could not be taken in: {error}', { error });
        const cause = error instanceof Error ? error : new Error(String(error));
        this.#unusable(delivery, { reason: 'malformed', error: cause, owner: undefined });
      }
    }
    this.#adjust();
  }

  /** The line is gone: what was not started comes back by itself, what runs goes on and waits for its message. */
  lineLost(): void {
    this.#forget();
    if (this.#late !== undefined) this.#late = [];
    for (const entry of this.requests) entry.delivery = undefined;
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
    const answer: Answer = { verdict: 'requeue', counted: false };
    for (const delivery of late) this.#say(delivery, answer);
    await Promise.all(unstarted.map((entry) => this.#giveBack(entry)));
  }

  /** Asks every running task to stop; their messages go back uncounted. */
  interrupt(reason: Error): void {
    for (const entry of this.requests) {
      if (entry.state !== 'running') continue;
      entry.interrupted = true;
      entry.controller?.abort(reason);
    }
  }

  /** Gives the messages of tasks back that run on although they were interrupted. */
  async abandon(): Promise<void> {
    const running = [...this.requests].filter((entry) => entry.state === 'running');
    await Promise.all(
      running.map(async (entry) => {
        this.requests.delete(entry);
        entry.state = 'done';
        if (entry.acked) await this.#commitLost(entry);
        else await this.#giveBack(entry);
      }),
    );
  }

  /** Stores and brokers that stay away are not waited for any longer. */
  giveUp(reason: Error): void {
    this.#giveUp.abort(reason);
  }

  /** Resolves when nothing runs and everything is settled. */
  async quiet(): Promise<void> {
    while (!this.#isQuiet) {
      this.#quiet ??= Promise.withResolvers<void>();
      await this.#quiet.promise;
    }
  }

  [Symbol.dispose](): void {
    this.#timers[Symbol.dispose]();
  }

  get #isQuiet(): boolean {
    return this.#commits === 0 && [...this.requests].every((entry) => entry.state !== 'running' && entry.state !== 'settling');
  }

  #adjust(): void {
    const { prefetch } = this;
    if (prefetch !== this.#prefetch) {
      this.#prefetch = prefetch;
      this.#options.subscription()?.prefetch(prefetch);
    }
    if (this.#quiet !== undefined && this.#isQuiet) {
      this.#quiet.resolve();
      this.#quiet = undefined;
    }
  }

  #receive(delivery: Delivery): void {
    const { app, hostname } = this.#options;
    if (this.#draining) {
      if (this.#late === undefined) this.#say(delivery, { verdict: 'requeue', counted: false });
      else this.#late.push(delivery);
      return;
    }
    const taken = intake(delivery, app, hostname);
    if ('reason' in taken) {
      this.#unusable(delivery, taken);
      return;
    }
    const key = keyOf(taken.request);
    if (delivery.redelivered && this.#attach(key, delivery)) return;
    if (this.#overLimit(delivery, taken.request)) return;
    const entry = this.#entry(key, taken, delivery);
    this.requests.add(entry);
    logReceived(entry.request);
    if (delivery.redelivered || delivery.attempts > 1) void this.#recollect(entry);
    else this.#admit(entry);
  }

  #entry(key: string, { request, definition }: Usable, delivery: Delivery): Entry {
    const policy = this.#policy(definition);
    return {
      key,
      request,
      definition,
      policy,
      job: {
        request,
        body: delivery.body,
        timeLimit: request.timeLimit ?? policy.timeLimit,
        softTimeLimit: request.softTimeLimit ?? policy.softTimeLimit,
      },
      original: delivery,
      delivery,
      acked: false,
      state: 'received',
      controller: undefined,
      interrupted: false,
      release: undefined,
      startedAt: undefined,
    };
  }

  #policy(definition: Usable['definition']): TaskPolicy {
    let policy = this.#policies.get(definition);
    if (policy === undefined) {
      policy = policyOf(this.#options.app.options(definition), this.#options.app.settings);
      this.#policies.set(definition, policy);
    }
    return policy;
  }

  /** Is this a message that we have, or had, in hand? */
  #attach(key: string, delivery: Delivery): boolean {
    const owed = this.requests.recall(key);
    if (owed !== undefined) {
      this.#say(delivery, owed);
      return true;
    }
    const entry = this.requests.find(key);
    if (entry === undefined) return false;
    // Still held on this line: the newer one is a second copy, which nobody would ever settle if it took the place of the first.
    if (entry.acked || entry.delivery !== undefined) this.#say(delivery, { verdict: 'ack' });
    else entry.delivery = delivery;
    return true;
  }

  /** A message that was started too often without an end goes to the dead letters. */
  #overLimit(delivery: Delivery, request: TaskRequest): boolean {
    const { maxDeliveries } = this.#options.app.settings;
    if (maxDeliveries === null || maxDeliveries === undefined || delivery.attempts <= maxDeliveries) return false;
    const error = new WorkerLostError(
      `The task was started ${delivery.attempts - 1} times and never came to an end (setting maxDeliveries is ${maxDeliveries}); its worker probably died of it.`,
    );
    this.#unusable(delivery, { reason: 'delivery-limit', error, owner: ownerOfRequest(request) });
    return true;
  }

  /** The one funnel for what cannot be used: log, signal, FAILURE where somebody may wait, dead letter. */
  #unusable(delivery: Delivery, unusable: Unusable): void {
    const { app, hostname } = this.#options;
    const { reason, error, owner } = unusable;
    if (reason === 'unknown-task' && app.settings.unknownTask === 'requeue') {
      this.#later(delivery);
      return;
    }
    logUnusable(delivery, unusable);
    if (reason === 'unknown-task') {
      app.observer.taskUnknown?.(delivery, { name: owner?.name ?? '', id: owner?.id, error });
    } else app.observer.taskRejected?.(delivery, error);
    const settlement: Settlement =
      reason === 'unknown-task' && app.settings.unknownTask === 'reject'
        ? { verdict: 'reject', delivery }
        : { verdict: 'deadLetter', delivery, reason, error: error.message, node: hostname };
    void this.#commit({ settlement, results: owner === undefined ? [] : this.#failure(owner, error), next: [] });
  }

  /** Left for a worker that knows the task; never a hot loop where the broker can park. */
  #later(delivery: Delivery): void {
    const until = this.#clock.now() + UNKNOWN_PARK_SECONDS;
    const settlement: Settlement = this.#gates.parks
      ? { verdict: 'park', delivery, until }
      : { verdict: 'requeue', delivery, counted: false };
    void this.#commit({ settlement, results: [], next: [] });
  }

  #failure(owner: ResultOwner, error: Error): readonly StoredResult[] {
    if (this.#options.app.backend === undefined) return [];
    try {
      return this.#options.app.records.failure(owner, error);
    } catch (cause) {
      log.error('The failure of task {id} cannot be written: {cause}', { id: owner.id, cause });
      return [];
    }
  }

  /** A message that somebody held before: its record says whether its task is over already, and learns the number of this attempt. */
  async #recollect(entry: Entry): Promise<void> {
    const { request, policy } = entry;
    const stored = policy.ignoreResult && request.ignoreResult !== false ? undefined : await this.#fence(request);
    if (entry.state !== 'received' || entry.delivery === undefined) return;
    if (stored === undefined || !this.#isOver(request, stored)) {
      this.#admit(entry);
      this.#adjust();
      return;
    }
    log.info('Task {name}[{id}] ended in an earlier attempt ({state}); it does not run again.', {
      name: request.task,
      id: request.id,
      state: stored.state,
    });
    entry.state = 'settling';
    const next = stored.state === 'REVOKED' ? [] : await this.#followUp(entry, stored);
    const dies = stored.state === 'FAILURE' && !policy.acksOnFailure;
    const error = 'The task failed in an earlier attempt.';
    await this.#end(entry, dies ? { verdict: 'deadLetter', reason: 'failed', error } : { verdict: 'ack' }, [], next);
  }

  #isOver(request: TaskRequest, stored: StoredResult): boolean {
    if (READY_STATES.has(stored.state)) return true;
    // A later retry of this task has begun, so this message has done its part.
    return stored.attempt >= attemptNumber(request.retries + 1, 0);
  }

  async #fence(request: TaskRequest): Promise<StoredResult | undefined> {
    const { backend, settings } = this.#options.app;
    // Replies of rpc live in the queue of whoever asked; nobody else can read them.
    if (backend === undefined || !backend.features.persistent) return undefined;
    const attempt = attemptNumber(request.retries, request.attempts);
    const read = async (): Promise<StoredResult | undefined> =>
      backend.fence === undefined
        ? (await backend.get([request.id])).get(request.id)
        : backend.fence(request.id, attempt, settings.resultExpires ?? undefined);
    try {
      return await persist(`read the record of task ${request.id}`, this.#giveUp.signal, read);
    } catch (error) {
      // An unreadable record is no reason to refuse a task: at least once is the promise.
      log.warning('The record of task {id} cannot be read, so it runs again: {error}', { id: request.id, error: String(error) });
      return undefined;
    }
  }

  async #followUp(entry: Entry, stored: StoredResult): Promise<Turn['next']> {
    const { request, original } = entry;
    try {
      return (await this.#options.app.followUp?.(request, original.body, stored)) ?? [];
    } catch (error) {
      log.error('What follows task {id} cannot be made: {error}', { id: request.id, error: String(error) });
      return [];
    }
  }

  /** Through the gates, for the first time or after a wait. */
  #admit(entry: Entry, again = false): void {
    const verdict = gate(entry, this.#gates);
    if (verdict.kind === 'discard') {
      this.#discard(entry, verdict.reason);
      return;
    }
    if (!again) this.#options.app.observer.taskReceived?.(entry.request);
    if (verdict.kind === 'run') this.#slots.add(entry);
    else if (verdict.kind === 'park') this.#park(entry, verdict.until);
    else this.#hold(entry, verdict.until, verdict.why);
  }

  #hold(entry: Entry, until: number, why: 'eta' | 'rate'): void {
    entry.state = 'held';
    this.#held++;
    const leave = (): void => {
      this.#held--;
      entry.release = undefined;
    };
    const cancel = this.#timers.at(until, () => {
      leave();
      // The rate's turn was taken when the wait began; after an eta the rate is asked for the first time.
      if (why === 'eta') this.#admit(entry, true);
      else this.#slots.add(entry);
      this.#adjust();
    });
    entry.release = () => {
      cancel();
      leave();
    };
  }

  #park(entry: Entry, until: number): void {
    this.requests.delete(entry);
    entry.state = 'done';
    if (entry.delivery === undefined) return;
    void this.#commit({ settlement: { verdict: 'park', delivery: entry.delivery, until }, results: [], next: [] });
  }

  #discard(entry: Entry, reason: 'revoked' | 'expired'): void {
    const { app } = this.#options;
    logDiscarded(entry.request, reason);
    entry.state = 'settling';
    const wanted = app.backend !== undefined && !(entry.request.ignoreResult ?? entry.policy.ignoreResult);
    const results = wanted ? app.records.revoked(ownerOfRequest(entry.request), reason) : [];
    void this.#end(entry, { verdict: 'ack' }, results, []).then(() =>
      app.observer.taskRevoked?.(entry.request, { expired: reason === 'expired', terminated: false }),
    );
  }

  #start(entry: Entry): void {
    const reason = lapsed(entry, this.#gates);
    if (reason !== undefined) {
      this.#discard(entry, reason);
      // Not in the pump that called us: it would start the next before this one is counted out.
      queueMicrotask(() => this.#slots.free());
      return;
    }
    entry.state = 'running';
    const controller = new AbortController();
    entry.controller = controller;
    const onStart = (): void => {
      entry.startedAt = this.#clock.now();
      this.totals.set(entry.request.task, (this.totals.get(entry.request.task) ?? 0) + 1);
      if (!entry.policy.acksLate) this.#ackEarly(entry);
    };
    this.#options.pool
      .run(entry.job, { signal: controller.signal, onStart })
      .then(
        (outcome) => this.#finish(entry, outcome),
        (error: unknown) => this.#finish(entry, brokenPool(error)),
      )
      .catch((error: unknown) => log.error('The end of task {id} failed: {error}', { id: entry.request.id, error }));
  }

  #ackEarly(entry: Entry): void {
    entry.acked = true;
    this.#acked++;
    if (entry.delivery !== undefined) this.#say(entry.delivery, { verdict: 'ack' });
    entry.delivery = undefined;
  }

  async #finish(entry: Entry, outcome: Outcome): Promise<void> {
    if (entry.acked) this.#acked--;
    if (entry.state !== 'running') {
      // Abandoned by a shutdown: its message has gone back, so this outcome is nobody's.
      this.#slots.free();
      return;
    }
    entry.state = 'settling';
    entry.controller = undefined;
    logOutcome(entry.request, outcome);
    const { policy, acked, interrupted, original } = entry;
    const { answer, results, next, lost } = fateOf(outcome, { policy, acked, interrupted, original });
    const failure = lost ? this.#lostResults(entry, outcome.error?.message ?? outcome.repr) : results;
    const ended = this.#end(entry, answer, failure, next);
    this.#slots.free();
    this.#adjust();
    await ended;
  }

  #lostResults(entry: Entry, message: string): readonly StoredResult[] {
    if (entry.request.ignoreResult ?? entry.policy.ignoreResult) return [];
    return this.#failure(ownerOfRequest(entry.request), new WorkerLostError(message));
  }

  async #commitLost(entry: Entry): Promise<void> {
    const results = this.#lostResults(entry, 'The worker was shut down while the task ran.');
    await this.#commit({ settlement: undefined, results, next: [] });
  }

  /** Writes an end and forgets the entry; the verdict goes to the message that we hold by then. */
  async #end(entry: Entry, answer: Answer, results: Turn['results'], next: Turn['next']): Promise<void> {
    const delivery = entry.acked ? undefined : entry.delivery;
    const settlement = delivery === undefined ? undefined : this.#settlement(delivery, answer);
    const settled = await this.#commit({ settlement, results, next });
    this.requests.delete(entry);
    entry.state = 'done';
    const newer = entry.acked || entry.delivery === delivery ? undefined : entry.delivery;
    if (settled === 'given-up') {
      if (newer !== undefined) this.#say(newer, { verdict: 'requeue', counted: false });
    } else if (newer !== undefined) this.#say(newer, answer);
    else if (!entry.acked && answer.verdict !== 'requeue' && (settled === 'lost' || settlement === undefined)) {
      this.requests.remember(entry.key, answer);
    }
    this.#adjust();
  }

  /** Back to the queue as if we never had it. */
  async #giveBack(entry: Entry): Promise<void> {
    if (entry.delivery === undefined) return;
    const settlement: Settlement = { verdict: 'requeue', delivery: entry.delivery, counted: false };
    await this.#commit({ settlement, results: [], next: [] });
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

  #settlement(delivery: Delivery, answer: Answer): Settlement {
    return answer.verdict === 'deadLetter' ? { ...answer, delivery, node: this.#options.hostname } : { ...answer, delivery };
  }

  #say(delivery: Delivery, answer: Answer): void {
    void this.#commit({ settlement: this.#settlement(delivery, answer), results: [], next: [] });
  }

  async #commit(turn: Turn): Promise<Settled> {
    this.#commits++;
    try {
      return await this.#settler.commit(turn);
    } finally {
      this.#commits--;
      this.#adjust();
    }
  }
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
