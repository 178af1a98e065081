// One heap of moments and one system timer for all of them: what waits for its eta or its turn costs a heap entry, not a timer.
import { after, type Clock, systemClock, type Timer } from '../util/index.ts';

interface Moment {
  readonly at: number;
  readonly order: number;
  fire: (() => void) | undefined;
}

/** Moments to come, earliest first. Cancelled ones stay until they reach the top. */
export class TimerHeap implements Disposable {
  readonly #clock: Clock;
  readonly #heap: Moment[] = [];
  #order = 0;
  #armed: { readonly at: number; readonly timer: Timer } | undefined;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** Calls `fire` once at `at` (epoch seconds), at once in the next turn when that is past. Returns how to cancel it. */
  at(at: number, fire: () => void): () => void {
    const moment: Moment = { at, order: this.#order++, fire };
    this.#push(moment);
    this.#arm();
    return () => {
      moment.fire = undefined;
    };
  }

  [Symbol.dispose](): void {
    this.#armed?.timer.cancel();
    this.#armed = undefined;
    this.#heap.length = 0;
  }

  #arm(): void {
    const top = this.#heap[0];
    if (top === undefined || (this.#armed !== undefined && this.#armed.at <= top.at)) return;
    this.#armed?.timer.cancel();
    const timer = after(top.at - this.#clock.now(), () => this.#run());
    this.#armed = { at: top.at, timer };
  }

  #run(): void {
    this.#armed = undefined;
    // A system timer may fire a moment early; what is due within a millisecond counts as due.
    const now = this.#clock.now() + 0.001;
    for (let top = this.#heap[0]; top !== undefined && top.at <= now; top = this.#heap[0]) {
      this.#pop();
      top.fire?.();
    }
    this.#arm();
  }

  #before(left: Moment, right: Moment): boolean {
    return left.at < right.at || (left.at === right.at && left.order < right.order);
  }

  #push(moment: Moment): void {
    const heap = this.#heap;
    let index = heap.length;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !this.#before(moment, parent)) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = moment;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      const left = heap[child];
      const right = heap[child + 1];
      if (left === undefined) break;
      if (right !== undefined && this.#before(right, left)) child++;
      const smaller = heap[child];
      if (smaller === undefined || !this.#before(smaller, last)) break;
      heap[index] = smaller;
      index = child;
    }
    heap[index] = last;
  }
}
