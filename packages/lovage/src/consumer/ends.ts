// How messages end: the one place from which turns go to the settler. flow.ts decides that a message is over, this says it.
import type { Delivery, Settlement, Subscription } from '../broker/index.ts';
import type { StoredResult } from '../result/index.ts';
import { type Clock, logger, WorkerLostError } from '../util/index.ts';
import { ownerOfRequest, type Unusable } from './intake.ts';
import { logUnusable } from './lines.ts';
import type { ResultOwner, WorkerApp } from './port.ts';
import type { Entry, Requests } from './request.ts';
import { canPark, type Settled, Settler, type Writes } from './settle.ts';
import type { Answer } from './verdict.ts';

const log = logger('consumer');
/** Seconds after which a message for somebody else's task is looked at again. */
const UNKNOWN_PARK_SECONDS = 5;
/** Back to the queue as if we never had it. */
const GIVE_BACK: Answer = { verdict: 'requeue', counted: false };

export interface EndsOptions {
  readonly app: WorkerApp;
  /** Node name. */
  readonly hostname: string;
  readonly subscription: () => Subscription | undefined;
  readonly clock: Clock;
  readonly requests: Requests;
  readonly giveUp: AbortSignal;
  /** Called after each end. */
  readonly changed: () => void;
}

/** Ends of messages; nothing here rejects. */
export class Ends {
  readonly #options: EndsOptions;
  readonly #settler: Settler;
  #commits = 0;

  constructor(options: EndsOptions) {
    this.#options = options;
    const { app, hostname, subscription, giveUp } = options;
    this.#settler = new Settler({ app, node: hostname, subscription, giveUp });
  }

  /** Ends that are being written. */
  get pending(): number {
    return this.#commits;
  }

  /** A verdict, and nothing else. */
  say(delivery: Delivery, answer: Answer): void {
    this.#commit({ settlement: this.#settlement(delivery, answer), results: [], next: [] });
  }

  /** Messages that an earlier attempt may have left unsent. */
  follow(next: Writes['next']): void {
    this.#commit({ settlement: undefined, results: [], next });
  }

  /** Writes an end and forgets the entry; the verdict goes to the message that we hold by then. `then` is called when all is said. */
  end(entry: Entry, answer: Answer, results: Writes['results'], next: Writes['next'], then?: () => void): void {
    const delivery = entry.acked ? undefined : entry.delivery;
    const settlement = delivery === undefined ? undefined : this.#settlement(delivery, answer);
    // What goes back may be here again before its verdict is confirmed: it is a new start then, not a copy of this one.
    if (settlement?.verdict === 'requeue') this.#options.requests.delete(entry);
    this.#commit({ settlement, results, next }, (settled) => {
      this.#ended(entry, answer, settlement, settled);
      then?.();
    });
  }

  #ended(entry: Entry, answer: Answer, settlement: Settlement | undefined, settled: Settled): void {
    const { requests } = this.#options;
    requests.delete(entry);
    entry.state = 'done';
    const newer = entry.acked || entry.delivery === settlement?.delivery ? undefined : entry.delivery;
    if (settled === 'given-up') {
      if (newer !== undefined) this.say(newer, GIVE_BACK);
    } else if (newer !== undefined) this.say(newer, answer);
    else if (!entry.acked && answer.verdict !== 'requeue' && (settled === 'lost' || settlement === undefined)) {
      requests.remember(entry.key, answer);
    }
  }

  /** A message back to the queue as if we never had it. */
  giveBack(delivery: Delivery | undefined): Promise<void> {
    if (delivery === undefined) return Promise.resolve();
    return this.#committed({ settlement: this.#settlement(delivery, GIVE_BACK), results: [], next: [] });
  }

  /** Waits in the broker until then. */
  park(delivery: Delivery, until: number): void {
    this.#commit({ settlement: { verdict: 'park', delivery, until }, results: [], next: [] });
  }

  /** Early acked and never ended: its record says so. */
  abandoned(entry: Entry): Promise<void> {
    const results = this.lost(entry, 'The worker was shut down while the task ran.');
    return this.#committed({ settlement: undefined, results, next: [] });
  }

  /** The one funnel for what cannot be used: log, signal, FAILURE where somebody may wait, dead letter. */
  unusable(delivery: Delivery, unusable: Unusable): void {
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
    this.#commit({ settlement, results: owner === undefined ? [] : this.#failure(owner, error), next: [] });
  }

  /** The record of a task that nobody else will write one for. */
  lost({ request, policy }: Entry, message: string): readonly StoredResult[] {
    if (request.ignoreResult ?? policy.ignoreResult) return [];
    return this.#failure(ownerOfRequest(request), new WorkerLostError(message));
  }

  /** Left for a worker that knows the task; never a hot loop where the broker can park. */
  #later(delivery: Delivery): void {
    const { app, clock } = this.#options;
    if (canPark(app.broker)) this.park(delivery, clock.now() + UNKNOWN_PARK_SECONDS);
    else this.say(delivery, GIVE_BACK);
  }

  #failure(owner: ResultOwner, error: Error): readonly StoredResult[] {
    const { app } = this.#options;
    if (app.backend === undefined) return [];
    try {
      return app.records.failure(owner, error);
    } catch (cause) {
      log.error('The failure of task {id} cannot be written: {cause}', { id: owner.id, cause });
      return [];
    }
  }

  #settlement(delivery: Delivery, answer: Answer): Settlement {
    return answer.verdict === 'deadLetter' ? { ...answer, delivery, node: this.#options.hostname } : { ...answer, delivery };
  }

  /** Written, whatever came of it. */
  #committed(writes: Writes): Promise<void> {
    return new Promise((resolve) => this.#commit(writes, () => resolve()));
  }

  #commit(writes: Writes, ended?: (settled: Settled) => void): void {
    this.#commits++;
    this.#settler.add({
      ...writes,
      done: (settled) => {
        this.#commits--;
        ended?.(settled);
        this.#options.changed();
      },
    });
  }
}
