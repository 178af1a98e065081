// A result backend over any key/value store (kv.ts), under Celery's keys. Called by the drivers of such stores, and by users for theirs.
import { groupKey, keyPrefix, resultKey } from '../protocol/index.ts';
import type { GroupStore, StoredGroup } from './group-seam.ts';
import type { KeyValue, KeyValueStore, Seen } from './kv.ts';
import { createKeyWatch } from './kv-watch.ts';
import { eachOf, inWords, patient } from './patience.ts';
import { DEFAULT_RETRY, type RetryPolicy } from './retry.ts';
import { isStored, mayStore } from './rules.ts';
import type { BackendOptions, Fenced, ResultBackend, StoredResult } from './seam.ts';
import { stateOf } from './sniff.ts';

/** Conditional writes under way at a time. */
const MAX_SWAPS = 32;
/** Seconds between two looks of a wait, as Celery's (`AsyncResult.get(interval=0.5)`). */
export const POLL_INTERVAL = 0.5;

/** How a store is made a backend. */
export interface KeyValueBackendOptions {
  /** The app's setting resultExpires, in seconds: what `cleanup` goes by. */
  readonly expires?: number | undefined;
  /** Stands before every key, with `_` behind it unless it ends in punctuation. */
  readonly globalKeyprefix?: string | undefined;
  /** Seconds between two looks of a wait. @default 0.5 */
  readonly pollInterval?: number | undefined;
  /** When calls to a store that is away are repeated. @default without end, for 20 seconds */
  readonly retry?: RetryPolicy | undefined;
}

/** The options that every key/value driver knows beside its own, for readOptionNames. */
export const KEY_VALUE_OPTIONS: readonly string[] = ['globalKeyprefix', 'pollInterval'];

/** Those options out of what an app gives. */
export function keyValueOptions(
  { expires, retry }: Pick<BackendOptions, 'expires' | 'retry'>,
  { globalKeyprefix, pollInterval }: Readonly<Record<string, unknown>>,
): KeyValueBackendOptions {
  return {
    expires,
    retry,
    globalKeyprefix: globalKeyprefix === undefined ? undefined : String(globalKeyprefix),
    pollInterval: pollInterval === undefined ? undefined : Number(pollInterval),
  };
}

