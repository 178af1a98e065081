// A quorum queue counts what is on its way to a consumer that is being cancelled as delivered, although nobody ever sees it. Verdicts make
// room for more, so they wait until nothing comes any more and the consumer is cancelled.
import { sleep } from '../../util/index.ts';

/** Seconds of a look whether something came, how many in a row have to be in vain, and how many there are at most. */
const LOOK = { seconds: 0.025, rounds: 2, most: 40 };

export class Stillness {
  #received = 0;
  #over: Promise<void> | undefined;

  /** Resolves when verdicts may be written again; undefined when they may now. */
  get over(): Promise<void> | undefined {
    return this.#over;
  }

  /** A message has come. */
  disturb(): void {
    this.#received++;
  }

  /** Holds verdicts back until nothing comes and `cancelling` is done. Rejects with the reason of the signal. */
  async during(cancelling: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#over = promise;
    try {
      for (let round = 0, quiet = 0; quiet < LOOK.rounds && round < LOOK.most; round++) {
        const before = this.#received;
        await sleep(LOOK.seconds, signal);
        quiet = this.#received === before ? quiet + 1 : 0;
      }
      await cancelling();
    } finally {
      this.#over = undefined;
      resolve();
    }
  }
}
