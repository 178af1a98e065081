// Waiting for several results at once: one subscription, one timer and one listener for all of them. Called by the handles' get.
import { after, type Timer } from '../util/index.ts';
import type { Leaf, ResultSource, StepsBefore, WaitOptions } from './handle.ts';
import { assertMayJoin } from './join.ts';
import { PROPAGATE_STATES, type ResultRecord } from './record.ts';

/** Seconds between calls of `onInterval`. */
const INTERVAL = 0.5;
/**
 * What follows the header of a chord fails with the ChordError that names the member, so its members are not listened to before so many
 * seconds, and the error of one is thrown only when so many more have passed: then nobody stored the other.
 */
const GRACE = 1;

export interface Gathering extends WaitOptions, Partial<StepsBefore> {
  /** End with the first error. */
  readonly propagate: boolean;
  /** Take results in the order of the leaves, not as they come: the first error is then the first in that order. */
  readonly ordered?: boolean;
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
  const { behind = [], onMessage } = how;
  const left = new Set(leaves);
  const headers = new Set(how.headers);
  const stops: (() => void)[] = [];
  let next = 0;
  let isOver = false;
  let hasFailed = false;
  let timer: Timer | undefined;
  let grace: Timer | undefined;
  let ticker: NodeJS.Timeout | undefined;

  function end(settle: () => void): void {
    if (isOver) return;
    isOver = true;
    timer?.cancel();
    grace?.cancel();
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
      else failBehind(leaf);
    }
  }

  /** A step before has ended: its error ends the wait too. */
  function failBehind(leaf: Leaf): void {
    const error = errorOf(leaf);
    if (error === undefined || isOver || left.has(leaf)) return;
    if (!headers.has(leaf)) fail(error);
    else if (!hasFailed) grace = after(GRACE, () => fail(error));
    hasFailed = true;
  }

  /** One subscription for each source. Something may be over at once, so that the rest need not begin. */
  function listen(some: Iterable<Leaf>): void {
    const table: Table = new Map();
    for (const leaf of some) {
      if (isThere(leaf)) failBehind(leaf);
      else enter(table, leaf);
    }
    for (const [source, byId] of table) {
      if (isOver) return;
      const stop = source.listen([...byId.keys()], {
        arrived: (record) => arrived(byId, record),
        failed: fail,
        noticed: onMessage && ((record) => guarded(() => onMessage(record))),
      });
      if (isOver) stop();
      else stops.push(stop);
    }
  }

  for (const leaf of leaves) if (isThere(leaf)) came(leaf);
  if (left.size === 0) end(resolve);
  if (!isOver) listen([...behind, ...left]);
  if (isOver) return;
  how.signal?.addEventListener('abort', abort, { once: true });
  if (headers.size > 0) grace = after(GRACE, () => listen(headers));
  const { timeout = 0, onInterval, interval = INTERVAL } = how;
  if (timeout > 0) timer = after(timeout, () => fail(how.late([...left])));
  if (onInterval !== undefined) ticker = setInterval(() => guarded(onInterval), interval * 1000);
}
