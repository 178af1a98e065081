// Events that wait for their publish, oldest first. Behind a slow broker they gather up to a capacity; then the oldest fall, and are counted.

/** Who sends: the same in each of its messages. */
export interface Sender {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly headersText: string;
}

/** An event: its JSON, where it travels as JSON; else the object. */
export type Written = string | Readonly<Record<string, unknown>>;

/** One event that waits. */
export interface Waiting {
  readonly from: Sender;
  /** undefined: travels in an array of its group. */
  readonly routingKey: string | undefined;
  readonly group: string;
  /** The routing key of arrays of its group. */
  readonly arrayKey: string;
  readonly event: Written;
}

export class Backlog {
  readonly capacity: number;
  #waiting: Waiting[] = [];
  /** Positions in `#waiting` before this one are gone. */
  #head = 0;
  #fallen = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get size(): number {
    return this.#waiting.length - this.#head;
  }

  /** How many left it unsent. */
  get fallen(): number {
    return this.#fallen;
  }

  add(event: Waiting): void {
    this.#waiting.push(event);
    if (this.size > this.capacity) this.#drop(1);
  }

  /** The oldest, so many at most. */
  take(most: number): readonly Waiting[] {
    const batch = this.#waiting.slice(this.#head, this.#head + most);
    this.#waiting = this.size === batch.length ? [] : this.#waiting.slice(this.#head + batch.length);
    this.#head = 0;
    return batch;
  }

  /** They wait again, before all others. */
  putBack(batch: readonly Waiting[]): void {
    this.#waiting = [...batch, ...this.#waiting.slice(this.#head)];
    this.#head = 0;
  }

  /** What is beyond the capacity falls. */
  trim(): void {
    if (this.size > this.capacity) this.#drop(this.size - this.capacity);
  }

  /** All fall. */
  clear(): void {
    this.#fallen += this.size;
    this.#waiting = [];
    this.#head = 0;
  }

  #drop(count: number): void {
    this.#fallen += count;
    this.#head += count;
    if (this.#head < this.capacity) return;
    this.#waiting = this.#waiting.slice(this.#head);
    this.#head = 0;
  }
}
