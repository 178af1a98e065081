// From the assignments of a Celery settings file to Lovage's settings: names, values, and what stays behind with the reason.
import {
  celeryName,
  contradiction,
  convert,
  effectNote,
  environmentName,
  readEntry,
  settingName,
  settingsTable,
} from '../../app/index.ts';
import { BROKER_SCHEMES } from '../../broker/index.ts';
import { knowsBackend } from '../../result/index.ts';
import { LovageError } from '../../util/index.ts';
import { readPython, type Unread } from './python.ts';

export interface Carried {
  readonly line: number;
  readonly from: string;
  readonly to: string;
  readonly value: unknown;
}

export interface Left {
  readonly line: number;
  readonly name: string;
  readonly reason: string;
}

export interface Upgrade {
  readonly carried: readonly Carried[];
  readonly left: readonly Left[];
  /** Names that are no settings of Celery's. */
  readonly others: readonly string[];
  /** Two settings of the result that do not go together. */
  readonly contradiction: string | undefined;
}

/** Old names, and new names with Django's prefix, beside Celery's own. */
const NAMES: ReadonlyMap<string, string> = new Map(
  [...settingsTable].flatMap(([name, { old }]) => {
    const celery = celeryName(name);
    if (celery === undefined) return [];
    const names = [celery, `CELERY_${celery.toUpperCase()}`, ...(old === undefined ? [] : [old])];
    return names.map((known) => [known, name] as const);
  }),
);

/** Begins like a name of Celery's: when it is unknown, that is worth a line. */
const LIKE_CELERY =
  /^(CELERY|BROKER_|CASSANDRA_|S3_|AZUREBLOCKBLOB_|GCS_|COSMOSDBSQL_|task_|worker_|broker_|result_|beat_|redis_|event_|control_|security_|database_|cache_|cassandra_|s3_|azureblockblob_|gcs_|firestore_|couchbase_|arangodb_|mongodb_|cosmosdbsql_|elasticsearch_|dynamodb_|override_backends)/;

/** Values that only Python can mean. */
const OF_PYTHON: Readonly<Record<string, string>> = {
  imports: 'it names Python modules: name your TypeScript modules in imports',
  include: 'it names Python modules: name your TypeScript modules in include',
};

const schemeOf = (url: string): string => (/^[^:]*/.exec(url)?.[0] ?? '').toLowerCase();

/** Names of Celery's programs for a store that Lovage has not: taken over, they would stop every command. */
const ELSEWHERE: Readonly<Record<string, (value: unknown) => string | undefined>> = {
  resultBackend: (value) =>
    typeof value !== 'string' || knowsBackend(value)
      ? undefined
      : `Lovage has no result store of the kind '${schemeOf(value)}': name another one (docs/backends.md), such as the Redis or the SQL database that is there already`,
  brokerUrl: (value) => {
    const unknown = [value].flat().find((url) => typeof url === 'string' && !BROKER_SCHEMES.includes(schemeOf(url)));
    return unknown === undefined
      ? undefined
      : `Lovage has no broker of the kind '${schemeOf(String(unknown))}': known are ${BROKER_SCHEMES.join(', ')}`;
  },
  beatScheduler: (value) =>
    /^(django_celery_beat|redbeat)/.test(String(value))
      ? 'its entries lie in a store of its own, which Lovage does not read: bring them over with lovage schedule add, or write them into beatSchedule'
      : undefined,
};

function absent(name: string): string {
  const plain = name.replace(/^CELERY_/, '');
  for (const given of [name, plain, plain.toLowerCase()]) {
    try {
      settingName(given);
    } catch (error) {
      const [, reason] = /Celery has it, Lovage does not: (.*?)\. Take it out/.exec((error as Error).message) ?? [];
      if (reason !== undefined) return reason;
    }
  }
  return 'it is no setting that Celery 5 or Lovage knows';
}

function checkedEntries(schedule: unknown): void {
  for (const [name, entry] of Object.entries(schedule as Readonly<Record<string, never>>)) readEntry(name, entry);
}

/** The value as Lovage has it. Throws with the reason where it has none. */
function carriedValue(name: string, value: unknown, origin: string): unknown {
  const row = settingsTable.get(name);
  if (row === undefined) return value;
  const converted = convert(name, row, value, origin);
  if (name === 'beatSchedule') checkedEntries(converted);
  return converted;
}

function cured({ line, name, reason }: Unread): Left {
  const own = NAMES.get(name);
  const isEnvironment = reason.startsWith('it comes from the environment');
  return {
    line,
    name,
    reason: own !== undefined && isEnvironment ? `${reason}: set ${environmentName(own)} there instead` : reason,
  };
}

/** What becomes of a file. Throws PythonSyntaxError. */
export function upgradeSettings(source: string): Upgrade {
  const { assignments, unread } = readPython(source);
  const carried = new Map<string, Carried>();
  // Of other names of the file only those that look like Celery's are worth a word; a block may hold any.
  const left: Left[] = unread.filter(({ name }) => /\W/.test(name) || NAMES.has(name) || LIKE_CELERY.test(name)).map(cured);
  const others = unread
    .filter(({ name }) => !/\W/.test(name) && !NAMES.has(name) && !LIKE_CELERY.test(name))
    .map(({ name }) => name);
  for (const { name: from, value, line } of assignments) {
    const to = NAMES.get(from);
    const row = to === undefined ? undefined : settingsTable.get(to);
    const leave = (reason: string): void => void left.push({ line, name: from, reason });
    if (to === undefined || row === undefined) {
      if (LIKE_CELERY.test(from)) leave(absent(from));
      else others.push(from);
      continue;
    }
    if (OF_PYTHON[to] !== undefined) {
      leave(OF_PYTHON[to]);
      continue;
    }
    const elsewhere = ELSEWHERE[to]?.(value);
    if (elsewhere !== undefined) {
      leave(elsewhere);
      continue;
    }
    const note = effectNote(row);
    if (note !== undefined) {
      leave(note.replace(/\.$/, ''));
      continue;
    }
    try {
      carried.set(to, { line, from, to, value: carriedValue(to, value, `line ${line}`) });
    } catch (error) {
      if (!(error instanceof LovageError)) throw error;
      leave(error.message.replace(/\.$/, ''));
    }
  }
  const settings = Object.fromEntries([...settingsTable].map(([name, { default: value }]) => [name, value]));
  for (const { to, value } of carried.values()) settings[to] = value;
  return {
    carried: [...carried.values()],
    left: left.toSorted((a, b) => a.line - b.line),
    others,
    contradiction: contradiction(settings as unknown as Parameters<typeof contradiction>[0]),
  };
}
