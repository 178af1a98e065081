// Where settings come from besides code: records with or without a prefix, the environment, the command line.
// Each source answers with canonical names and converted values, and says where each value came from.
import { ConfigurationError, didYouMean, logger } from '../util/index.ts';
import { convert, environmentName, settingName, settingOfEnvironment, settingsTable } from './settings.ts';

/** Settings of one source: canonical name → converted value, with the words for error messages. */
export type Layer = ReadonlyMap<string, { readonly value: unknown; readonly origin: string }>;

/** Celery's environment names that work here too; Lovage's own names win over them. */
const CELERY_VARIABLES: readonly (readonly [variable: string, name: string])[] = [
  ['CELERY_BROKER_URL', 'brokerUrl'],
  ['CELERY_BROKER_READ_URL', 'brokerReadUrl'],
  ['CELERY_BROKER_WRITE_URL', 'brokerWriteUrl'],
  ['CELERY_RESULT_BACKEND', 'resultBackend'],
];

/** LOVAGE_ variables that are no settings. */
const OTHER_VARIABLES = new Set(['LOVAGE_APP', 'LOVAGE_CONFIG', 'LOVAGE_INIT', 'LOVAGE_NODE', 'LOVAGE_RDBSIG', 'LOVAGE_SLOT']);

/** A program reads these LOVAGE_ variables itself: one that is no setting as well is passed over without a warning. */
export function claimEnvironment(variables: Iterable<string>): void {
  for (const variable of variables) if (settingOfEnvironment(variable) === undefined) OTHER_VARIABLES.add(variable);
}

/** One converted setting. */
export function convertSetting(given: string, value: unknown, origin: string): readonly [name: string, value: unknown] {
  const name = settingName(given);
  const row = settingsTable.get(name);
  return [name, row === undefined ? value : convert(name, row, value, origin)];
}

/** A record of settings, as given in code or exported by a file. `undefined` means not given. */
export function recordLayer(record: Readonly<Record<string, unknown>>, origin: string): Layer {
  const layer = new Map<string, { value: unknown; origin: string }>();
  for (const [given, value] of Object.entries(record)) {
    if (value === undefined) continue;
    const [name, converted] = convertSetting(given, value, origin);
    if (layer.has(name)) {
      throw new ConfigurationError(`${origin} gives the setting ${name} twice, in two spellings. Keep one.`);
    }
    layer.set(name, { value: converted, origin });
  }
  return layer;
}

/** A record that holds other things too: only keys with the prefix count, and bare names of settings (which the prefixed ones beat). */
export function namespaceLayer(record: Readonly<Record<string, unknown>>, namespace: string, origin: string): Layer {
  const bare = new Map<string, { value: unknown; origin: string }>();
  const prefixed = new Map<string, { value: unknown; origin: string }>();
  for (const [key, value] of Object.entries(record)) {
    if (value === undefined) continue;
    const rest = withoutPrefix(key, namespace);
    if (rest === undefined && !isSetting(key)) continue;
    const [name, converted] = convertSetting(rest ?? key, value, `${origin} (${key})`);
    (rest === undefined ? bare : prefixed).set(name, { value: converted, origin: `${origin} (${key})` });
  }
  return new Map([...bare, ...prefixed]);
}

function isSetting(key: string): boolean {
  try {
    settingName(key);
    return true;
  } catch {
    return false;
  }
}

function withoutPrefix(key: string, namespace: string): string | undefined {
  if (key.startsWith(`${namespace}_`)) {
    const rest = key.slice(namespace.length + 1);
    return namespace === namespace.toUpperCase() ? rest.toLowerCase() : rest;
  }
  const next = key.charAt(namespace.length);
  if (!key.startsWith(namespace) || next === '' || next !== next.toUpperCase() || next === next.toLowerCase()) return undefined;
  return next.toLowerCase() + key.slice(namespace.length + 1);
}

/** Settings from environment variables. */
export function environmentLayer(environment: Readonly<Record<string, string | undefined>>): Layer {
  const layer = new Map<string, { value: unknown; origin: string }>();
  const add = (variable: string, given: string): void => {
    const text = environment[variable];
    if (text === undefined || text === '') return;
    const origin = `the environment variable ${variable}`;
    const [name, value] = convertSetting(given, text, origin);
    layer.set(name, { value, origin });
  };
  for (const [variable, name] of CELERY_VARIABLES) add(variable, name);
  for (const variable of Object.keys(environment)) {
    if (!variable.startsWith('LOVAGE_') || OTHER_VARIABLES.has(variable)) continue;
    const name = settingOfEnvironment(variable);
    if (name !== undefined) add(variable, name);
    else warnUnknownVariable(variable);
  }
  return layer;
}

/** An unknown variable may belong to somebody else, so it is a warning and not an error. */
function warnUnknownVariable(variable: string): void {
  const hint = didYouMean(variable, [...settingsTable.keys()].map(environmentName));
  if (hint === '') return;
  logger('app').warn(`The environment variable ${variable} is no setting of Lovage and has no effect.${hint}`);
}

const CASTS: Readonly<Record<string, (text: string) => unknown>> = {
  int: (text) => Number.parseInt(text, 10),
  float: (text) => Number(text),
  bool: (text) => text,
  string: (text) => text,
  any: (text) => text,
  json: (text) => JSON.parse(text) as unknown,
  tuple: (text) => JSON.parse(text) as unknown,
  list: (text) => JSON.parse(text) as unknown,
  dict: (text) => JSON.parse(text) as unknown,
};

/** Settings from `ns.key=value` pairs. A leading `.` or `_` stands for the default namespace; `(type)` before a value says how to read it. */
export function commandLineLayer(pairs: readonly string[], namespace = 'worker'): Layer {
  const layer = new Map<string, { value: unknown; origin: string }>();
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    if (equals < 1) {
      throw new ConfigurationError(
        `'${pair}' on the command line sets nothing: write it as key=value, such as worker.concurrency=10.`,
      );
    }
    const origin = `'${pair.slice(0, equals)}' on the command line`;
    const [name, value] = convertSetting(
      nameOfPair(pair.slice(0, equals), namespace),
      cast(pair.slice(equals + 1), origin),
      origin,
    );
    layer.set(name, { value, origin });
  }
  return layer;
}

function nameOfPair(key: string, namespace: string): string {
  const whole = /^[._]/.test(key) ? `${namespace}.${key.slice(1)}` : key;
  const [first = '', ...rest] = whole.split('.');
  if (rest.length === 0) return whole;
  const tail = rest.join('_');
  const name = /[A-Z]/.test(tail) ? first + tail.charAt(0).toUpperCase() + tail.slice(1) : `${first}_${tail}`;
  // Not every setting of a worker has its word in front: worker.shutdownTimeout is shutdownTimeout.
  return OF_PROGRAMS.has(first) && !isSetting(name) && isSetting(tail) ? tail : name;
}

const OF_PROGRAMS: ReadonlySet<string> = new Set(['worker', 'beat']);

function cast(text: string, origin: string): unknown {
  const [, type, rest = ''] = /^\((\w+)\)\s*(.*)$/s.exec(text) ?? [];
  if (type === undefined) return text;
  const read = Object.hasOwn(CASTS, type) ? CASTS[type] : undefined;
  if (read === undefined) {
    throw new ConfigurationError(`${origin} has the unknown type '${type}'; known are ${Object.keys(CASTS).join(', ')}.`);
  }
  try {
    return read(rest);
  } catch (error) {
    throw new ConfigurationError(`${origin} is not valid JSON: '${rest}'.`, { cause: error });
  }
}
