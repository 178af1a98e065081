// The result of a task that ran in place (eager mode): the same handle, over a record that is already there.
import { AsyncResult, type AsyncResultOptions } from './async-result.ts';
import type { ResultRecord } from './record.ts';

/** The result of an eager call: always there, and readable inside running tasks too. */
export type EagerResult<T = unknown> = AsyncResult<T>;

/** Wraps what an eager call left behind. States that are no end (`RETRY`, `IGNORED`, `REJECTED`) make `get` resolve to undefined. */
export function eagerResult<T = unknown>(record: ResultRecord, options: AsyncResultOptions = {}): EagerResult<T> {
  return new AsyncResult<T>(
    record.id,
    {
      eager: true,
      read: async () => record,
      wait: async () => record,
      exists: async () => true,
      forget: async () => undefined,
    },
    options,
  );
}
