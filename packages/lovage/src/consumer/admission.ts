// Admission: which task runs now, which waits here, which waits in the broker, which must not run. Between intake and the slots; flow.ts
// calls it for each new entry, and again after an eta.
import { type Clock, logger } from '../util/index.ts';
import type { Ends } from './ends.ts';
import { type GateState, gate, lapsed } from './gates.ts';
import { ownerOfRequest } from './intake.ts';
import { logDiscarded, logReceived } from './lines.ts';
import type { WorkerApp } from './port.ts';
import { RateLimits, type Rounds } from './rate.ts';
import type { Entry, Requests } from './request.ts';
import type { Revoked } from './revoked.ts';
import { canPark } from './settle.ts';
import { eventsOf, tell } from './telling.ts';
import { TimerHeap } from './timers.ts';

const log = logger('consumer');

export interface AdmissionOptions {
  readonly app: WorkerApp;
  readonly clock: Clock;
  readonly requests: Requests;
  /** Ids that must not run. */
  readonly revoked: Revoked;
  readonly ends: Ends;
  /** Starts in a second that its task is limited to now; undefined: no limit. */
  readonly rateOf: (entry: Entry) => number | undefined;
  /** @default a minute, and ten */
  readonly rounds?: Rounds | undefined;
  /** Takes what may run now. */
  readonly run: (entry: Entry) => void;
  /** Called when a wait is over. */
  readonly changed: () => void;
  /** Called when one was revoked while it was being parked. */
  readonly missed?: (() => void) | undefined;
}

/** The gates with their timers. */
export class Admission implements Disposable {
  readonly #options: AdmissionOptions;
  readonly #timers: TimerHeap;
  readonly #gates: GateState;
  #held = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    const { app, clock, revoked, rateOf, rounds } = options;
    this.#timers = new TimerHeap(clock);
    this.#gates = {
      clock,
      revoked,
      rates: new RateLimits(clock, rounds),
      rateOf,
      // Asked each time: RabbitMQ says only at the first that it does not allow it.
      get parks() {
        return canPark(app.broker);
      },
    };
  }

  /** How many wait here for their eta or their rate. */
  get held(): number {
    return this.#held;
  }

  /** Through the gates, for the first time or after a wait. */
  admit(entry: Entry, again = false): void {
    const verdict = gate(entry, this.#gates);
    // What only comes by, because its turn is far, is told of when it stays.
    const isNew = !again && (verdict.kind !== 'park' || verdict.why === 'eta');
    if (isNew) logReceived(entry.request);
    if (verdict.kind === 'discard') {
      this.#discard(entry, verdict.reason);
      return;
    }
    if (isNew) this.#tellReceived(entry);
    if (verdict.kind === 'run') this.#options.run(entry);
    else if (verdict.kind === 'park') this.#park(entry, verdict.until);
    else this.#hold(entry, verdict.until, verdict.why);
  }

  #tellReceived(entry: Entry): void {
    const { app } = this.#options;
    app.observer.taskReceived?.(entry.request);
    if (app.events?.wanted === true) tell(eventsOf(entry, app), (to) => to.received(entry.request));
  }

  /** Asked once more right before the start: an entry that is revoked or too late by then has ended. */
  refuse(entry: Entry): boolean {
    const reason = lapsed(entry, this.#gates);
    if (reason !== undefined) this.#discard(entry, reason);
    return reason !== undefined;
  }

  /** Ends one that waits here and was revoked meanwhile. */
  revoke(entry: Entry): void {
    entry.release?.();
    this.#discard(entry, 'revoked');
  }

  /** Puts one that may not start aside, in the broker. Answers false where that cannot keep it. */
  parkUntil(entry: Entry, until: number): boolean {
    if (this.#gates.parks) this.#park(entry, until);
    return this.#gates.parks;
  }

  /** Lets go of one that waits here: it waits on in the broker, or goes back where the broker cannot keep it. */
  letGo(entry: Entry): void {
    const { heldUntil: until } = entry;
    entry.release?.();
    if (until !== undefined && this.#gates.parks) this.#park(entry, until);
    else this.#giveBack(entry);
  }

  /**
   * All that waits here for its turn is about to leave, and asks anew when it comes again. Where the broker parks nothing, all that waits is here:
   * were those turns kept, the next one would come behind all of them.
   */
  turnsLost(): void {
    if (this.#gates.parks) return;
    const waiting = [...this.#options.requests].filter((entry) => entry.heldFor === 'rate');
    for (const task of new Set(waiting.map(({ request }) => request.task))) this.#gates.rates.forgetComing(task);
  }

  /** Whoever waits here for its turn asks for another, in the order in which they came. */
  rateChanged(task: string, rate: number | undefined): void {
    this.#gates.rates.restart(task, rate);
    const waiting = [...this.#options.requests].filter(
      (entry) => entry.state === 'held' && entry.heldFor === 'rate' && entry.request.task === task,
    );
    for (const entry of waiting) {
      entry.release?.();
      this.admit(entry, true);
    }
    this.#options.changed();
  }

  [Symbol.dispose](): void {
    this.#timers[Symbol.dispose]();
  }

  #hold(entry: Entry, until: number, why: 'eta' | 'rate'): void {
    // A suspect has the worker for itself, so it does not wait here. When it comes again its turn has come, and it needs no other.
    if (entry.request.attempts > 1 && this.#gates.parks) {
      if (why === 'rate') this.#gates.rates.keep(entry.request.task, entry.key, until);
      this.#park(entry, until);
      return;
    }
    entry.state = 'held';
    entry.heldUntil = until;
    entry.heldFor = why;
    this.#held++;
    const leave = (): void => {
      this.#held--;
      entry.heldUntil = undefined;
      entry.heldFor = undefined;
      entry.release = undefined;
    };
    const cancel = this.#timers.at(until, () => {
      leave();
      // The rate's turn was taken when the wait began; after an eta the rate is asked for the first time.
      if (why === 'eta') this.admit(entry, true);
      else this.#options.run(entry);
      this.#options.changed();
    });
    entry.release = () => {
      cancel();
      leave();
    };
  }

  #park(entry: Entry, until: number): void {
    this.#options.requests.delete(entry);
    entry.state = 'done';
    if (entry.delivery === undefined) return;
    const { ends, revoked, missed } = this.#options;
    const { request } = entry;
    ends.park(entry.delivery, until, () => {
      if (revoked.matches(request)) missed?.();
    });
  }

  #giveBack(entry: Entry): void {
    this.#options.requests.delete(entry);
    entry.state = 'done';
    void this.#options.ends.giveBack(entry.delivery);
  }

  #discard(entry: Entry, reason: 'revoked' | 'expired'): void {
    const { app, ends } = this.#options;
    const { request, policy } = entry;
    logDiscarded(request, reason);
    entry.state = 'settling';
    const wanted = app.backend !== undefined && !(request.ignoreResult ?? policy.ignoreResult);
    const results = wanted ? app.records.revoked(ownerOfRequest(request), reason) : [];
    ends.endWithout(entry, { verdict: 'ack' }, results, { state: 'REVOKED', reason }, () => {
      tell(eventsOf(entry, app), (to) =>
        to.revoked(request.id, { terminated: false, expired: reason === 'expired', signal: undefined }),
      );
      try {
        app.observer.taskRevoked?.(request, { expired: reason === 'expired', terminated: false, signal: undefined });
      } catch (error) {
        log.error('An observer of revoked tasks failed: {error}', { error });
      }
    });
  }
}
