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

/** What a chord does when it is complete, as whoever counts a part of it knows it. */
export interface ChordCallback {
  /** The body as it travels in each member. */
  readonly body: WireSignature;
}

/** Under whose root a part ended. */
export interface PartRoot {
  /** Of the part. */
  readonly id: string;
  readonly rootId: string;
}

/** An opening at rest; ChordCodec makes it. */
export interface StoredOpening {
  readonly groupId: string;
  readonly size: number;
  /** A ChordCallback as text. */
  readonly callback: string;
  /** How the header's results are nested, as Celery saves a group; undefined when they are a flat list. */
  readonly structure: Uint8Array | undefined;
  /** Seconds; undefined: for ever. */
  readonly expires: number | undefined;
}

/** A member of a header that has ended; ChordCodec makes it. */
export interface ChordPart {
  readonly groupId: string;
  /** Absent for members that were added without one: they come last. */
  readonly index: number | undefined;
  readonly id: string;
  readonly state: 'SUCCESS' | 'FAILURE' | 'REVOKED';
  /** What is counted, as the result serializer wrote it: the array `[1, id, state, result]`. */
  readonly body: Uint8Array;
  /** So many bytes at the start of `body` are the same in every part of this id, and in no other. */
  readonly head: number;
  /** A ChordCallback as text; undefined when the member's message could not be read. */
  readonly callback: string | undefined;
  /** Absent for a task that is its own root, and where the body names one itself. */
  readonly rootId?: string | undefined;
  /** Seconds; undefined: for ever. */
  readonly expires: number | undefined;
}

/** All parts of a chord, in order of their index. */
export interface CompleteChord {
  readonly groupId: string;
  readonly parts: readonly Uint8Array[];
  /** As one of the parts or the opening brought it; undefined when nobody knew it. */
  readonly callback: string | undefined;
  readonly structure: Uint8Array | undefined;
  /** Of the first part, in the order of `parts`, that brought a root. */
  readonly root: PartRoot | undefined;
}

/** A count as part of a joint commit. */
export interface JointJoin {
  readonly write: JointWrite;
  /** After the commit: the chords that are complete by it. Undefined when its answer was lost, so that `join` is to be asked. */
  complete(): readonly CompleteChord[] | undefined;
}

/**
 * Counts parts. Each id counts once, however often it comes and whatever it says then: the first counts. A chord that was told complete
 * is told complete again to whoever repeats a part, until it is closed. A chord that was closed counts nothing any more.
 */
export interface ChordStore {
  /** Repeating it changes nothing. */
  open(openings: readonly StoredOpening[]): Promise<void>;
  /** The same as part of a joint commit. */
  jointOpen?(openings: readonly StoredOpening[]): JointWrite;
  /** Adds parts; resolves to the chords that are complete by them. */
  join(parts: readonly ChordPart[]): Promise<readonly CompleteChord[]>;
  jointJoin?(parts: readonly ChordPart[]): JointJoin;
  /** The body is on its way, or has failed: the bookkeeping may go. */
  close(groupIds: readonly string[]): Promise<void>;
  /** Closes a chord and makes the other writes of the commit with it, or none of them when somebody else closed it before. */
  jointClose?(groupId: string, writes: readonly JointWrite[]): JointWrite;
  /** Makes an open chord wait for these ids too (`addToChord`); each counts once. */
  extend(groupId: string, ids: readonly string[], expires: number | undefined): Promise<void>;
  /** Chords that were complete at least `seconds` ago and are not closed: a crash lay between counting and sending. Each is given to one caller only for that long. */
  stale?(seconds: number): Promise<readonly CompleteChord[]>;
}
