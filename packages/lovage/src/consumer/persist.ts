// Storing and sending until it is done: the policy for a store or broker that fails. Called by settle.ts alone.
import type { Outgoing } from '../broker/index.ts';
import type { ResultBackend, StoredResult } from '../result/index.ts';
import { type BackoffOptions, backoff, LovageError, logger, PublishError, sleep } from '../util/index.ts';
import type { WorkerApp } from './port.ts';

const RETRY: BackoffOptions = { first: 0.1, cap: 10 };
/** Seconds that one publish may take before it counts as failed and is tried again. */
const PUBLISH_TIMEOUT = 30;
const log = logger('consumer');

/** Errors that are not ours say nothing of themselves: they are tried again, but not for ever. */
const FOREIGN_TRIES = 5;

function isWorthARetry(error: unknown, retry: number): boolean {
  return error instanceof LovageError ? error.transient : retry < FOREIGN_TRIES;
}

/** Tries until it works; rejects with what cannot be helped by trying again, or with the signal's reason. */
export async function persist<Out>(what: string, signal: AbortSignal, action: () => Promise<Out>): Promise<Out> {
  for (let retry = 0; ; retry++) {
    signal.throwIfAborted();
    try {
      return await action();
    } catch (error) {
      if (signal.aborted || !isWorthARetry(error, retry)) throw error;
      const wait = backoff(retry, RETRY);
      log.error('Cannot {what}: {error} Trying again in {wait} seconds; no message is given up meanwhile.', {
        what,
        error: String(error),
        wait: wait.toFixed(2),
      });
      await sleep(wait, signal, { ref: false });
    }
  }
}

/** Stores the results; resolves to the ids whose task belongs to another attempt. A repeat of our own write is none of them. */
export async function store(
  backend: ResultBackend | undefined,
  results: readonly StoredResult[],
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  if (backend === undefined || results.length === 0) return new Set();
  return new Set(await persist(`store ${results.length} results`, signal, () => backend.put(results)));
}

/** Publishes what follows; only what failed is sent again. */
export async function send(publisher: WorkerApp['publisher'], messages: readonly Outgoing[], signal: AbortSignal): Promise<void> {
  let left = messages;
  if (left.length === 0) return;
  await persist(`send ${messages.length} messages`, signal, async () => {
    try {
      await publisher.publish(left, { signal: AbortSignal.any([signal, AbortSignal.timeout(PUBLISH_TIMEOUT * 1000)]) });
    } catch (error) {
      if (!(error instanceof PublishError) || error.failures.length === 0) throw error;
      left = error.failures.flatMap(({ index }) => left[index] ?? []);
      const hopeless = error.failures.find(({ cause }) => cause instanceof LovageError && !cause.transient);
      throw hopeless === undefined ? error : hopeless.cause;
    }
  });
}
