// The result of a task that ran in place (eager mode): the same handle, over a record that is already there.
import { ConfigurationError, TaskRevokedError } from '../util/index.ts';
import { AsyncResult, type AsyncResultOptions } from './async-result.ts';
import { GroupResult, type GroupResultOptions, type MembersOf } from './group-result.ts';
import type { ResultSource } from './handle.ts';
import { type HandleMaker, handleOf } from './handle-of.ts';
import { pendingRecord, type ResultRecord } from './record.ts';

/** The result of an eager call: always there, and readable inside running tasks too. */
export type EagerResult<T = unknown> = AsyncResult<T>;

export interface EagerResultOptions extends AsyncResultOptions {
  /** Makes handles of what the call sent; without it nothing is known of its children but their ids. */
  readonly results?: HandleMaker;
}

/** Wraps what an eager call left behind. States that are no end (`RETRY`, `IGNORED`, `REJECTED`) make `get` resolve to undefined. */
export function eagerResult<T = unknown>(record: ResultRecord, options: EagerResultOptions = {}): EagerResult<T> {
  return new AsyncResult<T>(record.id, eagerSource(record, options.results), options);
}

/** The result of a group that ran in place. */
export function eagerGroup<T extends readonly unknown[]>(
  id: string,
  members: MembersOf<T>,
  options: GroupResultOptions = {},
): GroupResult<T> {
  return new GroupResult<T>(id, members, eagerSource(pendingRecord(id), undefined), options);
}

function eagerSource(first: ResultRecord, results: HandleMaker | undefined): ResultSource {
  let record = first;
  const refuse = async (): Promise<never> => {
    throw new ConfigurationError('A group that ran in place is stored nowhere, so it can be neither saved nor deleted.');
  };
  return {
    eager: true,
    read: async () => record,
    wait: async () => record,
    listen: (_ids, receiver) => {
      receiver.arrived(record);
      return () => undefined;
    },
    exists: async () => true,
    forget: async () => undefined,
    make: (node) => (results === undefined ? eagerResult(pendingRecord(node.id)) : handleOf(node, results)),
    saveGroup: refuse,
    deleteGroup: refuse,
    // Nothing is left to stop: as with Celery, the handle says REVOKED from now on.
    revoke: async () => {
      record = { ...record, state: 'REVOKED', value: undefined, error: new TaskRevokedError('revoked') };
      return [];
    },
    revokeByStampedHeaders: async () => [],
  };
}
