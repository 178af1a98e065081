// The handlers of a task: called around its body, never able to change its outcome.
import type { WireSignature } from '../protocol/index.ts';

/** The app of a task, as far as this room knows it; it is the `Lovage` itself. */
export interface BoundApp {
  readonly name: string;
}

/** Called in the slot that ran the body. What they throw is logged and forgotten. */
export interface TaskHandlers {
  beforeStart?(taskId: string, args: readonly unknown[], kwargs: Readonly<Record<string, unknown>>): void | Promise<void>;
  onSuccess?(
    value: unknown,
    taskId: string,
    args: readonly unknown[],
    kwargs: Readonly<Record<string, unknown>>,
  ): void | Promise<void>;
  onFailure?(
    error: unknown,
    taskId: string,
    args: readonly unknown[],
    kwargs: Readonly<Record<string, unknown>>,
  ): void | Promise<void>;
  onRetry?(
    error: unknown,
    taskId: string,
    args: readonly unknown[],
    kwargs: Readonly<Record<string, unknown>>,
  ): void | Promise<void>;
  /** Another signature takes the place of the task (`ctx.replace`): what is sent in its place. */
  onReplace?(
    signature: { toWire(): WireSignature },
    taskId: string,
    args: readonly unknown[],
    kwargs: Readonly<Record<string, unknown>>,
  ): void | Promise<void>;
  afterReturn?(
    state: string,
    value: unknown,
    taskId: string,
    args: readonly unknown[],
    kwargs: Readonly<Record<string, unknown>>,
  ): void | Promise<void>;
}
