// What a running task knows of itself: the context that `bind: true` puts first, and the current task that calls made inside find.
import type { Embed, TaskRequest } from '../protocol/index.ts';
import type { AsyncResult } from '../result/index.ts';
import { currentScope, inScope, type Logger } from '../util/index.ts';
import type { CallOptions, SignatureLike } from './options.ts';
import type { Retry } from './steer.ts';

/** The request of a running task: its message, body included. */
export interface CurrentRequest extends TaskRequest {
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly callbacks: Embed['callbacks'];
  readonly errbacks: Embed['errbacks'];
  readonly chain: Embed['chain'];
  readonly chord: Embed['chord'];
  /** Runs in the process that called it, without a message. */
  readonly isEager: boolean;
  /** The function was called directly: nothing is stored, and `retry` throws the error instead. */
  readonly calledDirectly: boolean;
}

/** Options of `ctx.retry()`; further call options (queue, priority, headers …) replace those of the message. */
export interface RetryOptions extends Omit<CallOptions, 'taskId' | 'retries' | 'signal'> {
  /** New arguments. @default those of this attempt */
  readonly args?: readonly unknown[];
  readonly kwargs?: Readonly<Record<string, unknown>>;
  /** Why; stored with the state RETRY, and thrown when no retry is left. */
  readonly error?: unknown;
  /** `null` for no limit. @default the task's maxRetries */
  readonly maxRetries?: number | null;
  /** `false` returns the Retry: the body goes on, its own outcome is stored, and the next attempt runs too. @default true */
  readonly throw?: boolean;
}

/** A member for which a chord waits already; it may also stand in a canvas that is sent. */
export interface LazyMember<Result = unknown> extends SignatureLike {
  /** Sends it. */
  delay(): Promise<AsyncResult<Result>>;
}

/** What `progress` stores. */
export interface Progress {
  readonly current: number;
  readonly total?: number;
  readonly [key: string]: unknown;
}

/** What a task with `bind: true` gets as its first argument. */
export interface TaskContext {
  /** Name of the task. */
  readonly name: string;
  readonly request: CurrentRequest;
  /** Aborts at the soft time limit (with SoftTimeLimitExceededError), at the hard one, and when the worker stops or the task is terminated. */
  readonly signal: AbortSignal;
  /** Logs under `lovage.task` with the task's name and id. From the first `progress` on, lines of INFO and above are told with it (the newest 50). */
  readonly log: Logger;
  /** Ends this attempt and runs the task again under the same id: `return ctx.retry({ countdown: 5 })`. Throws Retry; MaxRetriesExceededError or `error` when no retry is left. */
  retry(options: RetryOptions & { readonly throw: false }): Retry;
  retry(options?: RetryOptions): never;
  /** Ends the task without a state; nothing is stored, nothing follows. */
  ignore(reason?: string): never;
  /**
   * Ends this task and lets another signature go on in its place: task, chain, group or chord. That ends under the task's id, with its
   * callbacks, errbacks, chord and the rest of its chain; of a group the result is the list of its results. Nothing is stored for this
   * execution, and its queue, priority, retries and expiry are not handed on: `return ctx.replace(other.s(1))`. Throws ConfigurationError for an
   * empty chain, and for a member of another chord.
   */
  replace(signature: SignatureLike): never;
  /**
   * Makes the chord, in whose header this task is, wait for one more member, and sends it. Resolves to its result; with `lazy` nothing is
   * sent, and it resolves to the member, which joins when it is: `await member.delay()`. Throws ConfigurationError outside of a header, and
   * where the result backend does not count.
   */
  addToChord<Result = unknown>(signature: SignatureLike, options: { readonly lazy: true }): Promise<LazyMember<Result>>;
  addToChord<Result = unknown>(signature: SignatureLike, options?: { readonly lazy?: false }): Promise<AsyncResult<Result>>;
  /** Rejects the task's message; with `requeue` it comes again. */
  reject(reason?: unknown, options?: { readonly requeue?: boolean }): never;
  /** Stores a state of the task's own, or a built-in one, at once. */
  updateState(state: string, meta?: unknown): Promise<void>;
  /**
   * Stores the state PROGRESS: `ctx.progress(3, 10)`, with more of your own as the third argument, or as one object. Report as often as you
   * like: it is written at most ten times a second, the newest last, and need not be awaited. Readers get it by `result.progress()`.
   */
  progress(current: number, total?: number, more?: Readonly<Record<string, unknown>>): Promise<void>;
  progress(meta: Progress): Promise<void>;
  /**
   * Tells monitors something of your own about this task: `ctx.sendEvent('task-progress', { step: 3 })`. The part before the dash is its
   * group; monitors make a state of the rest (`PROGRESS`). Sent whether the worker sends events or not, and never waited for. Throws
   * EncodeError for fields that cannot be written, ConfigurationError for a type that is no word and a dash and a word.
   */
  sendEvent(type: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Throws the reason when `signal` has aborted; for loops that never wait. */
  throwIfAborted(): void;
}

/** A task or group that a running task sent, as its result record lists it. */
export interface SentChild {
  readonly id: string;
  readonly members?: readonly SentChild[];
}

/** The task that runs here, as calls made inside it see it. */
export interface CurrentTask {
  readonly name: string;
  readonly request: CurrentRequest;
  readonly context: TaskContext;
  /** In call order; what is sent inside is added here. */
  readonly children: SentChild[];
  /** Record children at all? */
  readonly trail: boolean;
}

/** The task that is running here, if any: it becomes the parent of whatever is sent. */
export function currentTask(): CurrentTask | undefined {
  return currentScope().task as CurrentTask | undefined;
}

/** Runs `body` as part of `task`. */
export function asCurrentTask<T>(task: CurrentTask | undefined, body: () => T): T {
  return inScope({ ...currentScope(), task }, body);
}
