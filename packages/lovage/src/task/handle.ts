import type { AsyncResult, EagerResult } from '../result/index.ts';
import type { CallOptions, SignatureLike, TaskDefinition, TaskOptions } from './options.ts';

/** The first of a list of arguments. */
export type Head<Args extends readonly unknown[]> = Args extends readonly [(infer First)?, ...unknown[]] ? First : never;
/** All but the first. */
export type Tail<Args extends readonly unknown[]> = Args extends readonly [unknown?, ...infer Rest] ? Rest : [];
/** What a signature with all its arguments still takes: nothing, or more of the same when the task takes any number. */
export type Complete<Args extends readonly unknown[]> = number extends Args['length']
  ? readonly Args[number][] extends Readonly<Args>
    ? Args
    : []
  : [];

declare const MISSING: unique symbol;

/** A call as data: `Missing` are the arguments it still lacks (they go first), `Result` is what the task returns. Immutable: every method gives a new one. */
export interface Signature<Missing extends readonly unknown[], Result> extends SignatureLike {
  /** Only a type: a signature that lacks nothing must not pass for one that takes a result. */
  readonly [MISSING]?: (missing: Missing) => void;
  readonly task: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly options: Readonly<CallOptions>;
  /** Takes no further arguments: a result that is passed on to it is dropped. */
  readonly immutable: boolean;
  /** A copy with these call options over its own. */
  set(options: CallOptions): Signature<Missing, Result>;
  /** A copy that calls `next` with its result. */
  link(next: LinkOf<Result>): Signature<Missing, Result>;
  /** A copy that calls `next` when it fails. */
  linkError(next: ErrbackLike): Signature<Missing, Result>;
  /** A copy that lacks nothing: the missing arguments are put first. */
  with(...missing: Missing): Signature<[], Result>;
  /** Sends it, with the missing arguments first. */
  delay(...missing: Missing): Promise<AsyncResult<Result>>;
  /** Sends it with further options. */
  applyAsync(missing: Missing, options?: CallOptions): Promise<AsyncResult<Result>>;
  /** Runs it here and now, without a message. */
  apply(missing: Missing, options?: ApplyOptions): Promise<EagerResult<Result>>;
}

/** A signature that takes no result of another. */
export interface ImmutableSignature<Result> extends Signature<[], Result> {
  readonly immutable: true;
  set(options: CallOptions): ImmutableSignature<Result>;
  link(next: LinkOf<Result>): ImmutableSignature<Result>;
  linkError(next: ErrbackLike): ImmutableSignature<Result>;
}

/** What may follow a task that returns `Result`. */
export type LinkOf<Result> = Signature<[Result], unknown> | ImmutableSignature<unknown>;
/** What may be called when a task fails: any signature; what it gets is decided by its task (see errbacks). */
export type ErrbackLike = SignatureLike;

/** Options of `apply`: what has a meaning without a message. */
export interface ApplyOptions
  extends Pick<
    CallOptions,
    | 'taskId'
    | 'link'
    | 'linkError'
    | 'headers'
    | 'retries'
    | 'rootId'
    | 'parentId'
    | 'groupId'
    | 'groupIndex'
    | 'stamps'
    | 'stampedHeaders'
    | 'signal'
  > {
  /** Throw what the task throws. @default the setting taskEagerPropagates */
  readonly throw?: boolean;
}

/** Call options whose callbacks fit the result. */
export interface TypedCallOptions<Result> extends Omit<CallOptions, 'link'> {
  /** Keyword arguments, for tasks in Python. */
  readonly kwargs?: Readonly<Record<string, unknown>>;
  readonly link?: LinkOf<Result> | readonly LinkOf<Result>[];
}

/** A task that can be sent, wherever its code is. */
export interface TaskHandle<Args extends readonly unknown[], Result> {
  readonly name: string;
  readonly options: Readonly<TaskOptions>;
  /** Sends it. Resolves when the broker has it. */
  delay(...args: Args): Promise<AsyncResult<Result>>;
  /** Sends it with options. */
  applyAsync(args: Args, options?: TypedCallOptions<Result>): Promise<AsyncResult<Result>>;
  /** The call as data. With fewer arguments (the last ones) the result of another task fills the first place. */
  s(...args: Args): Signature<Complete<Args>, Result>;
  s(...args: Tail<Args>): Signature<[Head<Args>], Result>;
  s(...args: Tail<Tail<Args>>): Signature<[Head<Args>, Head<Tail<Args>>], Result>;
  /** The call as data, immutable: it ignores the result of the task before it. */
  si(...args: Args): ImmutableSignature<Result>;
  /** The call as data, with options. */
  signature(args: Args, options?: TypedCallOptions<Result>): Signature<Complete<Args>, Result>;
  /** The result of a call, by its id. */
  result(taskId: string): AsyncResult<Result>;
}

/** A task whose code is here. Calling it runs the body in this process: nothing is sent or stored. */
export interface Task<Args extends readonly unknown[], Result> extends TaskHandle<Args, Result> {
  (...args: Args): Promise<Result>;
  readonly definition: TaskDefinition;
  /** Runs it here and now as a worker would, with retries at once; the outcome is in the result. */
  apply(args: Args, options?: ApplyOptions): Promise<EagerResult<Result>>;
}

/** A task whose code is elsewhere. */
export type RemoteTask<Args extends readonly unknown[], Result> = TaskHandle<Args, Result>;
