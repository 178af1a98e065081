// The seam of result stores. Only codec.ts knows what the bytes say; a backend keeps bytes by id and tells who waits.
import type { JointWrite } from '../broker/index.ts';
import type { ChordStore } from './chord-seam.ts';
import type { GroupStore } from './group-seam.ts';
import type { RetryPolicy } from './retry.ts';
import type { RevokeStore } from './revokes.ts';

export type TaskState = string;
/** States that end a task. */
export const READY_STATES: ReadonlySet<TaskState> = new Set(['SUCCESS', 'FAILURE', 'REVOKED']);

/** A result at rest. `body` is the whole meta record as its serializer wrote it. */
export interface StoredResult {
  readonly id: string;
  readonly state: TaskState;
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly contentEncoding: string;
  /** Seconds until it may be deleted; undefined: never. */
  readonly expires?: number | undefined;
  /** Which attempt writes (1 = first): a lower one than the fence is refused, an equal one when a ready state is stored. */
  readonly attempt: number;
  /** Where the rpc backend sends it. */
  readonly replyTo?: string | undefined;
  readonly correlationId?: string | undefined;
  /** Why its value cannot be read here, although its state can: thrown to who asks for the value. */
  readonly unreadable?: Error | undefined;
}

/** What a redelivered attempt finds. */
export interface Fenced {
  /** So that a finished task is not run again. */
  readonly stored: StoredResult | undefined;
  /** The number under which it has to write: its own, or a higher one that was there. */
  readonly attempt: number;
}

/** Who is told of results, one by one. */
export interface Receiver {
  arrived(result: StoredResult): void;
  /** A state that is no end, where the store tells of them. */
  noticed?: ((result: StoredResult) => void) | undefined;
  /** Nothing more will come. */
  failed(error: unknown): void;
}

export interface BackendFeatures {
  /** Keeps results for any reader, past the life of the sender (rpc does not). */
  readonly persistent: boolean;
  /** Conditional writes are atomic; otherwise "first ready state wins". */
  readonly fence: boolean;
  /** Expires by itself. */
  readonly autoExpire: boolean;
  /** Intermediate states can be read. */
  readonly states: boolean;
  /** Tells who waits of states that are no end, too (`onMessage`). @default false */
  readonly messages?: boolean;
  /** Keeps to BackendOptions.retention; without it, a limit is refused when the backend is opened. @default false */
  readonly retention?: boolean;
}

export interface ResultBackend extends AsyncDisposable {
  readonly name: string;
  /** Passwords masked. */
  readonly url: string;
  readonly features: BackendFeatures;
  /** Same string as the broker's `database` when both are one database: then results commit jointly with acks. */
  readonly database?: string;
  /** Stores in one call; a SUCCESS is never replaced, a ready state only by a ready state. Resolves to the ids that were refused; a repeat of the very bytes that are stored is none of them. */
  put(results: readonly StoredResult[]): Promise<readonly string[]>;
  /** The same put as part of a joint commit. */
  jointPut?(results: readonly StoredResult[]): JointWrite;
  /** Absent from the map means PENDING (or unknown). */
  get(ids: readonly string[]): Promise<ReadonlyMap<string, StoredResult>>;
  /** Yields each id's ready result once, whether it was there already or lands later; ends when all came; throws the signal's reason, or BackendError when the line cannot be mended. Reconnects by itself and re-reads. */
  watch(ids: readonly string[], signal: AbortSignal): AsyncIterable<StoredResult>;
  /** The same with callbacks, for who waits one by one; gives how to stop. */
  listen?(ids: readonly string[], receiver: Receiver): () => void;
  forget(ids: readonly string[]): Promise<void>;
  /** Writes the number of a redelivered attempt before it runs, unless there is a higher one. Resolves to what is there then. */
  fence?(id: string, attempt: number, expires: number | undefined): Promise<Fenced>;
  /** Deletes what has expired (stores without autoExpire). Resolves to how many. */
  cleanup?(): Promise<number>;
  /** The reply queue of this process, declared before the first send (rpc only). */
  replyTo?(): Promise<string>;
  /** Counts the parts of chords. Without it, a persistent backend joins through celery.chord_unlock and any other refuses chords when they are sent. */
  readonly chords?: ChordStore;
  /**
   * The saved group of a chord that Celery opened and counts here, to the first member that asks; to any other, and of chords that nobody
   * counts, undefined. Celery's count would never be full, because the members that end here are not in it.
   */
  readonly adoptChord?: (groupId: string, member: string) => Promise<Uint8Array | undefined>;
  /** Why it refuses chords although it keeps results, and what to change. */
  readonly chordsNeed?: string;
  /** Keeps which tasks belong to a group. Without it, groups can be neither saved nor restored. */
  readonly groups?: GroupStore;
  /** Keeps what must not run, for workers that start later. Without it, revokes live in workers alone. */
  readonly revokes?: RevokeStore;
  check(signal: AbortSignal): Promise<void>;
}

/** How much a store keeps beside what its results' own lives say. The oldest go first. */
export interface Retention {
  /** Results. */
  readonly maxCount?: number | undefined;
  /** Bytes of their records. */
  readonly maxBytes?: number | undefined;
}

export interface BackendOptions {
  readonly url: string;
  readonly appName: string;
  readonly connectTimeout: number;
  readonly tls?: boolean | Readonly<Record<string, unknown>>;
  readonly transportOptions: Readonly<Record<string, unknown>>;
  /** The broker's URL and options: rpc rides on it. */
  readonly broker: {
    readonly url: string;
    readonly transportOptions: Readonly<Record<string, unknown>>;
    readonly tls?: boolean | Readonly<Record<string, unknown>>;
  };
  /** Only backends with the feature `retention` keep to it. */
  readonly retention?: Retention;
  /** Name of this process's rpc reply queue. */
  readonly oid: string;
  /** Seconds; the default life of results, and of the rpc queue. */
  readonly expires: number | undefined;
  readonly persistent: boolean;
  /** When calls to a store that is away are repeated. @default without end, as long as the store is patient */
  readonly retry?: RetryPolicy;
  /** Lines to a Redis. */
  readonly redis?: {
    /** Shown by CLIENT LIST. @default <app>-results */
    readonly clientName?: string | undefined;
    /** Seconds without an answer after which a line is dead. @default 10 */
    readonly replyTimeout?: number;
    /** Seconds after which an idle line is asked for a sign of life. @default never */
    readonly healthCheck?: number | undefined;
    /** TCP keep-alive. @default true */
    readonly keepAlive?: boolean;
  };
}

/** Every result driver module exports `open`. */
export interface BackendDriver {
  open(options: BackendOptions): ResultBackend;
}
