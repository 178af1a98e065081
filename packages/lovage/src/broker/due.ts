// What waits for a time, soonest first; among equals in the order of coming. A binary heap, so that 100,000 parked messages cost
// no more each than ten do. The memory broker parks in it.

interface Item<T> {
  readonly due: number;
  readonly order: number;
  readonly value: T;
}

export class DueHeap<T> {
  #items: Item<T>[] = [];
  #order = 0;

  /** When the first is due; undefined when there is none. */
  get next(): number | undefined {
    return this.#items[0]?.due;
  }

  push(due: number, value: T): void {
    const items = this.#items;
    const item = { due, order: this.#order++, value };
    let at = items.length;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = items[up];
      if (parent === undefined || !isBefore(item, parent)) break;
      items[at] = parent;
      at = up;
    }
    items[at] = item;
  }

  /** Takes out the first if it is due by `now`. */
  pop(now: number): T | undefined {
    const items = this.#items;
    const [first] = items;
    if (first === undefined || first.due > now) return undefined;
    const last = items.pop();
    if (last !== undefined && last !== first) this.#sink(last);
    return first.value;
  }

  /** Forgets what `keep` refuses. */
  filter(keep: (value: T) => boolean): void {
    const kept = this.#items.filter((item) => keep(item.value));
    // A sorted array is a heap.
    this.#items = kept.sort((a, b) => (isBefore(a, b) ? -1 : 1));
  }

  #sink(item: Item<T>): void {
    const items = this.#items;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      const right = items[down + 1];
      let child = items[down];
      if (child !== undefined && right !== undefined && isBefore(right, child)) {
        child = right;
        down++;
      }
      if (child === undefined || isBefore(item, child)) break;
      items[at] = child;
      at = down;
    }
    items[at] = item;
  }
}

function isBefore(a: Item<unknown>, b: Item<unknown>): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}
