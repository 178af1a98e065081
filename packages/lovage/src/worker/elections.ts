// Which candidacies of Python workers are answered, and when. Pure; the step gossip sends the answers.

/** Elections that are remembered at once; the oldest is forgotten. */
const REMEMBERED = 100;

/**
 * Celery counts answers against the workers that are alive, so one of ours that says nothing keeps an election from ending. But an
 * election that ends with one candidate ends Celery's worker (an IndexError in kombu's sort_heap), so none is answered before a second
 * worker stands: who hears our answer has then heard both.
 */
export class Elections {
  readonly #candidates = new Map<string, Set<string>>();

  /** How many answers are due, now that this worker stands. */
  answers(id: string, hostname: string): number {
    const known = this.#candidates.get(id);
    if (known === undefined) {
      this.#candidates.set(id, new Set([hostname]));
      const [oldest] = this.#candidates.keys();
      if (this.#candidates.size > REMEMBERED && oldest !== undefined) this.#candidates.delete(oldest);
      return 0;
    }
    if (known.has(hostname)) return 0;
    known.add(hostname);
    return known.size === 2 ? 2 : 1;
  }
}
