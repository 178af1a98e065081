// The settings table, whole: every setting that exists, in the order of the docs page, and the ways to find one by a name.
import { isDeepStrictEqual } from 'node:util';
import { ConfigurationError, didYouMean } from '../../util/index.ts';
import { absentSettings } from './absent.ts';
import { brokerSettings } from './broker.ts';
import { generalSettings } from './general.ts';
import { resultSettings } from './result.ts';
import type { SettingRow, SettingRows } from './row.ts';
import { taskSettings } from './task.ts';
import type { Settings } from './types.ts';
import { workerSettings } from './worker.ts';

/** The parts of the table, by the title that the docs page gives them. */
export const settingParts: Readonly<Record<string, SettingRows>> = {
  'Application, security and beat': generalSettings,
  'Broker, remote control and events': brokerSettings,
  'Tasks, queues and routes': taskSettings,
  Results: resultSettings,
  Workers: workerSettings,
};

/** Every setting by its camelCase name. */
export const settingsTable: ReadonlyMap<string, SettingRow> = new Map(
  Object.values(settingParts).flatMap((part) => Object.entries(part)),
);

/** `taskAcksLate` → `task_acks_late`. */
export function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Celery's name of a setting, or undefined for Lovage's own. */
export function celeryName(name: string): string | undefined {
  const row = settingsTable.get(name);
  return row?.celery === null ? undefined : (row?.celery ?? snakeCase(name));
}

/** The environment variable of a setting. */
export function environmentName(name: string): string {
  return `LOVAGE_${snakeCase(name).toUpperCase()}`;
}

/** Why a setting does nothing, as the end of its description; undefined for those that work. */
export function effectNote({ later, ignored }: SettingRow): string | undefined {
  if (ignored !== undefined) return `No effect here: ${ignored}.`;
  return later === undefined ? undefined : `No effect yet: belongs to ${later}, which is still to come.`;
}

/** A line for each setting that was given a value although it does nothing (`effectNote`). */
export function idleSettings(settings: Settings): readonly string[] {
  return [...settingsTable].flatMap(([name, row]) => {
    const note = effectNote(row);
    const isSet = note !== undefined && !isDeepStrictEqual(settings[name as keyof Settings], row.default);
    return isSet ? [`The setting ${name} is set. ${note}`] : [];
  });
}

const bySnake = new Map([...settingsTable.keys()].map((name) => [snakeCase(name), name]));
// Read at every start: the names are not worked out once more.
const byEnvironment = new Map([...bySnake].map(([snake, name]) => [`LOVAGE_${snake.toUpperCase()}`, name]));
const byOld = new Map<string, string>();
for (const [name, row] of settingsTable) if (row.old !== undefined) byOld.set(row.old, name);

/** The setting behind an environment variable, if there is one. */
export function settingOfEnvironment(variable: string): string | undefined {
  return byEnvironment.get(variable);
}

/** The canonical name behind a camelCase or snake_case name. Throws ConfigurationError with a hint for anything else. */
export function settingName(given: string): string {
  if (settingsTable.has(given)) return given;
  const name = bySnake.get(given);
  if (name !== undefined) return name;
  throw new ConfigurationError(`Unknown setting '${given}'.${hint(given)}`);
}

function hint(given: string): string {
  const renamed = byOld.get(given) ?? bySnake.get(given.replace(/^(CELERYD|CELERY|LOVAGE)_/, '').toLowerCase());
  if (renamed !== undefined && given === given.toUpperCase()) return ` It is called '${renamed}' now: rename it.`;
  const lower = snakeCase(given.toUpperCase() === given ? given.toLowerCase() : given);
  const absent = absentSettings.find(([start]) =>
    start.endsWith('_') ? lower.startsWith(start) : lower === start || lower === `${start}_type`,
  );
  if (absent !== undefined) return ` Celery has it, Lovage does not: ${absent[1]}. Take it out of the configuration.`;
  const known = given.includes('_') ? bySnake.keys() : settingsTable.keys();
  return didYouMean(given, known) || ' docs/settings.md lists all settings.';
}
