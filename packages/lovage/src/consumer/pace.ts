// How quick the tasks of this worker are. A batch of quick ones is over before the broker has answered the next request, so the next one is
// asked for ahead; slow ones are left to whoever has a free slot.

/** Seconds that all slots may need for a batch on one core: what is fetched ahead waits no longer than about that. */
const QUICK = 0.05;
/** Once quick, a worker stays so until its batches take this many times as long. */
const SLACK = 2;
const WEIGHT = 1 / 16;

export class Pace {
  #seconds = Number.POSITIVE_INFINITY;
  #isQuick = false;

  /** A task took so many seconds. */
  note(seconds: number): void {
    this.#seconds = Number.isFinite(this.#seconds) ? this.#seconds + (seconds - this.#seconds) * WEIGHT : seconds;
  }

  /** How many messages to hold beside those of the slots. */
  ahead(slots: number): number {
    this.#isQuick = this.#seconds * slots <= (this.#isQuick ? QUICK * SLACK : QUICK);
    return this.#isQuick ? slots : 0;
  }
}
