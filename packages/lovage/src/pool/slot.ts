// One slot as its pool keeps it: starting → up → leaving → gone, and the lanes in which its jobs run. A retired slot gets no more jobs and
// leaves when it has none.
import type { Timer } from '../util/index.ts';
import type { Link } from './link.ts';

export type SlotState = 'starting' | 'up' | 'leaving' | 'gone';

/** What a pool knows of one of its slots. */
export interface Slot<Occupant = unknown> {
  readonly name: string;
  /** 1, 2, …; a slot that takes another's place may have the same. */
  readonly index: number;
  readonly link: Link;
  state: SlotState;
  retired: boolean;
  /** We ended it ourselves: its end is no crash. */
  ended: boolean;
  readonly lanes: (Occupant | undefined)[];
  /** Waits in the slot for the end of the job before it. Only where there is one lane. */
  next: Occupant | undefined;
  /** Lanes that hold a job, or what was left running of one. */
  taken: number;
  /** Jobs that it was given. */
  jobs: number;
  /** Jobs that began. */
  accepted: number;
  /** The id of the task that it ends of, in its own words. */
  culprit: string | undefined;
  /** Why it could not begin, in its own words. */
  failure: string | undefined;
  /** Runs out when it takes too long to start, or to leave. */
  timer: Timer | undefined;
}

/** A slot whose link was just opened. */
export function slotOf<Occupant>(
  link: Link,
  { name, index, width }: { readonly name: string; readonly index: number; readonly width: number },
): Slot<Occupant> {
  return {
    name,
    index,
    link,
    state: 'starting',
    retired: false,
    ended: false,
    lanes: Array.from({ length: width }, () => undefined),
    next: undefined,
    taken: 0,
    jobs: 0,
    accepted: 0,
    culprit: undefined,
    failure: undefined,
    timer: undefined,
  };
}

/** Would a job find a place in it? */
export function hasRoom(slot: Slot): boolean {
  return slot.state === 'up' && !slot.retired && slot.taken < slot.lanes.length;
}

/** The slot of those in `slots` with the fewest jobs that has room; ties go round, beginning after `last`. */
export function roomiest<Occupant>(slots: readonly Slot<Occupant>[], last: number): Slot<Occupant> | undefined {
  let best: Slot<Occupant> | undefined;
  for (let step = 1; step <= slots.length; step++) {
    const slot = slots[(last + step) % slots.length];
    if (slot === undefined || !hasRoom(slot)) continue;
    if (slot.taken === 0) return slot;
    if (best === undefined || slot.taken < best.taken) best = slot;
  }
  return best;
}

/** Puts a job into a free lane; returns which. */
export function occupy<Occupant>(slot: Slot<Occupant>, occupant: Occupant): number {
  const lane = slot.lanes.indexOf(undefined);
  slot.lanes[lane] = occupant;
  slot.taken++;
  slot.jobs++;
  return lane;
}

/** The lane is free again. */
export function vacate(slot: Slot, lane: number): void {
  if (slot.lanes[lane] === undefined) return;
  slot.lanes[lane] = undefined;
  slot.taken--;
}

/** Those that leave first: not yet up, then idle, then the least busy. */
export function byIdleness(one: Slot, other: Slot): number {
  const rank = ({ state, taken }: Slot): number => (state === 'starting' ? -1 : taken);
  return rank(one) - rank(other);
}
