// From `-A` to an app: loads the module, finds the one app that it exports, applies what the command line says, loads its tasks.
import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { ConfigurationError, didYouMean } from '../util/index.ts';
import type { SettingsInput } from './config.ts';
import { APP_MARK } from './copies.ts';
import { Lovage } from './lovage.ts';
import { importModule, type ModuleExports, resolveModule, splitExport } from './modules.ts';
import { EXTENSIONS, PLACES, usualPlace } from './places.ts';

/** Exports that are tried before all others. */
const NAMES = ['default', 'app', 'lovage'];

export interface FindAppOptions {
  /** Config file, as given to `app.conf.load`. */
  readonly config?: string;
  /** Settings of the command line; they win over all others. */
  readonly overrides?: SettingsInput;
  /** `ns.key=value` pairs of the command line. */
  readonly pairs?: readonly string[];
  /** Without a specifier and with nothing found in the usual places: refuse, unless settings name a broker. @default false */
  readonly strict?: boolean;
  /** Called with the app before its settings are read and its task modules loaded. */
  readonly loaded?: (app: Lovage) => Promise<void>;
  /** Folder that paths are relative to. @default the working directory */
  readonly base?: string;
}

/** How an app was found: enough to find it once more in another process. Plain data. */
export interface AppOrigin {
  /** `path` or `path:export`; none: an app without a module. */
  readonly specifier: string | undefined;
  /** Folder that paths are relative to. */
  readonly base: string;
  readonly config?: string;
  readonly overrides?: SettingsInput;
  readonly pairs?: readonly string[];
}

const origins = new WeakMap<Lovage, AppOrigin>();

/** How this app was found; undefined when a program of its own made or imported it. */
export function originOf(app: Lovage): AppOrigin | undefined {
  return origins.get(app);
}

/** The app of a program: `path`, `path:export`, or found in the usual places; its task modules are loaded too. Throws ConfigurationError. */
export async function findApp(specifier: string | undefined, options: FindAppOptions = {}): Promise<Lovage> {
  const base = options.base ?? process.cwd();
  const file = specifier === undefined ? usualPlace(base) : specifier;
  const app = file === undefined ? new Lovage('lovage') : await loadApp(file, base);
  const { config, overrides, pairs } = options;
  const given = { ...(config === undefined ? {} : { config }), ...(overrides === undefined ? {} : { overrides }) };
  origins.set(app, { specifier: file, base, ...given, ...(pairs === undefined ? {} : { pairs }) });
  await options.loaded?.(app);
  if (options.config !== undefined) app.conf.load(options.config);
  if (options.pairs !== undefined) app.conf.loadCommandLine(options.pairs);
  if (options.overrides !== undefined) app.conf.override(options.overrides);
  await app.ready();
  if (file === undefined && options.strict === true && app.conf.originOf('brokerUrl') === 'the default') throw nothingFound(base);
  await app.importTasks();
  return app;
}

/** The app of `path`, `path:export`, or of the usual places, as its module made it: nothing else is loaded. undefined: there is no such module. */
export async function findAppModule(specifier: string | undefined, base: string = process.cwd()): Promise<Lovage | undefined> {
  const file = specifier ?? usualPlace(base);
  return file === undefined ? undefined : loadApp(file, base);
}

/** The app that a module exports. */
export async function loadApp(specifier: string, base?: string): Promise<Lovage> {
  const { path, name } = splitExport(specifier);
  const file = inFolder(path, base) ?? resolveModule(path, base);
  const app = pickApp(await importModule(file), file, name);
  origins.set(app, { specifier, base: base ?? process.cwd() });
  return app;
}

/** Of a folder without an index: what would be found in it without `-A`. */
function inFolder(path: string, base: string = process.cwd()): string | undefined {
  const folder = resolve(base, path);
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return undefined;
  const hasIndex = EXTENSIONS.some(
    (extension) => existsSync(resolve(folder, `index${extension}`)) || existsSync(folder + extension),
  );
  return hasIndex ? undefined : usualPlace(folder);
}

function nothingFound(base: string): ConfigurationError {
  return new ConfigurationError(
    `There is no app in ${base} (looked for ${PLACES.join(', ')} with ${EXTENSIONS.join(', ')}). Name its module with -A, such as -A tasks.ts, or at least a broker with -b.`,
  );
}

function isApp(value: unknown): value is Lovage {
  return value instanceof Lovage;
}

function isForeignApp(value: unknown): boolean {
  return typeof value === 'object' && value !== null && APP_MARK in value && !isApp(value);
}

/** The app among the exports of a module. */
export function pickApp(module: ModuleExports, file: string, name: string | undefined): Lovage {
  // A CommonJS module shows its exports under `default` as well.
  const exports = { ...asRecord(module.default), ...module };
  if (name !== undefined) return namedApp(exports, file, name);
  for (const usual of NAMES) {
    const value = exports[usual];
    if (isApp(value)) return value;
  }
  const apps = new Set(Object.values(exports).filter(isApp));
  const [first] = apps;
  if (first !== undefined && apps.size === 1) return first;
  if (apps.size > 1) {
    const names = Object.keys(exports).filter((key) => isApp(exports[key]));
    throw new ConfigurationError(`${file} exports several apps (${names.join(', ')}). Say which one: -A ${file}:${names[0]}.`);
  }
  throw noApp(exports, file);
}

function namedApp(exports: ModuleExports, file: string, name: string): Lovage {
  const value = exports[name];
  if (isApp(value)) return value;
  if (isForeignApp(value)) throw foreign(file);
  const hint = name in exports ? ` It is not an app made with new Lovage(…).` : didYouMean(name, Object.keys(exports));
  throw new ConfigurationError(`${file} exports no app called '${name}'.${hint}`);
}

function noApp(exports: ModuleExports, file: string): ConfigurationError {
  if (Object.values(exports).some(isForeignApp)) return foreign(file);
  return new ConfigurationError(`${file} exports no app. Write there: export const app = new Lovage('name');`);
}

function foreign(file: string): ConfigurationError {
  return new ConfigurationError(
    `The app of ${file} was made by another copy of Lovage than the one that runs now. Run the \`lovage\` command of that project, with npx, and look for two versions with \`npm ls lovage\`.`,
  );
}

function asRecord(value: unknown): ModuleExports {
  return typeof value === 'object' && value !== null && !isApp(value) ? (value as ModuleExports) : {};
}
