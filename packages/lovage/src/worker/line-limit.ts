// A task that writes without end would keep its worker busy with its lines. So each slot has so many lines in a second; of those beyond,
// the log says how many there were.
import { after } from '../util/index.ts';

/** Lines of one slot in one second. */
const MAX_LINES = 10_000;
const SECOND = 1000;

interface Window {
  /** Milliseconds of the monotonic clock. */
  readonly since: number;
  lines: number;
}

/** Counts the lines of slots. */
export class LineLimit {
  readonly #tell: (slot: string, dropped: number) => void;
  readonly #windows = new Map<string, Window>();

  /** `tell` hears how many lines of a slot were left out in a second. */
  constructor(tell: (slot: string, dropped: number) => void) {
    this.#tell = tell;
  }

  /** May one more line of this slot be written? */
  passes(slot: string): boolean {
    const window = this.#windowOf(slot, performance.now());
    window.lines++;
    if (window.lines === MAX_LINES + 1) {
      const rest = (window.since + SECOND - performance.now()) / SECOND;
      after(Math.max(0, rest), () => this.#tell(slot, window.lines - MAX_LINES), { ref: true });
    }
    return window.lines <= MAX_LINES;
  }

  #windowOf(slot: string, now: number): Window {
    const open = this.#windows.get(slot);
    if (open !== undefined && now < open.since + SECOND) return open;
    const window = { since: now, lines: 0 };
    this.#windows.set(slot, window);
    return window;
  }
}
