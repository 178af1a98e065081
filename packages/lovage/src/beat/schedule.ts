// The schedule of an app as people see and change it, from anywhere: `lovage schedule`, or a program of your own. The beat that leads
// follows within a second; without one, the next that starts does.
import {
  type BeatEntry,
  currentValue,
  type Lovage,
  readEntry,
  type ScheduleEntry,
  scheduleText,
  storableEntry,
} from '../app/index.ts';
import type { AsyncResult } from '../result/index.ts';
import { BackendError, ConfigurationError, didYouMean, LovageError, reasonOf, SignatureRefusedError } from '../util/index.ts';
import { editsOf } from './edits.ts';
import { dueTimes } from './next.ts';
import { openScheduleStore, type StoreChoice } from './open.ts';
import { plan, sendTime } from './plan.ts';
import { type Resolved, resolveEntries } from './resolve.ts';
import { freshState, nowOf, zoneName } from './roster.ts';
import { type EntryEdit, type EntryState, readState } from './state.ts';
import type { ScheduleStore } from './store.ts';

/** An entry that is added at run time: all that an entry of the settings has, but code. */
export type NewEntry = BeatEntry;

/** An entry as it stands. */
export interface ScheduledEntry {
  readonly name: string;
  readonly task: string;
  /** In words. */
  readonly schedule: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly options: Readonly<Record<string, unknown>>;
  readonly enabled: boolean;
  /** `code`: of the settings or of `addPeriodicTask`. `store`: added at run time. */
  readonly source: 'code' | 'store';
  readonly lastRunAt: Date | undefined;
  /** undefined: it is paused, or over. */
  readonly nextRunAt: Date | undefined;
  readonly totalRuns: number;
  /** Why it cannot be used. */
  readonly error: string | undefined;
}

/** A handle on the schedule; dispose it. */
export interface ScheduleHandle extends AsyncDisposable {
  /** Address of the store, passwords masked. */
  readonly store: string;
  /** All entries, by name; those that cannot be used say why. */
  list(): Promise<readonly ScheduledEntry[]>;
  /** Throws ConfigurationError for an entry that is wrong, or whose name is taken. */
  add(name: string, entry: NewEntry): Promise<void>;
  /** No runs until it is resumed. Throws ConfigurationError for an unknown name. */
  pause(name: string): Promise<void>;
  /** Runs again from now on; what was not run meanwhile was not missed. */
  resume(name: string): Promise<void>;
  /** Sends its task now, beside its schedule. */
  run(name: string): Promise<AsyncResult<unknown>>;
  /** Its next due times. */
  next(name: string, count?: number): Promise<readonly Date[]>;
  /** Only entries that were added at run time can be removed. */
  remove(name: string): Promise<void>;
}

interface Known {
  readonly entries: ReadonlyMap<string, Resolved>;
  readonly wrong: readonly { readonly name: string; readonly error: Error }[];
  readonly edited: ReadonlyMap<string, string>;
  readonly states: ReadonlyMap<string, EntryState>;
}

