// All that the task room needs of the world around it. The app builds one for itself, a pool slot gets one; tests build theirs of
// memory drivers. Nothing in this room finds anything by another way.
import type { ChainText, ResultMeta, ResultNode, WireSignature } from '../protocol/index.ts';
import type {
  AsyncResult,
  AsyncResultOptions,
  ChordCodec,
  ChordOpening,
  GroupResult,
  GroupResultOptions,
  MembersOf,
  StoredResult,
} from '../result/index.ts';
import type { Clock } from '../util/index.ts';
import type { SentChild } from './context.ts';
import type { TaskHandlers } from './handlers.ts';
import type { Middleware } from './middleware.ts';
import type { Call, TaskDefinition, TaskOptions } from './options.ts';
import type { Publisher } from './publisher.ts';
import type { Signals } from './signals.ts';

/** Finds tasks by name. */
export interface TaskRegistry extends Iterable<TaskDefinition> {
  find(name: string): TaskDefinition | undefined;
  /** Throws NotRegisteredError with a suggestion. */
  get(name: string): TaskDefinition;
  /** Throws AlreadyRegisteredError. */
  register(definition: TaskDefinition): void;
}

/** What a result is written with. */
export interface StoreOptions {
  readonly attempt: number;
  readonly replyTo?: string | undefined;
  readonly correlationId?: string | undefined;
}

/** The part of ResultStore that tasks use. */
export interface TaskResults {
  encode(meta: ResultMeta, options: StoreOptions): StoredResult;
  result<T = unknown>(id: string, options?: AsyncResultOptions): AsyncResult<T>;
  group<T extends readonly unknown[]>(id: string, members: MembersOf<T>, options?: GroupResultOptions): GroupResult<T>;
  /** What is stored of a task; `PENDING` when nothing is. */
  meta(id: string): Promise<ResultMeta>;
  /** What chords keep, as bytes. */
  readonly chords: ChordCodec;
  /** Opens chords before their headers are sent; `polled`: send celery.chord_unlock for each. Throws ConfigurationError. */
  openChords(openings: readonly ChordOpening[]): Promise<'counted' | 'polled'>;
  /** Makes a chord wait for further ids. Throws ConfigurationError. */
  extendChord(groupId: string, ids: readonly string[]): Promise<void>;
  /** Deletes what has expired, where the store does not by itself. */
  cleanup(): Promise<void>;
}

/** A body as it travels. */
export interface EncodedBody {
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly contentEncoding: string;
  /** MIME name. */
  readonly compression: string | undefined;
}

/** The part of Serialization that tasks use. */
export interface TaskSerialization {
  encode(value: unknown, serializer: string, compression?: string): EncodedBody;
  decode(input: EncodedBody, accept: ReadonlySet<string>): unknown;
  /** The body of a task; what stands `behind` the next step of its chain may be text still. */
  decodeBody(input: EncodedBody, accept: ReadonlySet<string>): { readonly value: unknown; readonly behind?: ChainText };
}

/** Settings of the app that concern tasks as such. What an option of a task can override is in `options()` instead. */
export interface TaskSettings {
  /** Check arguments at the call. */
  readonly strictTyping: boolean;
  /** Store name, arguments, worker, retries and queue with each result. */
  readonly resultExtended: boolean;
  /** Run calls in place instead of sending them. */
  readonly alwaysEager: boolean;
  /** `apply` throws what the task throws. */
  readonly eagerPropagates: boolean;
  /** Callbacks and tasks sent by a task get its priority. */
  readonly inheritParentPriority: boolean;
  /** Errbacks of a chord go to the members of its header, too. @default false */
  readonly errbacksOnHeaders?: boolean;
  /** Name of this process's reply queue; what travels inside other messages is given it too. */
  readonly replyTo?: string;
  /** Seconds that results, and the bookkeeping of chords, live. @default for ever */
  readonly resultExpires?: number | undefined;
  /** Seconds between the looks of celery.chord_unlock. @default 1 */
  readonly chordRetryInterval?: number;
}

/** The world of the task room. */
export interface ExecuteEnvironment {
  readonly registry: TaskRegistry;
  /** A task's options and annotated handlers: annotations over its own, over the settings of the app. Cached by the app: it is asked for every execution. */
  options(definition: TaskDefinition): Readonly<TaskOptions & TaskHandlers>;
  readonly settings: TaskSettings;
  readonly serialization: TaskSerialization;
  /** MIME names that bodies may have. */
  readonly accept: ReadonlySet<string>;
  readonly results: TaskResults;
  /** Stores intermediate states now (STARTED, updateState), past the outcome. */
  store(results: readonly StoredResult[]): Promise<void>;
  readonly publisher: Publisher;
  readonly middleware: readonly Middleware[];
  readonly signals: Signals;
  readonly clock: Clock;
  /** For jitter: 0 to 1, 1 not included. @default Math.random */
  readonly random?: () => number;
  /** Node name: `celery@host`. */
  readonly hostname: string;
  /** The number that the priority of a call has on the broker of the app: words mean nothing on the wire. Without it they are refused. */
  readonly priorityOf?: (call: Call) => number | undefined;
  /** Sends an event under the name of this node. Without it nobody hears of any. Throws EncodeError. */
  readonly sendEvent?: (type: string, fields: Readonly<Record<string, unknown>>) => void;
  /** Turns a chain, group or chord into calls with fixed ids; the canvas room gives it. Without it such a signature fails with ConfigurationError. */
  readonly expand?: (signature: WireSignature, input: ExpandInput) => CanvasPlan;
}

/** With what a signature is started from inside a worker. */
export interface ExpandInput {
  /** Put before its own arguments. */
  readonly args: readonly unknown[];
  /** Absent: that of the signature itself, if it names one. A chord that starts so has a member of its header as the parent of its body. */
  readonly parentId?: string;
  readonly rootId: string;
  /** The rest of the chain that it stands in, in reverse. */
  readonly chain: readonly WireSignature[];
  /** Ids that are not fixed yet follow from this text alone, so that whoever starts the same signature again sends the same ids. */
  readonly seed: string;
  readonly priority?: number;
}

/** A canvas as flat calls with fixed ids. Plain data: nothing is sent or opened yet. */
export interface CanvasPlan {
  readonly calls: readonly Call[];
  /** Chords to open before the calls are sent. */
  readonly openings: readonly ChordOpening[];
  /** What holds its value in the end, with what comes before it as parents; undefined for an empty chain, which sends nothing. */
  readonly result: ResultNode | undefined;
  /** How the record of the task that starts it lists it. */
  readonly children: readonly SentChild[];
}
