// Messages that come again: their task may be here still, may be over already, or may have been started too often. flow.ts asks on
// receipt, before anything else may happen to them.
import type { Delivery } from '../broker/index.ts';
import type { TaskRequest } from '../protocol/index.ts';
import type { StoredResult } from '../result/index.ts';
import { logger, WorkerLostError } from '../util/index.ts';
import { earlierEnd, rest } from './earlier.ts';
import type { Ends } from './ends.ts';
import { ownerOfRequest } from './intake.ts';
import type { WorkerApp } from './port.ts';
import type { Entry, Requests } from './request.ts';

const log = logger('consumer');

export interface ReturnedOptions {
  readonly app: WorkerApp;
  readonly requests: Requests;
  readonly ends: Ends;
  readonly giveUp: AbortSignal;
  /** Lets on what may run. */
  readonly admit: (entry: Entry) => void;
  /** A running task has its message again. */
  readonly attached: (entry: Entry) => void;
  /** Called when something was let on after its time. */
  readonly changed: () => void;
}

/** What becomes of them. */
export class Returned {
  readonly #options: ReturnedOptions;

  constructor(options: ReturnedOptions) {
    this.#options = options;
  }

  /** Is this a message that we have, or had, in hand? */
  attach(key: string, delivery: Delivery): boolean {
    const { app, requests, ends, attached, giveUp } = this.#options;
    const owed = requests.recall(key);
    if (owed !== undefined) {
      ends.say(delivery, owed);
      return true;
    }
    const entry = requests.find(key);
    if (entry === undefined) return false;
    // Still held on this line: the newer one is a second copy, which nobody would ever settle if it took the place of the first.
    if (entry.acked || entry.delivery !== undefined) ends.say(delivery, { verdict: 'ack' });
    else {
      entry.delivery = delivery;
      attached(entry);
      // Another worker may have had it meanwhile.
      void earlierEnd(entry, { app, giveUp });
    }
    return true;
  }

  /** A message that was started too often without an end goes to the dead letters. */
  overLimit(delivery: Delivery, request: TaskRequest): boolean {
    const { app, ends } = this.#options;
    const { maxDeliveries } = app.settings;
    if (maxDeliveries === null || maxDeliveries === undefined || delivery.attempts <= maxDeliveries) return false;
    const error = new WorkerLostError(
      `The task was started ${delivery.attempts - 1} times and never came to an end (setting maxDeliveries is ${maxDeliveries}); its worker probably died of it.`,
    );
    ends.unusable(delivery, { reason: 'delivery-limit', error, owner: ownerOfRequest(request) });
    return true;
  }

  /** A message that somebody held before: its task may be over already. */
  async recollect(entry: Entry): Promise<void> {
    const { app, ends, giveUp } = this.#options;
    const { request } = entry;
    const stored = await earlierEnd(entry, { app, giveUp });
    if (!isOurs(entry)) return;
    if (stored === undefined) {
      this.#letOn(entry);
      return;
    }
    if (stored.state === 'SUCCESS' && app.settings.workerDeduplicateSuccessfulTasks === false) {
      await this.#runAgain(entry, stored);
      return;
    }
    log.info('Task {name}[{id}] ended in an earlier attempt ({state}); it does not run again.', {
      name: request.task,
      id: request.id,
      state: stored.state,
    });
    entry.state = 'settling';
    const { written, answer } = await rest(entry, stored, app);
    ends.end(entry, answer, written);
  }

  /** It succeeded, and runs once more all the same: what follows it follows its first result, which stays. */
  async #runAgain(entry: Entry, stored: StoredResult): Promise<void> {
    const { app, ends } = this.#options;
    const { written } = await rest(entry, stored, app);
    if (!isOurs(entry)) return;
    if (written.next.length > 0 || written.parts !== undefined) ends.follow(written);
    this.#letOn(entry);
  }

  #letOn(entry: Entry): void {
    this.#options.admit(entry);
    this.#options.changed();
  }
}

/** Nothing happened to it while we asked. */
function isOurs({ state, delivery }: Entry): boolean {
  return state === 'received' && delivery !== undefined;
}
