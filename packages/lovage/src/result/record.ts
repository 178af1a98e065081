// One result as a reader sees it: the wire's meta record with its exception already restored. codec.ts makes it.
import type { ResultNode } from '../protocol/index.ts';
import type { TaskState } from './seam.ts';

/** What is known of a task: state, value or error, and what `resultExtended` adds. */
export interface ResultRecord {
  readonly id: string;
  /** `PENDING` when nothing is stored: not started, unknown, or expired. */
  readonly state: TaskState;
  /** The task's value, or what a custom state says of itself; undefined when `error` is set. */
  readonly value: unknown;
  /** Of RETRY, FAILURE and REVOKED. */
  readonly error: Error | undefined;
  readonly traceback: string | undefined;
  readonly children: readonly ResultNode[];
  readonly dateDone: Date | undefined;
  readonly groupId: string | undefined;
  readonly parentId: string | undefined;
  /** From here on: only with `resultExtended`. */
  readonly name: string | undefined;
  readonly args: readonly unknown[] | undefined;
  readonly kwargs: Readonly<Record<string, unknown>> | undefined;
  readonly worker: string | undefined;
  readonly retries: number | undefined;
  readonly queue: string | undefined;
  readonly stamps: Readonly<Record<string, unknown>>;
}

/** States whose error `get` throws. */
export const PROPAGATE_STATES: ReadonlySet<TaskState> = new Set(['FAILURE', 'REVOKED']);
/** States that carry an exception. */
export const EXCEPTION_STATES: ReadonlySet<TaskState> = new Set(['RETRY', 'FAILURE', 'REVOKED']);

/** The record of a task of which nothing is stored. */
export function pendingRecord(id: string): ResultRecord {
  return {
    id,
    state: 'PENDING',
    value: undefined,
    error: undefined,
    traceback: undefined,
    children: [],
    dateDone: undefined,
    groupId: undefined,
    parentId: undefined,
    name: undefined,
    args: undefined,
    kwargs: undefined,
    worker: undefined,
    retries: undefined,
    queue: undefined,
    stamps: {},
  };
}
