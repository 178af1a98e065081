// Waiting for several results at once: one subscription, one timer and one listener for all of them. Called by the handles' get.
import { after, type Timer } from '../util/index.ts';
import type { Leaf, ResultSource, WaitOptions } from './handle.ts';
import { assertMayJoin } from './join.ts';
import { PROPAGATE_STATES, type ResultRecord } from './record.ts';

/** Seconds between calls of `onInterval`. */
const INTERVAL = 0.5;

export interface Gathering extends WaitOptions {
  /** End with the first error. */
  readonly propagate: boolean;
  /** Take results in the order of the leaves, not as they come: the first error is then the first in that order. */
  readonly ordered?: boolean;
  /** Steps before: an error of one of them ends the wait, a value does not. */
  readonly behind?: readonly Leaf[];
  /** Called with each leaf once it is ready. What it throws ends the wait. */
  readonly taken?: ((leaf: Leaf) => void) | undefined;
  readonly late: (missing: readonly Leaf[]) => Error;
}

/** The error that a ready leaf throws, if it is one that does. */
export function errorOf(leaf: Leaf): Error | undefined {
  const record = leaf.atHand;
  return record !== undefined && PROPAGATE_STATES.has(record.state) ? record.error : undefined;
}

const isThere = (leaf: Leaf): boolean => leaf.ignored || leaf.atHand !== undefined;

/** Resolves when every leaf is ready, and keeps its record in it. Rejects as the options say. */
export function gather(leaves: readonly Leaf[], how: Gathering): Promise<void> {
  if (how.disableSyncSubtasks !== false) {
    const foreign = leaves.find((leaf) => !leaf.source.eager && !leaf.ignored);
    if (foreign !== undefined) assertMayJoin(foreign.id);
  }
  if (how.signal?.aborted) return Promise.reject(how.signal.reason as Error);
  return new Promise((resolve, reject) => start(leaves, how, resolve, reject));
}

/** What waits: leaves by id, by source. */
type Table = Map<ResultSource, Map<string, Leaf[]>>;

function enter(table: Table, leaf: Leaf): void {
  const source = leaf.source;
  const byId = table.get(source) ?? new Map<string, Leaf[]>();
  table.set(source, byId);
  const same = byId.get(leaf.id);
  if (same === undefined) byId.set(leaf.id, [leaf]);
  else same.push(leaf);
}

function start(leaves: readonly Leaf[], how: Gathering, resolve: () => void, reject: (error: unknown) => void): void {
  const left = new Set(leaves);
  const table: Table = new Map();
  const stops: (() => void)[] = [];
  let next = 0;
  let isOver = false;
  let timer: Timer | undefined;
  let ticker: NodeJS.Timeout | undefined;

  function end(settle: () => void): void {
    if (isOver) return;
    isOver = true;
    timer?.cancel();
    clearInterval(ticker);
    how.signal?.removeEventListener('abort', abort);
    for (const stop of stops) stop();
    settle();
  }
  const fail = (error: unknown): void => end(() => reject(error));
  const abort = (): void => fail(how.signal?.reason);

  /** Runs a piece of the caller's code: what it throws is the wait's. */
  function guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      fail(error);
    }
  }

  function take(leaf: Leaf): void {
    if (isOver || !left.delete(leaf)) return;
    const error = how.propagate ? errorOf(leaf) : undefined;
    if (error !== undefined) fail(error);
    else if (how.taken !== undefined) guarded(() => how.taken?.(leaf));
    if (left.size === 0) end(resolve);
  }

  function came(leaf: Leaf): void {
    if (how.ordered !== true) take(leaf);
    else for (let at = leaves[next]; at !== undefined && isThere(at); at = leaves[++next]) take(at);
  }

  function arrived(byId: ReadonlyMap<string, readonly Leaf[]>, record: ResultRecord): void {
    for (const leaf of byId.get(record.id) ?? []) {
      leaf.atHand = record;
      if (left.has(leaf)) came(leaf);
      else if (errorOf(leaf) !== undefined) fail(errorOf(leaf));
    }
  }

  for (const leaf of leaves) if (isThere(leaf)) came(leaf);
  if (left.size === 0) end(resolve);
  for (const leaf of how.behind ?? []) if (errorOf(leaf) !== undefined) fail(errorOf(leaf));
  if (isOver) return;
  for (const leaf of [...(how.behind ?? []), ...left]) if (!isThere(leaf)) enter(table, leaf);
  const { onMessage } = how;
  for (const [source, byId] of table) {
    const stop = source.listen([...byId.keys()], {
      arrived: (record) => arrived(byId, record),
      failed: fail,
      noticed: onMessage && ((record) => guarded(() => onMessage(record))),
    });
    stops.push(stop);
    if (isOver) {
      stop();
      return;
    }
  }
  how.signal?.addEventListener('abort', abort, { once: true });
  const { timeout = 0, onInterval, interval = INTERVAL } = how;
  if (timeout > 0) timer = after(timeout, () => fail(how.late([...left])));
  if (onInterval !== undefined) ticker = setInterval(() => guarded(onInterval), interval * 1000);
}
