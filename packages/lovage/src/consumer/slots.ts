// Who starts next. Tasks that were started before and never finished are suspects: one of them may be what killed its worker, so each
// runs alone, with nothing beside it that it could take along: in a process of its own, one at a time beside the others, or, where there is
// none, when nothing else runs.
import type { Entry } from './request.ts';

/** Tasks that never wait start one after the other for so long (ms); then the loop turns, so that what they wrote goes out. */
const TURN_MS = 10;

export interface SlotsOptions {
  readonly limit: () => number;
  readonly start: (entry: Entry) => void;
  /** Do suspects have a process of their own, beside the slots or as one of them? @default false */
  readonly ward?: 'beside' | 'inside' | false;
  /** Slots without what may wait in them, where suspects have one of them. */
  readonly whole?: () => number;
}

/** Was it started before, without an end? */
export function isSuspect({ attempts }: { readonly attempts: number }): boolean {
  return attempts > 1;
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

  /** Those that fill the slots of the pool. */
  get running(): number {
    return this.#running;
  }

  /** Ready, but not started. */
  get waiting(): number {
    const { ward } = this.#options;
    // No more than one of them will ever fill a slot at a time.
    const suspects = ward === 'inside' ? Math.min(this.#suspects.length, this.#suspectRuns ? 0 : 1) : this.#suspects.length;
    return this.#ready.length + (ward === 'beside' ? 0 : suspects);
  }

  /** Suspects that wait for the process of their own, or run in it where none of the pool's slots is theirs. */
  get aside(): number {
    const { ward } = this.#options;
    if (ward === 'inside') return this.#suspects.length;
    return ward === 'beside' ? this.#suspects.length + (this.#suspectRuns ? 1 : 0) : 0;
  }

  add(entry: Entry): void {
    entry.state = 'ready';
    (entry.alone ? this.#suspects : this.#ready).push(entry);
    this.#pump();
  }

  /** A started entry is over. */
  free(entry: Entry): void {
    const suspect = entry.alone;
    if (suspect) this.#suspectRuns = false;
    if (!suspect || this.#options.ward !== 'beside') this.#running--;
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

  /** The pool gives a started entry back, which has not begun: it is the next to start. */
  back(entry: Entry): void {
    entry.state = 'ready';
    this.#ready.unshift(entry);
    this.#running--;
    this.#pump();
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
    try {
      while (this.#startNext()) {
        if (performance.now() < until) continue;
        setImmediate(() => this.#pump());
        break;
      }
    } finally {
      this.#pumping = false;
    }
  }

  #startNext(): boolean {
    if (this.#paused) return false;
    const next = this.#options.ward === undefined || this.#options.ward === false ? this.#alone() : this.#withWard();
    if (next !== undefined) this.#options.start(next);
    return next !== undefined;
  }

  /** A suspect when the process of its own is free, else another when there is a slot. */
  #withWard(): Entry | undefined {
    const { ward, limit, whole = limit } = this.#options;
    const isInside = ward === 'inside';
    const isNext = !this.#suspectRuns && this.#suspects.length > 0;
    const suspect = isNext && (!isInside || this.#running < whole()) ? this.#suspects.shift() : undefined;
    if (suspect !== undefined) {
      this.#suspectRuns = true;
      if (isInside) this.#running++;
      return suspect;
    }
    // Else whatever may wait behind short tasks would keep a suspect from ever finding a whole slot.
    const most = isInside && isNext ? whole() : limit();
    const entry = this.#running < most ? this.#ready.shift() : undefined;
    if (entry !== undefined) this.#running++;
    return entry;
  }

  /** Nothing beside a suspect, and no suspect beside anything. */
  #alone(): Entry | undefined {
    if (this.#suspectRuns) return undefined;
    const suspect = this.#suspects.length > 0;
    if (suspect ? this.#running > 0 : this.#running >= this.#options.limit()) return undefined;
    const entry = suspect ? this.#suspects.shift() : this.#ready.shift();
    if (entry === undefined) return undefined;
    this.#running++;
    this.#suspectRuns = suspect;
    return entry;
  }
}
