// Keeps slots that die as soon as they are started from being started over and over: each waits longer than the one before, and after a
// hundred in a row the pool gives up.

/** Seconds before the first new try. */
const FIRST = 0.1;
const LONGEST = 10;
/** Deaths in a row, with no job begun between them, after which there is no point in another. */
const MOST = 100;

export class StormGuard {
  #deaths = 0;

  /** A task began: slots work. */
  calm(): void {
    this.#deaths = 0;
  }

  /** A slot died before it had begun a job. */
  death(): void {
    this.#deaths++;
  }

  get hopeless(): boolean {
    return this.#deaths >= MOST;
  }

  /** Seconds to wait before the next slot is started. */
  get delay(): number {
    return this.#deaths === 0 ? 0 : Math.min(LONGEST, FIRST * 2 ** (this.#deaths - 1));
  }
}
