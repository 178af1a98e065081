// What running code carries with it, wherever it waits: the task that runs, and whether it may wait for results. One storage for all of
// it, because each one costs every task.
import { AsyncLocalStorage } from 'node:async_hooks';

export interface Scope {
  /** Whatever the task room calls the current task. */
  readonly task?: unknown;
  /** May this code wait for results? */
  readonly join?: 'allowed' | 'denied';
}

const storage = new AsyncLocalStorage<Scope>();
const NOTHING: Scope = Object.freeze({});

/** The scope of the code that runs now. */
export function currentScope(): Scope {
  return storage.getStore() ?? NOTHING;
}

/** Runs `body`, and all that it starts, in `scope`. */
export function inScope<T>(scope: Scope, body: () => T): T {
  return storage.run(scope, body);
}
