// What goes into a slot and what comes out: one execution as plain data, and how it ended. execute.ts turns the one into the other.
import type { Outgoing } from '../broker/index.ts';
import type { TaskRequest } from '../protocol/index.ts';
import type { ChordOpening, ChordPart, StoredResult } from '../result/index.ts';

/** One execution, as plain data: what a slot needs and nothing else. */
export interface Job {
  readonly request: TaskRequest;
  /** As it came: compressed and serialized. */
  readonly body: Uint8Array;
  /** Seconds, effective (message, else task, else setting). */
  readonly timeLimit: number | undefined;
  readonly softTimeLimit: number | undefined;
}

/** How a job ended. The slot has decided everything; settle writes it: store `results`, send `next`, then ack. */
export interface Outcome {
  readonly state: 'SUCCESS' | 'FAILURE' | 'RETRY' | 'REJECTED' | 'IGNORED' | 'REVOKED' | 'LOST';
  /** To store: the task's own meta, and the failures of the rest of its chain. Empty when ignored. */
  readonly results: readonly StoredResult[];
  /** To send: retry, callbacks, next link, errbacks; ids fixed, encoded. */
  readonly next: readonly Outgoing[];
  /** Chords to open before `next` is sent. */
  readonly openings?: readonly ChordOpening[];
  /** Parts of chords that end with it: its own, and those of tasks that fail with it. */
  readonly parts?: readonly ChordPart[];
  /** LOST only: its slot was ended because of another task, so that this attempt does not count. */
  readonly innocent?: boolean;
  /** LOST only: its slot ended of itself while nothing else ran there, so this task is what it died of. */
  readonly died?: boolean;
  /** REJECTED only. */
  readonly requeue?: boolean;
  /** Why its message goes to the dead letters although the task has its result (undecodable, refused content, malformed body). */
  readonly unusable?: {
    readonly reason: 'undecodable' | 'refused-content' | 'refused-signature' | 'malformed' | 'too-large' | 'unknown-task';
    readonly error: string;
  };
  /** Seconds. */
  readonly runtime: number;
  /** For log lines and events: the value's or error's bounded text. */
  readonly repr: string;
  readonly error?: {
    readonly type: string;
    readonly message: string;
    readonly traceback: string | undefined;
    /** In the task's `throws`: logged at INFO without a traceback. */
    readonly expected: boolean;
    /** The task ended by a time limit. */
    readonly timedOut?: boolean;
  };
}

/** What a task that is over still has to send. */
export interface FollowUp {
  readonly next: readonly Outgoing[];
  /** Chords to open before it. */
  readonly openings: readonly ChordOpening[];
  /** Parts to count (again: each id counts once). */
  readonly parts?: readonly ChordPart[];
}

/** What follows a task that ended without a slot: beside its own record, which others write. */
export interface Aftermath extends FollowUp {
  /** Records of those that fail with it. */
  readonly results: readonly StoredResult[];
  readonly parts: readonly ChordPart[];
}
