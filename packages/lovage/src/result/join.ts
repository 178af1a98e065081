// May this code wait for results? A task that waits for another holds its slot meanwhile, and enough of them stop a worker for good.
// task/perform runs every body where that is denied; users open a scope of their own with allowJoinResult.
import { currentScope, inScope, JoinInTaskError } from '../util/index.ts';

/** Runs `body` with waiting for results allowed, also inside a task. Only safe when the tasks waited for run on other workers or queues. */
export function allowJoinResult<T>(body: () => T): T {
  return inScope({ ...currentScope(), join: 'allowed' }, body);
}

/** Runs `body` with waiting for results refused, as inside a task: for code that must never block, wherever it is called from. */
export function denyJoinResult<T>(body: () => T): T {
  return inScope({ ...currentScope(), join: 'denied' }, body);
}

/** Throws when the running code is a task that must not wait for the result of `id`. */
export function assertMayJoin(id: string): void {
  if (currentScope().join !== 'denied') return;
  throw new JoinInTaskError(
    `A running task waits for the result of task ${id}: it would hold its slot until then, and a worker whose slots all wait stands still. ` +
      'Link the tasks with a chain or a chord, or wrap the wait in allowJoinResult() when the other task has workers of its own.',
  );
}
