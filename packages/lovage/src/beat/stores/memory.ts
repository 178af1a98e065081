// The schedule store of one process: for tests and for `memory://` brokers. The documentation of what a store does.
import type { JointWrite } from '../../broker/index.ts';
import { isSameLease, type Lease, NO_LEASE, type ScheduleStore, type StoreOptions } from '../store.ts';

interface Kept {
  lease: Lease;
  edits: number;
  readonly edited: Map<string, string>;
  readonly states: Map<string, string>;
  readonly listeners: Set<() => void>;
}

// By URL and app: several beats of one process share one, as they would share a server.
const all = new Map<string, Kept>();

function put(map: Map<string, string>, name: string, text: string | undefined): void {
  if (text === undefined) map.delete(name);
  else map.set(name, text);
}

export function open({ url, appName }: StoreOptions): ScheduleStore {
  const key = `${url} ${appName}`;
  const fresh: Kept = { lease: NO_LEASE, edits: 0, edited: new Map(), states: new Map(), listeners: new Set() };
  const kept = all.get(key) ?? fresh;
  all.set(key, kept);
  return {
    name: 'memory',
    url,
    database: url,
    look: async () => ({ lease: kept.lease, edits: kept.edits }),
    swapLease: async (expected, next) => {
      const swapped = isSameLease(kept.lease, expected);
      if (swapped) kept.lease = next;
      return { lease: kept.lease, edits: kept.edits, swapped };
    },
    load: async () => ({ edits: kept.edits, edited: new Map(kept.edited), states: new Map(kept.states) }),
    commit: async (token, changes, writes = []) => {
      if (kept.lease.token !== token) return false;
      for (const write of writes) (write as JointWrite & { readonly payload: () => void }).payload();
      for (const [name, text] of changes) put(kept.states, name, text);
      return true;
    },
    edit: async (name, expected, text) => {
      if (kept.edited.get(name) !== expected) return false;
      put(kept.edited, name, text);
      kept.edits++;
      for (const listener of [...kept.listeners]) listener();
      return true;
    },
    onEdit: (listener) => {
      kept.listeners.add(listener);
      return { [Symbol.dispose]: () => void kept.listeners.delete(listener) };
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}
