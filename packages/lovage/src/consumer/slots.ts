// Who starts next. Tasks that were started before and never finished are suspects: one of them may be what killed its worker, so each
// runs alone, with nothing beside it that it could take along.
import type { Entry } from './request.ts';

/** Tasks that never wait start one after the other for so long (ms); then the loop turns, so that what they wrote goes out. */
const TURN_MS = 10;

export interface SlotsOptions {
  readonly limit: () => number;
  readonly start: (entry: Entry) => void;
}

/** The queue before the pool. */
export class Slots {
  readonly #options: SlotsOptions;
  readonly #ready: Entry[] = [];
  readonly #suspects: Entry[] = [];
  #pumping = false;
  #running = 0;
  #suspectRuns = false;
  #paused = false;

  constructor(options: SlotsOptions) {
    this.#options = options;
  }

  get running(): number {
    return this.#running;
  }

  /** Ready, but not started. */
  get waiting(): number {
    return this.#ready.length + this.#suspects.length;
  }

  add(entry: Entry): void {
    entry.state = 'ready';
    (entry.request.attempts > 1 ? this.#suspects : this.#ready).push(entry);
    this.#pump();
  }

  /** A started entry is over. */
  free(): void {
    this.#running--;
    if (this.#suspectRuns) this.#suspectRuns = false;
    this.#pump();
  }

  /** Takes back all that has not started. */
  clear(): readonly Entry[] {
    return [...this.#ready.splice(0), ...this.#suspects.splice(0)];
  }

  /** Takes these out; they have ended. */
  drop(entries: ReadonlySet<Entry>): void {
    for (const list of [this.#ready, this.#suspects]) {
      const kept = list.filter((entry) => !entries.has(entry));
      if (kept.length < list.length) list.splice(0, list.length, ...kept);
    }
  }

  /** Takes one back that has not started. */
  remove(entry: Entry): void {
    for (const queue of [this.#ready, this.#suspects]) {
      const at = queue.indexOf(entry);
      if (at >= 0) queue.splice(at, 1);
    }
  }

  /** There are more slots than there were. */
  grown(): void {
    this.#pump();
  }

  /** Starts nothing any more. */
  pause(): void {
    this.#paused = true;
  }

  /** Whatever `fill` adds starts behind it. */
  together(fill: () => void): void {
    if (this.#pumping) {
      fill();
      return;
    }
    this.#pumping = true;
    try {
      fill();
    } finally {
      this.#pumping = false;
    }
    this.#pump();
  }

  #pump(): void {
    // A task that ends at once comes here again from within.
    if (this.#pumping) return;
    this.#pumping = true;
    const until = performance.now() + TURN_MS;
    while (this.#startNext()) {
      if (performance.now() < until) continue;
      setImmediate(() => this.#pump());
      break;
    }
    this.#pumping = false;
  }

  #startNext(): boolean {
    if (this.#suspectRuns || this.#paused) return false;
    const suspect = this.#suspects.length > 0;
    if (suspect ? this.#running > 0 : this.#running >= this.#options.limit()) return false;
    const entry = suspect ? this.#suspects.shift() : this.#ready.shift();
    if (entry === undefined) return false;
    this.#running++;
    this.#suspectRuns = suspect;
    this.#options.start(entry);
    return true;
  }
}
