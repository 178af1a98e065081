import type { AsyncResult, EagerResult } from '../result/index.ts';
import type { ImmutableSignature, LinkOf, Signature } from './flow.ts';
import type { ApplyOptions, CallOptions, TaskDefinition, TaskOptions } from './options.ts';

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
