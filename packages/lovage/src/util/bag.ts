// Objects that come and go by the thousand, in the order in which they came. A Set would do, but each time it makes itself a new table
// the old one points to it: dead tables that have grown old keep the young alive, and the collector copies all that they name.

/** Where an object lies in its bag. */
const PLACE: unique symbol = Symbol('place');

/** Holes that are not worth the trouble. */
const FEW = 64;

/** A set of objects. An object lies in one bag at a time: the bag notes its place on it. */
export class Bag<Item extends object> {
  #items: (Item | undefined)[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds what is not in it yet. */
  add(item: Item): void {
    if (this.has(item)) return;
    (item as Item & { [PLACE]?: number })[PLACE] = this.#items.push(item) - 1;
    this.#size++;
  }

  has(item: Item): boolean {
    const place = (item as Item & { readonly [PLACE]?: number })[PLACE];
    return place !== undefined && this.#items[place] === item;
  }

  /** Was it there? */
  delete(item: Item): boolean {
    if (!this.has(item)) return false;
    this.#items[(item as Item & { readonly [PLACE]: number })[PLACE]] = undefined;
    this.#size--;
    if (this.#items.length - this.#size > FEW + this.#size) this.#close();
    return true;
  }

  clear(): void {
    this.#items = [];
    this.#size = 0;
  }

  /** As they are now: what comes or goes meanwhile is not seen. */
  [Symbol.iterator](): IterableIterator<Item> {
    return this.#items.filter((item) => item !== undefined).values();
  }

  /** Closes the holes. */
  #close(): void {
    this.#items = this.#items.filter((item) => item !== undefined);
    for (const [place, item] of this.#items.entries()) (item as Item & { [PLACE]?: number })[PLACE] = place;
  }
}
