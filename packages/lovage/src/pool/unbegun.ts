// Looks after jobs that were handed to a slot and of which it has not said that they have begun. Most say so a moment later. A task that
// computes from its first moment on cannot: somebody beside the slot's loop is asked. A slot that has nothing else to do and does not begin
// is stuck.
import { after, logger, type Timer } from '../util/index.ts';
import type { Assignment } from './assignment.ts';

const log = logger('pool');

/** Seconds after which somebody is asked, and between two questions. */
const PROBE = 0.05;
/** Seconds in which a slot with nothing else to do has to begin what it was handed. */
const ACCEPT_TIMEOUT = 5;
const SWEEP_MS = 1000;

export class Unbegun implements Disposable {
  readonly #open: ReadonlyMap<number, Assignment>;
  readonly #stuck: (assignment: Assignment) => void;
  readonly #sweeper: NodeJS.Timeout;
  #probe: Timer | undefined;
  /** Since when this process looks without a gap: after one there may be words of slots that it has not read. Milliseconds of the monotonic clock. */
  #since: number = performance.now();
  #last: number = this.#since;

  /** Looks at `open`, the jobs that are with a slot, and says which of them are stuck in theirs. */
  constructor(open: ReadonlyMap<number, Assignment>, stuck: (assignment: Assignment) => void) {
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
    const now = performance.now();
    if (now - this.#last > 2 * SWEEP_MS) this.#since = now;
    this.#last = now;
    const limit = now - ACCEPT_TIMEOUT * 1000;
    if (this.#since > limit) return;
    for (const assignment of this.#open.values()) {
      const { slot, startedAt, handedAt, job } = assignment;
      if (slot?.taken !== 1 || startedAt !== undefined || handedAt > limit) continue;
      log.warning('{slot} did not begin {name}[{id}] within {seconds} seconds; it is replaced, and the task goes to another.', {
        slot: slot.name,
        name: job.request.task,
        id: job.request.id,
        seconds: ACCEPT_TIMEOUT,
      });
      this.#stuck(assignment);
    }
  }
}
