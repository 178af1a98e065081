// Group commit: writes that come in one turn of the event loop become one transaction. Called by sqlite-file.ts.
// 1. collect until the end of the turn (or not: `prompt`)  2. BEGIN IMMEDIATE; busy → again after a short timer, the loop is never blocked
// 3. run all  4. COMMIT  5. answer all, send the wake-ups. One that throws is left out and the rest run again.
import { isBusy, isFull } from './sqlite-engine.ts';

/** Longest time of the loop that one transaction may take before it commits what it has (ms). */
const MAX_TRANSACTION_MS = 20;
const MAX_RETRY_MS = 8;

export interface WriterTarget {
  begin(): void;
  commit(): void;
  /** Also forgets the wake-ups of the transaction. */
  rollback(): void;
  /** Sends the wake-ups of the transaction that was just committed. */
  committed(): void;
  explain(error: unknown): unknown;
  /** Frees some room on a full disk for what must be written; false when there is none to free. */
  makeRoom(): boolean;
  /** Why nothing may be added now; undefined when it may. */
  refusal(): Error | undefined;
}

interface Write {
  readonly run: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly signal: AbortSignal | undefined;
  readonly grows: boolean;
  /** Waits for somebody else's lock: its signal is listened to. */
  watched: boolean;
  value: unknown;
}

export interface WriteOptions {
  readonly signal?: AbortSignal | undefined;
  /** Commit at once, with what waits: for callers that have collected what comes in their turn already. */
  readonly prompt?: boolean;
  /** Adds more than it ends: refused while the disk is full. @default false */
  readonly grows?: boolean;
}

export interface Writer {
  /** `run` may run more than once, so it must do nothing but read and write the file. */
  write<T>(run: () => T, options?: WriteOptions): Promise<T>;
  /** Resolves when nothing waits. */
  idle(): Promise<void>;
}

export function createWriter(target: WriterTarget): Writer {
  let waiting: Write[] = [];
  let busyTries = 0;
  let scheduled = false;
  let onIdle: (() => void)[] = [];

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    if (busyTries === 0) setImmediate(flush);
    else setTimeout(flush, Math.min(MAX_RETRY_MS, busyTries) * (0.5 + Math.random()));
  }

  /** Scheduled or called; a later one that finds nothing does nothing. */
  function flush(): void {
    scheduled = false;
    dropAborted();
    refuseGrowth();
    let batch = waiting;
    waiting = [];
    // Written out one by one once the disk was full: what deletes (an ack) may still pass where what adds does not.
    let alone = 0;
    while (batch.length > 0) {
      const size = alone > 0 ? 1 : batch.length;
      const outcome = transact(size === batch.length ? batch : batch.slice(0, size));
      if (outcome.kind === 'busy') {
        waiting = batch.concat(waiting);
        watchSignals();
        busyTries++;
        schedule();
        return;
      }
      busyTries = 0;
      if (outcome.kind === 'done') {
        batch = outcome.count === batch.length ? [] : batch.slice(outcome.count);
        if (alone > 0) alone--;
        continue;
      }
      if (outcome.full && size > 1) {
        alone = batch.length;
        continue;
      }
      if (outcome.full && batch[0]?.grows === false && target.makeRoom()) continue;
      batch = fail(batch, outcome);
      if (alone > 0) alone--;
    }
    if (waiting.length === 0) {
      for (const resolve of onIdle) resolve();
      onIdle = [];
    }
  }

  /** The write that threw fails; when the transaction as a whole failed, all of it fails. */
  function fail(batch: readonly Write[], outcome: Failed): Write[] {
    const error = target.explain(outcome.error);
    const failed = outcome.index === undefined ? batch.slice(0, outcome.size) : batch.slice(outcome.index, outcome.index + 1);
    for (const write of failed) write.reject(error);
    return batch.filter((write) => !failed.includes(write));
  }

  interface Failed {
    readonly kind: 'failed';
    readonly error: unknown;
    readonly index: number | undefined;
    readonly size: number;
    readonly full: boolean;
  }

  function transact(
    batch: readonly Write[],
  ): { readonly kind: 'busy' } | { readonly kind: 'done'; readonly count: number } | Failed {
    let index: number | undefined;
    try {
      target.begin();
      const end = performance.now() + MAX_TRANSACTION_MS;
      let count = 0;
      for (const write of batch) {
        index = count;
        write.value = write.run();
        count++;
        if (performance.now() > end) break;
      }
      index = undefined;
      target.commit();
      target.committed();
      for (let at = 0; at < count; at++) batch[at]?.resolve(batch[at]?.value);
      return { kind: 'done', count };
    } catch (error) {
      target.rollback();
      if (isBusy(error)) return { kind: 'busy' };
      return { kind: 'failed', error, index, size: batch.length, full: isFull(error) };
    }
  }

  function refuseGrowth(): void {
    if (!waiting.some((write) => write.grows)) return;
    const refusal = target.refusal();
    if (refusal === undefined) return;
    for (const write of waiting) if (write.grows) write.reject(refusal);
    waiting = waiting.filter((write) => !write.grows);
  }

  /** What is given up while it waits is told within the turn: whoever gave it up asks no longer than that whether it was stored. */
  function watchSignals(): void {
    for (const write of waiting) {
      if (write.watched) continue;
      write.watched = true;
      write.signal?.addEventListener('abort', dropAborted, { once: true });
    }
  }

  function dropAborted(): void {
    if (!waiting.some((write) => write.signal?.aborted)) return;
    for (const write of waiting) if (write.signal?.aborted) write.reject(write.signal.reason);
    waiting = waiting.filter((write) => !write.signal?.aborted);
  }

  return {
    write: <T>(run: () => T, { signal, prompt = false, grows = false }: WriteOptions = {}) =>
      new Promise<T>((resolve, reject) => {
        waiting.push({
          run,
          resolve: resolve as (value: unknown) => void,
          reject,
          signal,
          grows,
          watched: false,
          value: undefined,
        });
        if (prompt && busyTries === 0) flush();
        else schedule();
      }),
    idle: () => (waiting.length === 0 ? Promise.resolve() : new Promise((resolve) => onIdle.push(resolve))),
  };
}
