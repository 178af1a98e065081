// A running task's reports, as they come: `for await (const p of result.progress())`. Heard where the store tells of states by itself, asked
// for elsewhere. Whoever reads slowly gets the newest, not all.
import { ConfigurationError, deadline, ResultTimeoutError, sleep } from '../util/index.ts';
import type { Leaf, ReadOptions } from './handle.ts';
import type { ResultRecord } from './record.ts';
import { READY_STATES } from './seam.ts';

const INTERVAL = 0.5;
/** States that say nothing of how far a task is. */
const SILENT: ReadonlySet<string> = new Set(['PENDING', 'RECEIVED', 'STARTED', 'RETRY']);

/** What a running task said of itself. */
export interface TaskProgress {
  /** `PROGRESS`, or a state of the task's own. */
  readonly state: string;
  readonly current: number | undefined;
  readonly total: number | undefined;
  /** All that was stored. */
  readonly meta: unknown;
  /** The newest log lines of the task, where it reports by `ctx.progress`. */
  readonly log: readonly string[];
}

export interface ProgressOptions extends ReadOptions {
  /** Seconds between two questions to a store that tells of nothing by itself. @default 0.5 */
  readonly interval?: number;
}

function progressOf({ state, value }: ResultRecord): TaskProgress {
  const meta: Readonly<Record<string, unknown>> = typeof value === 'object' && value !== null ? { ...value } : {};
  const number = (found: unknown): number | undefined => (typeof found === 'number' ? found : undefined);
  const log = Array.isArray(meta.log) ? meta.log.filter((line) => typeof line === 'string') : [];
  return { state, current: number(meta.current), total: number(meta.total), meta: value, log };
}

/** Reports until the task has ended, well or not. Throws ResultTimeoutError, or the signal's reason. */
export async function* progressOfTask(leaf: Leaf, options: ProgressOptions): AsyncGenerator<TaskProgress, void, undefined> {
  if (leaf.ignored || leaf.atHand !== undefined) return;
  const { timeout = 0, signal, interval = INTERVAL } = options;
  const late = (): Error => new ResultTimeoutError(`Task ${leaf.id} has not ended within ${timeout} s; it goes on.`);
  using limit = deadline(timeout === 0 ? undefined : timeout, late, signal, { ref: true });
  let newest: ResultRecord | undefined;
  let isOver = false;
  let failure: unknown;
  let mustAsk = false;
  let wake = Promise.withResolvers<void>();
  const stir = (): void => wake.resolve();
  const noticed = (record: ResultRecord): void => {
    newest = record;
    stir();
  };
  const stop = leaf.source.listen([leaf.id], {
    noticed,
    arrived: (record) => {
      leaf.atHand = record;
      isOver = true;
      stir();
    },
    failed: (error) => {
      // A store that tells nothing is asked.
      if (error instanceof ConfigurationError) mustAsk = true;
      else failure = error;
      stir();
    },
  });
  limit.signal.addEventListener('abort', stir, { once: true });
  let told: string | undefined;
  try {
    // What is heard while it is read is newer.
    const stored = await leaf.source.read(leaf.id);
    newest ??= stored;
    for (;;) {
      limit.signal.throwIfAborted();
      if (failure !== undefined) throw failure;
      const record = newest;
      newest = undefined;
      if (record !== undefined && READY_STATES.has(record.state)) {
        leaf.atHand = record;
        return;
      }
      if (record !== undefined && !SILENT.has(record.state)) {
        const text = JSON.stringify([record.state, record.value]);
        // The same is read again and again where it is asked for.
        if (text !== told) yield progressOf(record);
        told = text;
      }
      if (isOver) return;
      if (newest !== undefined) continue;
      if (mustAsk) {
        await sleep(interval, limit.signal);
        newest = await leaf.source.read(leaf.id);
      } else {
        await wake.promise;
        wake = Promise.withResolvers<void>();
      }
    }
  } finally {
    stop();
    limit.signal.removeEventListener('abort', stir);
  }
}
