// The handlers of a task: called around its body, never able to change its outcome.

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
  afterReturn?(
    state: string,
    value: unknown,
    taskId: string,
    args: readonly unknown[],
    kwargs: Readonly<Record<string, unknown>>,
  ): void | Promise<void>;
}
