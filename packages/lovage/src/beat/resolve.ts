// All entries that count: those of the settings and of the code, then what people changed at run time.
import { type Lovage, readEntry, type ScheduleEntry } from '../app/index.ts';
import { SignatureRefusedError } from '../util/index.ts';
import { editsOf } from './edits.ts';
import type { EntryEdit } from './state.ts';

/** An entry and where it comes from. */
export interface Resolved {
  readonly entry: ScheduleEntry;
  /** `code`: settings and addPeriodicTask. `store`: added at run time. */
  readonly source: 'code' | 'store';
  /** When it was switched on again, epoch milliseconds. */
  readonly since?: number | undefined;
}

/** An entry that cannot be used, and why. */
export interface WrongEntry {
  readonly name: string;
  readonly error: Error;
}

export interface Entries {
  readonly entries: ReadonlyMap<string, Resolved>;
  /** They are left out. */
  readonly wrong: readonly WrongEntry[];
  /** Entries of the code that somebody wanted to change who may not: they are as the code has them. */
  readonly untouched: readonly WrongEntry[];
}

const CLEANUP = 'celery.backend_cleanup';

/** Deletes expired results each night, where the store does not do so by itself. */
async function cleanupEntry(app: Lovage): Promise<ScheduleEntry | undefined> {
  const { resultExpires } = app.settings;
  if (resultExpires === null || resultExpires === 0) return undefined;
  const { cleanup, features } = await app.openBackend();
  if (cleanup === undefined || features.autoExpire === true) return undefined;
  return readEntry(CLEANUP, { task: CLEANUP, schedule: '0 4 * * *', options: { expires: 43_200 } });
}

/** The entries of the settings and of the code. */
async function ownEntries(app: Lovage): Promise<{ entries: Map<string, ScheduleEntry>; wrong: WrongEntry[] }> {
  const { entries, wrong } = app.periodicTasks;
  const own = new Map(entries);
  const cleanup = own.has(CLEANUP) ? undefined : await cleanupEntry(app);
  if (cleanup !== undefined) own.set(CLEANUP, cleanup);
  return { entries: own, wrong: [...wrong] };
}

/** Reads everything that is scheduled for an app. `edited` is what its store keeps of edits. */
export async function resolveEntries(app: Lovage, edited: ReadonlyMap<string, string>): Promise<Entries> {
  const { entries: own, wrong } = await ownEntries(app);
  const entries = new Map<string, Resolved>();
  const untouched: WrongEntry[] = [];
  const edits = editsOf(app);
  for (const [name, entry] of own) entries.set(name, { entry, source: 'code' });
  for (const [name, text] of edited) {
    try {
      const edit = edits.read(name, text);
      if (edit === undefined) throw new Error('What the schedule store keeps of it cannot be read: remove it and add it again.');
      const resolved = changed(entries.get(name), name, edit);
      if (resolved !== undefined) entries.set(name, resolved);
    } catch (error) {
      const list = own.has(name) && error instanceof SignatureRefusedError ? untouched : wrong;
      list.push({ name, error: error instanceof Error ? error : new Error(String(error)) });
    }
  }
  return { entries, wrong, untouched };
}

/** An entry of the code goes before one of the same name that was added; an edit of one that is gone means nothing. */
function changed(own: Resolved | undefined, name: string, { entry: added, enabled, since }: EntryEdit): Resolved | undefined {
  const base = own ?? (added === undefined ? undefined : { entry: readEntry(name, added), source: 'store' as const });
  if (base === undefined || enabled === undefined) return base;
  return { ...base, since, entry: { ...base.entry, enabled } };
}
