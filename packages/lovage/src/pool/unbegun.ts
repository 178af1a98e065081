// Looks after jobs that were handed to a slot and of which it has not said that they have begun. Most say so a moment later. A task that
// computes from its first moment on cannot: somebody beside the slot's loop is asked. A slot that has nothing else to do and does not begin
// is stuck.
import { after, logger, type Timer } from '../util/index.ts';
import type { Assignment } from './assignment.ts';
import type { Slot } from './slot.ts';

const log = logger('pool');

/** Seconds after which somebody is asked, and between two questions. */
const PROBE = 0.05;
/** Seconds in which a slot with nothing else to do has to begin what it was handed. */
const ACCEPT_TIMEOUT = 5;
const SWEEP_MS = 1000;

export class Unbegun implements Disposable {
  readonly #open: ReadonlyMap<number, Assignment>;
  readonly #stuck: (slot: Slot<Assignment>) => void;
  readonly #sweeper: NodeJS.Timeout;
  #probe: Timer | undefined;

  /** Looks at `open`, the jobs that are with a slot, and says which slots are stuck. */
  constructor(open: ReadonlyMap<number, Assignment>, stuck: (slot: Slot<Assignment>) => void) {
    this.#open = open;
    this.#stuck = stuck;
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  /** A job was handed to a slot. */
  handed(): void {
    if (this.#probe === undefined) this.#probe = after(PROBE, () => this.#ask(), { ref: true });
  }

  [Symbol.dispose](): void {
    clearInterval(this.#sweeper);
  }

  #ask(): void {
    this.#probe = undefined;
    const limit = performance.now() - PROBE * 1000;
    let isAny = false;
    for (const { slot, lane, startedAt, handedAt } of this.#open.values()) {
      if (startedAt !== undefined) continue;
      isAny = true;
      if (handedAt < limit) slot?.link.ask(lane);
    }
    if (isAny) this.handed();
  }

  #sweep(): void {
    const limit = performance.now() - ACCEPT_TIMEOUT * 1000;
    for (const { slot, startedAt, handedAt, job } of this.#open.values()) {
      if (slot?.taken !== 1 || startedAt !== undefined || handedAt > limit) continue;
      log.warning('{slot} did not begin {name}[{id}] within {seconds} seconds; it is replaced, and the task goes to another.', {
        slot: slot.name,
        name: job.request.task,
        id: job.request.id,
        seconds: ACCEPT_TIMEOUT,
      });
      this.#stuck(slot);
    }
  }
}