/** Opens the schedule of an app, whose task modules should be loaded by then. */
export async function openSchedule(app: Lovage, choice: StoreChoice = {}): Promise<ScheduleHandle> {
  const store = await openScheduleStore(app, choice);
  const now = (): number => nowOf(app);
  const edits = editsOf(app);

  async function load(): ReturnType<ScheduleStore['load']> {
    try {
      return await store.load();
    } catch (error) {
      if (!(error instanceof LovageError) || !error.transient) throw error;
      throw new BackendError(`The schedule store ${store.url} cannot be reached: ${reasonOf(error)}.`, {
        cause: error,
        transient: true,
      });
    }
  }

  async function look(): Promise<Known> {
    const { edited, states } = await load();
    const read = [...states].flatMap(([name, text]) => {
      const state = readState(text);
      return state === undefined ? [] : ([[name, state]] as const);
    });
    return { ...(await resolveEntries(app, edited)), edited, states: new Map(read) };
  }

  async function find(name: string): Promise<{ readonly known: Known; readonly resolved: Resolved }> {
    const known = await look();
    const resolved = known.entries.get(name);
    if (resolved === undefined) throw unknownEntry(name, known);
    return { known, resolved };
  }

  /** What is overdue and will be sent, as the policy for missed runs has it, and then what comes. */
  function upcoming(resolved: Resolved, stored: EntryState | undefined, count: number): readonly Date[] {
    const { entry, since } = resolved;
    const [zone, at] = [zoneName(app), now()];
    const state = stored ?? freshState(resolved, zone, at, app.settings.beatMisfireGrace);
    const left = Math.min(count, (entry.maxRuns ?? Number.POSITIVE_INFINITY) - state.totalRuns);
    if (!entry.enabled || left <= 0) return [];
    const times = dueTimes(entry, zone);
    const begun = { ...state, lastDue: Math.max(state.lastDue, since ?? 0) };
    const { runs, lastDue } = plan({ entry, times, state: begun }, app.name, app.settings, at);
    const due = runs.map((run) => run.due);
    let last: number | undefined = lastDue;
    while (due.length < left) {
      last = times.next(last, at);
      if (last === undefined) break;
      due.push(last);
    }
    return due.slice(0, left).map((time) => new Date(sendTime(app.name, entry, time)));
  }

  function describe(resolved: Resolved, state: EntryState | undefined): ScheduledEntry {
    const { entry, source } = resolved;
    const [nextRunAt] = upcoming(resolved, state, 1);
    return {
      ...plainParts(entry),
      source,
      lastRunAt: state?.lastRunAt === undefined ? undefined : new Date(state.lastRunAt),
      nextRunAt,
      totalRuns: state?.totalRuns ?? 0,
      error: undefined,
    };
  }

  async function write(name: string, expected: string | undefined, edit: EntryEdit | undefined): Promise<void> {
    if (await store.edit(name, expected, edit === undefined ? undefined : edits.write(name, edit))) return;
    throw new ConfigurationError(
      `Somebody else changed the schedule entry '${name}' at the same time: look at it and try again.`,
    );
  }

  /** What was not signed by whoever may is written over. */
  function readBefore(name: string, text: string | undefined): EntryEdit {
    try {
      return (text === undefined ? undefined : edits.read(name, text)) ?? {};
    } catch (error) {
      if (error instanceof SignatureRefusedError) return {};
      throw error;
    }
  }

  async function switchTo(name: string, enabled: boolean): Promise<void> {
    const { known } = await find(name);
    const text = known.edited.get(name);
    const edit: EntryEdit = { ...readBefore(name, text), enabled, ...(enabled ? { since: now() } : {}) };
    await write(name, text, edit);
  }

  return {
    store: store.url,
    list: async () => {
      const { entries, wrong, states } = await look();
      const good = [...entries].map(([name, resolved]) => {
        try {
          return describe(resolved, states.get(name));
        } catch (error) {
          // Such as a schedule of one's own that fails, or the sun without its package.
          return broken({ name, error: error instanceof Error ? error : new Error(String(error)) });
        }
      });
      return [...good, ...wrong.map(broken)].sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    add: async (name, given) => {
      if (name === '') throw new ConfigurationError('A schedule entry needs a name.');
      const entry = readEntry(name, given);
      const { entries, edited } = await look();
      if (entries.has(name) || edited.has(name))
        throw new ConfigurationError(`There is a schedule entry '${name}' already. Remove it first, or take another name.`);
      const begins = { ...entry, lastRunAt: entry.lastRunAt ?? now() };
      // Says what is wrong with it before anybody relies on it.
      dueTimes(begins, zoneName(app)).next(begins.lastRunAt, now());
      await write(name, undefined, { entry: storableEntry(begins) });
    },
    pause: (name) => switchTo(name, false),
    resume: (name) => switchTo(name, true),
    run: async (name) => {
      const { resolved } = await find(name);
      const { task, args, kwargs, options } = resolved.entry;
      const made = Object.fromEntries(Object.entries(kwargs).map(([key, value]) => [key, currentValue(value)]));
      return app.sendTask(task, { ...options, args: args.map(currentValue), kwargs: made });
    },
    next: async (name, count = 1) => {
      const { known, resolved } = await find(name);
      return upcoming(resolved, known.states.get(name), count);
    },
    remove: async (name) => {
      const { entries, edited, ...rest } = await look();
      const text = edited.get(name);
      if (entries.get(name)?.source === 'code')
        throw new ConfigurationError(
          `The schedule entry '${name}' is in the settings or the code of the app: take it out there, or pause it.`,
        );
      if (text === undefined) throw unknownEntry(name, { entries, edited, ...rest });
      await write(name, text, undefined);
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

function unknownEntry(name: string, { entries, wrong }: Known): ConfigurationError {
  const why = wrong.find((each) => each.name === name);
  if (why !== undefined) return new ConfigurationError(`The schedule entry '${name}' cannot be used: ${why.error.message}`);
  return new ConfigurationError(
    `There is no schedule entry '${name}'.${didYouMean(name, entries.keys())} \`lovage schedule list\` shows all.`,
  );
}

function plainParts(
  entry: ScheduleEntry,
): Pick<ScheduledEntry, 'name' | 'task' | 'schedule' | 'args' | 'kwargs' | 'options' | 'enabled'> {
  const { name, task, schedule, args, kwargs, options, enabled } = entry;
  return { name, task, schedule: scheduleText(schedule), args, kwargs, options: { ...options }, enabled };
}

function broken({ name, error }: { readonly name: string; readonly error: Error }): ScheduledEntry {
  return {
    ...{ name, task: '', schedule: '', args: [], kwargs: {}, options: {}, enabled: false, source: 'code' },
    ...{ lastRunAt: undefined, nextRunAt: undefined, totalRuns: 0, error: error.message },
  };
}
