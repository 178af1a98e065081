// The entries that the code of an app adds with `addPeriodicTask`: like those of the setting beatSchedule, and with names of their own.
import { readOptions, type SignatureLike } from '../../task/index.ts';
import { ConfigurationError } from '../../util/index.ts';
import { type BeatEntry, readEntry, type ScheduleEntry } from './entry.ts';
import type { ScheduleLike } from './schedules.ts';

/** What `addPeriodicTask` takes beside schedule and task: everything that an entry has. */
export interface PeriodicOptions extends Omit<BeatEntry, 'task' | 'schedule'> {
  /** @default made of the task and its arguments */
  readonly name?: string;
}

/** The task of a periodic call: a signature, a task, or a name. */
export type PeriodicTask = SignatureLike | { readonly name: string } | string;

const isSignature = (task: PeriodicTask): task is SignatureLike => typeof task !== 'string' && 'toWire' in task;

/** The entries of the settings and of the code of an app. Read anew at each change of the settings. */
export class Periodic {
  readonly #added = new Map<string, ScheduleEntry>();

  /** Adds an entry; answers its name. Throws ConfigurationError for one that is there. */
  add(schedule: ScheduleLike, task: PeriodicTask, { name, ...given }: PeriodicOptions): string {
    const called = isSignature(task) ? signed(task, given) : { ...given, task };
    const key = name ?? this.#ownName(called);
    if (this.#added.has(key))
      throw new ConfigurationError(
        `There is a periodic task '${key}' already. Give one of them another name: addPeriodicTask(schedule, task, { name: '…' }).`,
      );
    this.#added.set(key, readEntry(key, { ...called, schedule }));
    return key;
  }

  /** All entries by name, those of the code over those of the setting, and what is wrong with the others. */
  entries(beatSchedule: Readonly<Record<string, unknown>>): {
    readonly entries: ReadonlyMap<string, ScheduleEntry>;
    readonly wrong: readonly { readonly name: string; readonly error: Error }[];
  } {
    const entries = new Map<string, ScheduleEntry>();
    const wrong: { readonly name: string; readonly error: Error }[] = [];
    for (const [name, value] of Object.entries(beatSchedule)) {
      try {
        entries.set(name, readEntry(name, value));
      } catch (error) {
        wrong.push({ name, error: error instanceof Error ? error : new Error(String(error)) });
      }
    }
    for (const [name, entry] of this.#added) entries.set(name, entry);
    return { entries, wrong };
  }

  /** The call as Python would write it; the second of the same call gets a number. */
  #ownName({ task, args = [], kwargs = {} }: Omit<BeatEntry, 'schedule'>): string {
    const named = Object.entries(kwargs).map(([key, value]) => `${key}=${shown(value)}`);
    const call = `${typeof task === 'string' ? task : task.name}(${[...args.map(shown), ...named].join(', ')})`;
    let name = call;
    for (let count = 2; this.#added.has(name); count++) name = `${call} #${count}`;
    return name;
  }
}

function shown(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

/** A signature with more arguments before its own, as a callback would get them. */
function signed(task: SignatureLike, given: Omit<BeatEntry, 'task' | 'schedule'>): Omit<BeatEntry, 'schedule'> {
  const wire = task.toWire();
  if (wire.subtask_type !== null && wire.subtask_type !== undefined)
    throw new ConfigurationError(`A ${wire.subtask_type} cannot be a periodic task: declare a task that sends it.`);
  return {
    ...given,
    task: wire.task,
    args: [...(given.args ?? []), ...wire.args],
    kwargs: { ...(wire.kwargs as Readonly<Record<string, unknown>>), ...given.kwargs },
    options: { ...readOptions(wire.options), ...given.options },
  };
}
