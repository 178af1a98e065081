// How quick this worker is. A batch of quick tasks is over before the broker has answered the next request, so the next one is asked for
// ahead; slow ones are left to whoever has a free slot. Tasks that compute and tasks that wait look alike here: what counts is how many
// end, not how long each of them takes.
import { type Clock, systemClock } from '../util/index.ts';

/** Milliseconds in which as many tasks have to end as there are slots: what is fetched ahead waits no longer than about that. */
const QUICK = 50;
/** Once quick, a worker stays so until that takes this many times as long: one that hesitates for a moment gives nothing back. */
const SLACK = 4;

/** Seconds within which a task is over at once. */
const BRISK = 0.001;

export class Pace {
  readonly #clock: Clock;
  /** Since when tasks are counted that end. */
  #since: number;
  #ended = 0;
  #isQuick = false;
  /** Tasks that were over at once when they ran last. */
  readonly #brisk = new Set<string>();

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
    this.#since = clock.monotonic();
  }

  /** A task has ended, after so many seconds. */
  note(task: string, runtime: number): void {
    this.#ended++;
    if (runtime < BRISK) this.#brisk.add(task);
    else this.#brisk.delete(task);
  }

  /** Was that task over at once when it ran last? */
  isBrisk(task: string): boolean {
    return this.#brisk.has(task);
  }

  /** How many messages to hold beside those of the slots. */
  ahead(slots: number): number {
    const now = this.#clock.monotonic();
    const most = this.#isQuick ? QUICK * SLACK : QUICK;
    const took = now - this.#since;
    if (this.#ended >= slots || took > most) {
      this.#isQuick = took <= most;
      this.#since = now;
      this.#ended = 0;
    }
    return this.#isQuick ? slots : 0;
  }
}
