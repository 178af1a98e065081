// The last record of each id that this process was sent. Celery's client forgets a result once it was read; here it can be read
// again, and intermediate states show, as long as it is among the last ones heard of.
import { mayStore } from '../rules.ts';
import type { StoredResult } from '../seam.ts';

export class RecentResults {
  /** Oldest first: a record that changes moves to the end. */
  readonly #byId = new Map<string, StoredResult>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(id: string): StoredResult | undefined {
    return this.#byId.get(id);
  }

  /** Keeps it, unless a record is there that it may not replace. */
  put(result: StoredResult): boolean {
    if (!mayStore(result, this.#byId.get(result.id), undefined)) return false;
    this.#byId.delete(result.id);
    this.#byId.set(result.id, result);
    if (this.#byId.size > this.#limit) {
      const [oldest] = this.#byId.keys();
      if (oldest !== undefined) this.#byId.delete(oldest);
    }
    return true;
  }

  forget(id: string): void {
    this.#byId.delete(id);
  }
}
