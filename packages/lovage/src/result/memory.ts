// Results in the memory of this process: for tests, and the shortest picture of what a backend does.
// `memory://` alone is private to whoever opens it; backends opened under one name (`memory://shop`) share what they hold.

import { ownBytes, readOptionNames } from '../util/index.ts';
import type { GroupStore, StoredGroup } from './group-seam.ts';
import { type ChordShelf, createMemoryChords } from './memory-chords.ts';
import { memoryRevokes, type RevokeStore } from './revokes.ts';
import { isStored, mayStore } from './rules.ts';
import { type BackendOptions, READY_STATES, type ResultBackend, type Retention, type StoredResult } from './seam.ts';
import { closedBackend, createWatchers, type Watchers } from './watchers.ts';

interface Shelf {
  readonly results: Map<string, { readonly stored: StoredResult; readonly until: number }>;
  /** Of their records. */
  bytes: number;
  readonly fences: Map<string, { readonly attempt: number; readonly until: number }>;
  readonly groups: Map<string, { readonly stored: StoredGroup; readonly until: number }>;
  readonly chords: ChordShelf;
  readonly revokes: RevokeStore;
  /** One of each backend that is open. */
  readonly open: Set<Watchers>;
}

const shelves = new Map<string, Shelf>();

/** Opens the backend. */
export function open(options: BackendOptions): ResultBackend {
  readOptionNames('The result store in memory', options.transportOptions, { names: [] });
  const name = /^memory:\/\/([^/?]+)/.exec(options.url)?.[1];
  const known = name === undefined ? undefined : shelves.get(name);
  const blank = {
    results: new Map(),
    bytes: 0,
    fences: new Map(),
    groups: new Map(),
    chords: new Map(),
    revokes: memoryRevokes(),
    open: new Set<Watchers>(),
  };
  const shelf: Shelf = known ?? blank;
  if (name !== undefined) shelves.set(name, shelf);
  const watchers = createWatchers({
    begin: async (ids) => {
      for (const stored of read(shelf, ids).values()) if (READY_STATES.has(stored.state)) watchers.deliver(stored);
    },
    end: () => undefined,
  });
  shelf.open.add(watchers);
  return {
    name: 'memory',
    url: options.url,
    features: { persistent: true, fence: true, autoExpire: true, states: true, messages: true, retention: true },
    put: async (results) => {
      const refused = results.filter((result) => !put(shelf, result)).map((result) => result.id);
      retain(shelf, options.retention);
      return refused;
    },
    get: async (ids) => read(shelf, ids),
    watch: (ids, signal) => watchers.watch(ids, signal),
    listen: (ids, receiver) => watchers.listen(ids, receiver),
    forget: async (ids) => {
      for (const id of ids) if (drop(shelf, id)) shelf.fences.delete(id);
    },
    fence: async (id, attempt, expires) => {
      const highest = Math.max(fenceOf(shelf, id) ?? 0, attempt);
      shelf.fences.set(id, { attempt: highest, until: untilOf(expires) });
      return { stored: find(shelf, id), attempt: highest };
    },
    groups: groupsOf(shelf),
    revokes: shelf.revokes,
    cleanup: async () => sweep(shelf),
    chords: createMemoryChords(shelf.chords),
    check: async () => undefined,
    [Symbol.asyncDispose]: async () => {
      watchers.fail(closedBackend());
      shelf.open.delete(watchers);
      if (shelf.open.size === 0 && name !== undefined && shelves.get(name) === shelf) shelves.delete(name);
    },
  };
}

function put(shelf: Shelf, result: StoredResult): boolean {
  if (!mayStore(result, find(shelf, result.id), fenceOf(shelf, result.id))) return isStored(result, read(shelf, [result.id]));
  trim(shelf);
  // Taken out first, so that the map stays in the order of writing, which is nearly the order of expiry.
  drop(shelf, result.id);
  shelf.results.set(result.id, { stored: { ...result, body: ownBytes(result.body) }, until: untilOf(result.expires) });
  shelf.bytes += result.body.byteLength;
  for (const watchers of shelf.open) watchers.deliver(result);
  return true;
}

function drop(shelf: Shelf, id: string): boolean {
  shelf.bytes -= shelf.results.get(id)?.stored.body.byteLength ?? 0;
  return shelf.results.delete(id);
}

/** Lets the oldest go while there is more than may be; the newest always stays. */
function retain(shelf: Shelf, { maxCount, maxBytes }: Retention = {}): void {
  const isTooMuch = (): boolean => shelf.results.size > (maxCount ?? Infinity) || shelf.bytes > (maxBytes ?? Infinity);
  for (const [id] of shelf.results) {
    if (shelf.results.size <= 1 || !isTooMuch()) return;
    drop(shelf, id);
  }
}

function read(shelf: Shelf, ids: readonly string[]): Map<string, StoredResult> {
  const found = new Map<string, StoredResult>();
  for (const id of ids) {
    const stored = find(shelf, id);
    if (stored !== undefined) found.set(id, stored);
  }
  return found;
}

function find(shelf: Shelf, id: string): StoredResult | undefined {
  const entry = shelf.results.get(id);
  if (entry === undefined || entry.until > Date.now()) return entry?.stored;
  drop(shelf, id);
  return undefined;
}

function fenceOf(shelf: Shelf, id: string): number | undefined {
  const entry = shelf.fences.get(id);
  return entry !== undefined && entry.until > Date.now() ? entry.attempt : undefined;
}

function groupsOf({ groups }: Shelf): GroupStore {
  return {
    put: async (saved) => {
      for (const stored of saved) groups.set(stored.id, { stored, until: untilOf(stored.expires) });
    },
    get: async (ids) => {
      const found = ids.flatMap((id) => groups.get(id) ?? []).filter(({ until }) => until > Date.now());
      return new Map(found.map(({ stored }) => [stored.id, stored]));
    },
    delete: async (ids) => {
      for (const id of ids) groups.delete(id);
    },
  };
}

/** Epoch milliseconds. */
function untilOf(expires: number | undefined): number {
  return expires === undefined ? Number.POSITIVE_INFINITY : Date.now() + expires * 1000;
}

/** Lets go of what has expired at the old end, two for each write, so that memory stays bounded without a timer. */
function trim(shelf: Shelf): void {
  for (const [id] of shelf.results.entries().take(2)) find(shelf, id);
}

function sweep(shelf: Shelf): number {
  const now = Date.now();
  const results = Array.from(shelf.results).filter(([, entry]) => entry.until <= now);
  for (const [id] of results) drop(shelf, id);
  for (const kept of [shelf.fences, shelf.groups]) for (const [id, { until }] of kept) if (until <= now) kept.delete(id);
  return results.length;
}
