// The seam between beat and whatever remembers its schedule. A store keeps two maps of texts (what people edited, how far each entry is),
// one lease and a number that grows with each edit; what the texts mean is state.ts's business.
import type { JointWrite } from '../broker/index.ts';

/**
 * Who leads. Nobody compares clocks: the leader counts `beat` up, and whoever saw the same lease for long enough, by a clock of its own
 * that never goes back, takes it over with the next `token`. All that a leader writes carries its token, and an old one is refused.
 */
export interface Lease {
  /** Grows with each change of hands. */
  readonly token: number;
  /** '' when nobody leads. */
  readonly owner: string;
  readonly beat: number;
}

export const NO_LEASE: Lease = { token: 0, owner: '', beat: 0 };

/** What a look shows. */
export interface StoreLook {
  readonly lease: Lease;
  /** How many edits there were. */
  readonly edits: number;
}

/** Everything that is kept. */
export interface Snapshot {
  readonly edits: number;
  readonly edited: ReadonlyMap<string, string>;
  readonly states: ReadonlyMap<string, string>;
}

/** A new text for an entry; undefined deletes it. */
export type Change = readonly [name: string, text: string | undefined];

export interface ScheduleStore extends AsyncDisposable {
  readonly name: string;
  /** For banners; passwords masked. */
  readonly url: string;
  /** Identity of the database, when `commit` can take writes of others. */
  readonly database?: string;
  look(): Promise<StoreLook>;
  /** Puts `next` in the place of `expected`. Answers what is there afterwards. */
  swapLease(expected: Lease, next: Lease): Promise<StoreLook & { readonly swapped: boolean }>;
  load(): Promise<Snapshot>;
  /** Writes how far entries are, together with the writes of others, if `token` is still that of the lease; false: nothing was done. */
  commit(token: number, changes: readonly Change[], writes?: readonly JointWrite[]): Promise<boolean>;
  /** Writes what a person changed. `expected`: only if that is there now (undefined: nothing is); false: it was not. */
  edit(name: string, expected: string | undefined, text: string | undefined): Promise<boolean>;
  /** Calls back soon after an edit by anybody. Absent: whoever needs to know looks. */
  onEdit?(listener: () => void): Disposable;
  /** Calls back when the server cannot be reached, while calls still wait for it. Absent: they fail at once. */
  onDown?(listener: (error: Error) => void): Disposable;
}

/** What a store is opened with. */
export interface StoreOptions {
  readonly url: string;
  readonly appName: string;
  /** Seconds. */
  readonly connectTimeout: number;
  /** Seconds that one call may take, connecting again included. */
  readonly patience: number;
  readonly tls?: boolean | Readonly<Record<string, unknown>>;
  readonly transportOptions: Readonly<Record<string, unknown>>;
}

/** Every store module exports `open`; nothing connects before the first call. */
export interface StoreDriver {
  open(options: StoreOptions): ScheduleStore;
}

export function isSameLease(one: Lease, other: Lease): boolean {
  return one.token === other.token && one.owner === other.owner && one.beat === other.beat;
}
