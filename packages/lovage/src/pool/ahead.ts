// Jobs that wait in a slot that is busy, one in each, so that a slot that ends a job has the next at hand while the worker still learns of
// the end. Only behind tasks that have been short lately, and are not long already; whatever waits while another slot becomes free is taken
// back at once, and whatever waits behind one that turns out long after a moment. It goes wherever there is room.
import { after, type Timer } from '../util/index.ts';
import type { Assignment } from './assignment.ts';
import type { Slot as SlotOf } from './slot.ts';

/** Seconds on average; a task that takes no longer is short. */
const SHORT = 0.01;
/** What a task counts as of which nothing is known: a dozen and a half of short runs make it a short one. */
const UNKNOWN = 0.1;
/** The weight of the last run. */
const WEIGHT = 1 / 8;
/** Seconds after the beginning of a job in which nothing waits behind it any more. */
const PATIENCE = 0.02;

type Slot = SlotOf<Assignment>;

export class Ahead implements Disposable {
  readonly #slots: () => readonly Slot[];
  /** How long tasks took lately, in seconds, by name. */
  readonly #took = new Map<string, number>();
  #waiting = 0;
  #timer: Timer | undefined;

  constructor(slots: () => readonly Slot[]) {
    this.#slots = slots;
  }

  /** Jobs that wait in slots. */
  get waiting(): number {
    return this.#waiting;
  }

  /** How many may wait in slots, with those that do. */
  get room(): number {
    let room = this.#waiting;
    const since = patient();
    for (const slot of this.#slots()) if (this.#suits(slot, since)) room++;
    return room;
  }

  /** A slot whose job will soon have ended, and behind which nothing waits: of several the one that ends first, as far as one can know. */
  slot(): Slot | undefined {
    let best: Slot | undefined;
    const since = patient();
    for (const slot of this.#slots()) {
      if (this.#suits(slot, since) && (best === undefined || begunAt(slot) < begunAt(best))) best = slot;
    }
    return best;
  }

  /** A task ran so many seconds. */
  ran(task: string, seconds: number): void {
    const before = this.#took.get(task) ?? UNKNOWN;
    this.#took.set(task, before + WEIGHT * (seconds - before));
  }

  /** Lets it wait in the slot. */
  put(slot: Slot, assignment: Assignment): void {
    slot.next = assignment;
    assignment.slot = slot;
    this.#waiting++;
    this.#watch();
  }

  /** What waited there does not any more. */
  take(slot: Slot): Assignment | undefined {
    const { next } = slot;
    if (next === undefined) return undefined;
    slot.next = undefined;
    this.#waiting--;
    return next;
  }

  /** Wants back what waits in a slot, whose job is not over when it seems to be, or not as short as others were. */
  wantBack({ next, link }: Slot): void {
    if (next !== undefined) link.takeBack(next.lane, next.seq);
  }

  /** Some slots get no more jobs, and what waits there is to run in those that take their place. */
  leave(): void {
    for (const slot of this.#slots()) if (slot.retired) this.wantBack(slot);
  }

  /** So many slots are free: as many of those that wait in others, behind what has run longest, are wanted back. */
  recall(free: number): void {
    if (this.#waiting === 0 || free <= 0) return;
    const behind = this.#slots().filter(({ next }) => next !== undefined);
    behind.sort((a, b) => begunAt(a) - begunAt(b));
    for (const slot of behind.slice(0, free)) {
      if (slot.next === undefined || slot.next.recalled) continue;
      slot.next.recalled = true;
      this.wantBack(slot);
    }
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
  }

  /** Behind what began before `since` nothing waits: it would be taken back, and sent there again, and so on. */
  #suits({ state, retired, next, lanes }: Slot, since: number): boolean {
    const [now] = lanes;
    if (next !== undefined || now === undefined || retired || state !== 'up' || lanes.length > 1) return false;
    if (now.handedAt < since) return false;
    return !now.settled && now.stopping === undefined && (this.#took.get(now.job.request.task) ?? UNKNOWN) <= SHORT;
  }

  #watch(): void {
    this.#timer ??= after(PATIENCE, () => this.#look(), { ref: true });
  }

  #look(): void {
    this.#timer = undefined;
    const since = patient();
    for (const slot of this.#slots()) if (slot.next !== undefined && begunAt(slot) < since) this.wantBack(slot);
    if (this.#waiting > 0) this.#watch();
  }
}

/** Nothing waits behind what began before that. */
function patient(): number {
  return performance.now() - PATIENCE * 1000;
}

function begunAt({ lanes: [now] }: Slot): number {
  return now?.handedAt ?? 0;
}
