// How messages end: the one place from which turns go to the settler. flow.ts decides that a message is over, this says it.
import type { Delivery, Settlement, Subscription } from '../broker/index.ts';
import type { TaskRequest } from '../protocol/index.ts';
import type { StoredResult } from '../result/index.ts';
import type { TaskEnd } from '../task/index.ts';
import { type Clock, logger, redactText, WorkerLostError } from '../util/index.ts';
import { underNewest } from './earlier.ts';
import { ownerOfRequest, type Unusable } from './intake.ts';
import { logUnusable } from './lines.ts';
import type { ResultOwner, WorkerApp } from './port.ts';
import type { Entry, Requests } from './request.ts';
import { canPark, type Settled, Settler, type Writes, type Written } from './settle.ts';
import { tell } from './telling.ts';
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
  /** Is a task of this name over at once, as far as is known? */
  readonly isBrisk: (task: string) => boolean;
  /** Called after each end. */
  readonly changed: () => void;
}

/** A message that came again while its task ran says so in its count: that start is not counted once more. */
function countedOnce(answer: Answer, delivery: Delivery, { request }: Entry): Answer {
  if (answer.verdict !== 'requeue' || !answer.counted || delivery.attempts <= request.attempts) return answer;
  return GIVE_BACK;
}

/** Ends of messages; nothing here rejects. */
export class Ends {
  readonly #options: EndsOptions;
  readonly #settler: Settler;
  #commits = 0;
  #unwritten = 0;

  constructor(options: EndsOptions) {
    this.#options = options;
    const { app, hostname, subscription, giveUp, isBrisk } = options;
    this.#settler = new Settler({ app, node: hostname, subscription, giveUp, isBrisk });
  }

  /** Ends that are being written. */
  get pending(): number {
    return this.#commits;
  }

  /** Ends of tasks that could not be written before the worker left: their messages come again. */
  get unwritten(): number {
    return this.#unwritten;
  }

  /** A verdict, and nothing else. */
  say(delivery: Delivery, answer: Answer): void {
    this.#commit({ settlement: this.#settlement(delivery, answer), results: [], next: [] });
  }

  /** What an earlier attempt may have left undone. */
  follow(written: Written): void {
    this.#commit({ ...written, settlement: undefined });
  }

  /** Ends the chords that were complete `seconds` ago and of which whoever completed them is gone. Resolves to how many. */
  mendChords(seconds: number): Promise<number> {
    return this.#settler.joins.mend(seconds);
  }

  /** Writes the end of a task that no slot ended: its own record, and whatever else follows such an end. */
  endWithout(entry: Entry, answer: Answer, own: readonly StoredResult[], end: TaskEnd, then?: () => void): void {
    this.#followed(entry.request, entry.original.body, end, own, (written) => this.end(entry, answer, written, then));
  }

  /** Calls `write` with the own record and all that follows; at once where there is nothing to ask. */
  #followed(
    request: TaskRequest,
    body: Uint8Array,
    end: TaskEnd,
    own: readonly StoredResult[],
    write: (written: Written) => void,
  ): void {
    const { app } = this.#options;
    if (app.aftermath === undefined) {
      write({ results: own, next: [] });
      return;
    }
    this.#commits++;
    void app
      .aftermath(request, body, end)
      .catch((error: unknown) => {
        log.error('What follows the end of task {id} is lost: {error}', { id: request.id, error });
        return undefined;
      })
      .then((after) => {
        this.#commits--;
        write(after === undefined ? { results: own, next: [] } : { ...after, results: [...own, ...after.results] });
      });
  }

  /** Writes an end and forgets the entry; the verdict goes to the message that we hold by then. `then` is called when all is said. */
  end(entry: Entry, answer: Answer, { results, next, openings, parts }: Written, then?: () => void): void {
    const delivery = entry.acked ? undefined : entry.delivery;
    const settlement = delivery === undefined ? undefined : this.#settlement(delivery, countedOnce(answer, delivery, entry));
    // What goes back may be here again before its verdict is confirmed: it is a new start then, not a copy of this one.
    if (settlement?.verdict === 'requeue') this.#options.requests.delete(entry);
    this.#commit({ settlement, results: underNewest(results, entry), next, openings, parts }, (settled) => {
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
      if (this.#options.giveUp.aborted) this.#unwritten++;
      this.#options.app.guard?.returned(entry.original);
      if (newer !== undefined) this.say(newer, GIVE_BACK);
    } else if (newer !== undefined) this.say(newer, countedOnce(answer, newer, entry));
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
  park(delivery: Delivery, until: number, parked?: () => void): void {
    this.#commit({ settlement: { verdict: 'park', delivery, until }, results: [], next: [] }, parked);
  }

  /** Early acked and never ended: its record says so. */
  abandoned(entry: Entry): Promise<void> {
    const error = new WorkerLostError('The worker was shut down while the task ran.');
    return new Promise((resolve) => {
      this.#followed(entry.request, entry.original.body, { state: 'FAILURE', error }, this.lost(entry, error), (written) => {
        this.#commit({ ...written, results: underNewest(written.results, entry), settlement: undefined }, () => resolve());
      });
    });
  }

  /** The one funnel for what cannot be used: log, signal, FAILURE where somebody may wait, dead letter. */
  unusable(delivery: Delivery, unusable: Unusable, request: TaskRequest | undefined = unusable.owner?.request): void {
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
        : { verdict: 'deadLetter', delivery, reason, error: redactText(error.message), node: hostname };
    const own = owner === undefined ? [] : this.#failure(owner, error);
    const told = (): void => this.#tellUnusable(unusable);
    if (request === undefined) this.#commit({ settlement, results: own, next: [] }, told);
    else {
      this.#followed(request, delivery.body, { state: 'FAILURE', error }, own, (written) => {
        this.#commit({ ...written, settlement }, told);
      });
    }
  }

  /** A task that never ran and never will. Monitors know it by its id alone. */
  #tellUnusable({ owner, reason, error }: Unusable): void {
    const { events } = this.#options.app;
    if (events?.wanted !== true || owner === undefined) return;
    const { id, name } = owner;
    tell(events, (to) => {
      if (reason === 'rejected') to.rejected(id, false);
      else if (reason === 'unknown-task') to.failed(id, { type: 'NotRegistered', message: name ?? '', traceback: undefined });
      else to.failed(id, { type: error.name, message: error.message, traceback: undefined });
    });
  }

  /** The record of a task that nobody else will write one for. */
  lost({ request, policy }: Entry, error: Error): readonly StoredResult[] {
    return (request.ignoreResult ?? policy.ignoreResult) ? [] : this.#failure(ownerOfRequest(request), error);
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
