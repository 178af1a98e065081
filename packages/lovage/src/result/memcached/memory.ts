// `cache+memory://`: the newest results of this process, as Celery's in-memory cache keeps them (5,000, shared by all apps of the process).
import type { KeyValue, KeyValueStore } from '../kv.ts';

const MAX_KEPT = 5000;

interface Kept extends KeyValue {
  /** Epoch milliseconds. */
  readonly until: number;
}

const kept = new Map<string, Kept>();
const listeners = new Set<(keys: readonly string[]) => void>();
let versions = 0;

function find(key: string): Kept | undefined {
  const found = kept.get(key);
  if (found === undefined) return undefined;
  kept.delete(key);
  if (found.until <= Date.now()) return undefined;
  // Behind all others: what was used last goes last.
  kept.set(key, found);
  return found;
}

function keep(key: string, value: Uint8Array, expires: number | undefined): void {
  kept.delete(key);
  kept.set(key, {
    value,
    version: ++versions,
    until: expires === undefined ? Number.POSITIVE_INFINITY : Date.now() + expires * 1000,
  });
  const [oldest] = kept.keys();
  if (kept.size > MAX_KEPT && oldest !== undefined) kept.delete(oldest);
}

/** The store; every one of a process is the same. */
export function memoryStore(url: string): KeyValueStore {
  return {
    name: 'cache memory',
    url,
    autoExpire: true,
    get: async (keys) => new Map(keys.flatMap((key) => entryOf(key, find(key)))),
    set: async (writes) => {
      for (const { key, value, expires } of writes) keep(key, value, expires);
      tell(writes.map(({ key }) => key));
    },
    swap: {
      guards: 'all',
      try: async ({ key, value, expires }, seen) => {
        for (const [other, was] of seen) if (find(other)?.version !== was?.version) return false;
        keep(key, value, expires);
        tell([key]);
        return true;
      },
    },
    delete: async (keys) => {
      for (const key of keys) kept.delete(key);
    },
    changes: (heard) => {
      listeners.add(heard);
      return { [Symbol.dispose]: () => listeners.delete(heard) };
    },
    check: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

function entryOf(key: string, found: Kept | undefined): readonly (readonly [string, KeyValue])[] {
  return found === undefined ? [] : [[key, found]];
}

function tell(keys: readonly string[]): void {
  for (const heard of listeners) heard(keys);
}
