// The seam of joins: a chord's header is counted where results are kept, and its body is sent once all parts have come. A backend that
// can count implements ChordStore; one that can only keep results joins through the task celery.chord_unlock; the others refuse.
import type { JointWrite } from '../broker/index.ts';
import type { ResultTuple, WireSignature } from '../protocol/index.ts';

/** A chord about to be sent. */
export interface ChordOpening {
  readonly groupId: string;
  /** How many ends it waits for (canvas.md §6.3), not how many members its header lists. */
  readonly size: number;
  /** The body as it travels in each member; its id (`options.task_id`) is fixed. */
  readonly body: WireSignature;
  /** The header's results as a tuple: what a polling join reads, and what keeps the nesting of groups at the end of member chains. */
  readonly header: ResultTuple;
  /** True when a member ends in a group, so that the parts are not a flat list in order of their index. */
  readonly nested: boolean;
  /** Seconds the bookkeeping lives; undefined: for ever. */
  readonly expires: number | undefined;
}

/** A member of a header that has ended. */
export interface ChordPart {
  readonly groupId: string;
  /** Absent for members that were added without one: they come last. */
  readonly index: number | undefined;
  readonly id: string;
  readonly state: 'SUCCESS' | 'FAILURE' | 'REVOKED';
  /** What is counted, as the result serializer wrote it: the array `[1, id, state, result]`. */
  readonly body: Uint8Array;
}

/** All parts of a chord, in order of their index. */
export interface CompleteChord {
  readonly groupId: string;
  readonly parts: readonly Uint8Array[];
}

/** Counts parts. Each id counts once, however often it comes; a chord that was told complete is told complete again to whoever repeats a part, until it is closed. */
export interface ChordStore {
  open(openings: readonly ChordOpening[]): Promise<void>;
  /** The same as part of a joint commit. */
  jointOpen?(openings: readonly ChordOpening[]): JointWrite;
  /** Adds parts; resolves to the chords that are complete by them. */
  join(parts: readonly ChordPart[]): Promise<readonly CompleteChord[]>;
  /** The body is on its way, or has failed: the bookkeeping may go. */
  close(groupIds: readonly string[]): Promise<void>;
  /** The same as part of the commit that sends the bodies. */
  jointClose?(groupIds: readonly string[]): JointWrite;
  /** Makes open chords wait for more parts (`addToChord`). */
  extend(groupId: string, by: number): Promise<void>;
  /** Chords that were complete at least `seconds` ago and are not closed: a crash lay between counting and sending. Each is given to one caller only for that long. */
  stale?(seconds: number): Promise<readonly (CompleteChord & { readonly body: WireSignature })[]>;
}