/** Makes a result backend of a store; disposing the one disposes the other. */
export function keyValueBackend(store: KeyValueStore, options: KeyValueBackendOptions = {}): ResultBackend {
  const prefix = keyPrefix(options.globalKeyprefix);
  const keys = {
    meta: (id: string) => resultKey(id, prefix),
    group: (id: string) => groupKey(id, prefix),
    fence: (id: string) => `${prefix}lovage-fence-${id}`,
  };
  const hasFence = store.swap?.guards === 'all';
  const closing = new AbortController();
  const patiently = <T>(call: () => Promise<T>): Promise<T> =>
    patient(call, { name: store.name, policy: options.retry ?? DEFAULT_RETRY, closing: closing.signal });

  async function get(ids: readonly string[]): Promise<ReadonlyMap<string, StoredResult>> {
    if (ids.length === 0) return new Map();
    const found = await patiently(() => store.get(ids.map(keys.meta)));
    return new Map(ids.flatMap((id) => resultsOf(id, found.get(keys.meta(id)))));
  }

  /** What is there now of some results: the record and, where there are fences, the fence. */
  async function look(ids: readonly string[]): Promise<(id: string) => Seen> {
    const wanted = ids.flatMap((id) => (hasFence ? [keys.meta(id), keys.fence(id)] : [keys.meta(id)]));
    const found = await patiently(() => store.get(wanted));
    return (id) => {
      const meta: readonly [string, KeyValue | undefined] = [keys.meta(id), found.get(keys.meta(id))];
      return new Map(hasFence ? [meta, [keys.fence(id), found.get(keys.fence(id))]] : [meta]);
    };
  }

  function verdict(result: StoredResult, seen: Seen): 'write' | 'stored' | 'refused' {
    const there = new Map(resultsOf(result.id, seen.get(keys.meta(result.id))));
    if (mayStore(result, there.get(result.id), numberOf(seen.get(keys.fence(result.id))))) return 'write';
    return isStored(result, there) ? 'stored' : 'refused';
  }

  const writeOf = ({ id, body, expires }: StoredResult) => ({ key: keys.meta(id), value: body, expires });

  /** Stores one result if nothing changes meanwhile, or looks again. */
  async function swap(result: StoredResult, first: Seen): Promise<boolean> {
    for (let seen = first; ; seen = (await look([result.id]))(result.id)) {
      const decided = verdict(result, seen);
      if (decided !== 'write') return decided === 'stored';
      if (await patiently(async () => store.swap?.try(writeOf(result), seen))) return true;
    }
  }

  /** Stores results of different ids; gives the ids that were refused. */
  async function putSome(results: readonly StoredResult[]): Promise<readonly string[]> {
    const seenOf = await look(results.map(({ id }) => id));
    if (store.swap !== undefined) {
      const stored = await eachOf(results, MAX_SWAPS, (result) => swap(result, seenOf(result.id)));
      return results.filter((_, index) => !stored[index]).map(({ id }) => id);
    }
    const decided = results.map((result) => verdict(result, seenOf(result.id)));
    const writes = results.filter((_, index) => decided[index] === 'write').map(writeOf);
    if (writes.length > 0) await patiently(() => store.set(writes));
    return results.filter((_, index) => decided[index] === 'refused').map(({ id }) => id);
  }

  async function put(results: readonly StoredResult[]): Promise<readonly string[]> {
    const refused: string[] = [];
    for (const wave of waves(results)) refused.push(...(await putSome(wave)));
    watch.written(results.map(({ id }) => id));
    return refused;
  }

  async function fence(id: string, attempt: number, expires: number | undefined): Promise<Fenced> {
    for (;;) {
      const seen = (await look([id]))(id);
      const highest = Math.max(attempt, numberOf(seen.get(keys.fence(id))) ?? 0);
      const write = { key: keys.fence(id), value: Buffer.from(String(highest)), expires };
      if (!(await patiently(async () => store.swap?.try(write, seen)))) continue;
      const [result] = resultsOf(id, seen.get(keys.meta(id)));
      return { stored: result?.[1], attempt: highest };
    }
  }

  const groups: GroupStore = {
    put: (saved) =>
      patiently(() => store.set(saved.map(({ id, body, expires }) => ({ key: keys.group(id), value: body, expires })))),
    get: async (ids) => {
      const found = ids.length === 0 ? new Map<string, KeyValue>() : await patiently(() => store.get(ids.map(keys.group)));
      return new Map(ids.flatMap((id) => groupsOf(id, found.get(keys.group(id)))));
    },
    delete: async (ids) => {
      if (ids.length > 0) await patiently(() => store.delete(ids.map(keys.group)));
    },
  };

  /** Who is first leaves its mark, so that nobody else is, and so that it is again when its message comes once more. */
  async function adoptChord(groupId: string, member: string): Promise<Uint8Array | undefined> {
    const [counter, mark] = [`${prefix}chord-unlock-${groupId}`, `${prefix}lovage-unlock-${groupId}`];
    const found = await patiently(() => store.get([counter, keys.group(groupId), mark]));
    const group = found.get(keys.group(groupId));
    if (!found.has(counter) || group === undefined) return undefined;
    const first = found.get(mark);
    if (first !== undefined) return Buffer.from(first.value).toString() === member ? group.value : undefined;
    const write = { key: mark, value: Buffer.from(member), expires: options.expires };
    const isFirst = await patiently(async () => store.swap?.try(write, new Map([[mark, undefined]])));
    return isFirst === true ? group.value : undefined;
  }

  const watch = createKeyWatch({
    interval: options.pollInterval ?? POLL_INTERVAL,
    read: async (ids) => (await get(ids)).values(),
    changes: store.changes && ((heard) => store.changes?.((changed) => heard(changed.flatMap(idsOf)))),
  });
  const start = keys.meta('');
  const idsOf = (key: string): readonly string[] => (key.startsWith(start) ? [key.slice(start.length)] : []);

  const { cleanup } = store;
  const { expires } = options;
  const prefixes = [start, keys.group(''), `${prefix}chord-unlock-`, keys.fence('')];
  return {
    name: store.name,
    url: store.url,
    features: { persistent: true, fence: hasFence, autoExpire: store.autoExpire, states: true },
    put: (results) => (results.length === 0 ? Promise.resolve([]) : put(results)),
    get,
    watch: (ids, signal) => watch.watchers.watch(ids, signal),
    listen: (ids, receiver) => watch.watchers.listen(ids, receiver),
    forget: async (ids) => {
      const all = ids.flatMap((id) => (hasFence ? [keys.meta(id), keys.fence(id)] : [keys.meta(id)]));
      if (all.length > 0) await patiently(() => store.delete(all));
    },
    groups,
    ...(hasFence ? { fence } : {}),
    ...(store.celeryCounts === true ? { adoptChord } : {}),
    ...(cleanup === undefined
      ? {}
      : { cleanup: async () => (expires === undefined ? 0 : patiently(() => cleanup.call(store, prefixes, expires))) }),
    check: async (signal) => {
      await inWords(store.name, () => store.check(signal));
    },
    [Symbol.asyncDispose]: async () => {
      if (closing.signal.aborted) return;
      closing.abort();
      watch.close();
      await store[Symbol.asyncDispose]();
    },
  };
}

/** A store that keeps only bytes: what they say is sniffed, their type is the app's own. */
function resultsOf(id: string, found: KeyValue | undefined): readonly (readonly [string, StoredResult])[] {
  if (found === undefined) return [];
  const { value: body } = found;
  return [[id, { id, state: stateOf(body), body, contentType: '', contentEncoding: '', attempt: 1 }]];
}

function groupsOf(id: string, found: KeyValue | undefined): readonly (readonly [string, StoredGroup])[] {
  return found === undefined ? [] : [[id, { id, body: found.value, contentType: '', contentEncoding: '' }]];
}

function numberOf(found: KeyValue | undefined): number | undefined {
  const number = found === undefined ? Number.NaN : Number(Buffer.from(found.value).toString('latin1'));
  return Number.isSafeInteger(number) ? number : undefined;
}

/** The same results in calls in which no id comes twice: the states of a task follow each other. */
function waves(results: readonly StoredResult[]): readonly (readonly StoredResult[])[] {
  const all: StoredResult[][] = [];
  const count = new Map<string, number>();
  for (const result of results) {
    const turn = count.get(result.id) ?? 0;
    count.set(result.id, turn + 1);
    const wave = all[turn];
    if (wave === undefined) all.push([result]);
    else wave.push(result);
  }
  return all;
}
