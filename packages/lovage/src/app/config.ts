// The settings of one app: layers of sources, resolved into one frozen record that every reader shares. A write resolves anew and
// tells the observers, so that nothing keeps an old value. What wins over what is listed once, in `layers`.
import { ConfigurationError, redact } from '../util/index.ts';
import { importModule, splitExport } from './modules.ts';
import { contradiction, type Settings, settingName, settingsTable } from './settings.ts';
import { commandLineLayer, environmentLayer, type Layer, namespaceLayer, recordLayer } from './sources.ts';

/** Settings as code gives them: any of them, `undefined` for not given. Other names and other types do not compile. */
export type SettingsInput = { readonly [Name in keyof Settings]?: Settings[Name] | undefined };
/** A record whose keys and values are checked when it is read: camelCase or Celery's snake_case names. For `conf.load` and files. */
export type SettingsRecord = Readonly<Record<string, unknown>>;

/** Told after a change which settings are different now. */
export type SettingsObserver = (settings: Settings, changed: ReadonlySet<string>) => void;

export interface LoadOptions {
  /** Only keys with this prefix count (`CELERY` for `CELERY_TASK_SERIALIZER`), and bare names of settings. */
  readonly namespace?: string;
}

export interface ConfigOptions {
  readonly settings?: SettingsRecord;
  /** @default none; an app gives process.env */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Called once, before the first read; may still write. */
  readonly configuring?: () => void;
  /** Called once, after the first read. */
  readonly configured?: (settings: Settings) => void;
}

const EMPTY: Layer = new Map();

/** The settings of an app. Reading configures it; writing before the first read does not. */
export class Config {
  #commandLine: Layer = EMPTY;
  readonly #constructed: Layer;
  #runtime: Layer = EMPTY;
  #environment: Layer | undefined;
  #source: Layer | undefined;
  #defaults: readonly Layer[] = [];
  #pendingDefaults: (() => SettingsRecord)[] = [];
  #pendingFiles: { readonly specifier: string; readonly options: LoadOptions }[] = [];
  #loading: Promise<void> | undefined;
  #values: Settings | undefined;
  #configuring = false;
  readonly #observers = new Set<SettingsObserver>();
  readonly #options: ConfigOptions;

  constructor(options: ConfigOptions = {}) {
    this.#options = options;
    this.#constructed = recordLayer(options.settings ?? {}, 'the constructor');
  }

  /** All settings, resolved: a frozen record that is replaced by every change, so read it at use. */
  get values(): Settings {
    return this.#values ?? this.#configure();
  }

  /** One setting, by its camelCase or snake_case name. */
  get(name: string): unknown {
    return this.values[settingName(name) as keyof Settings];
  }

  /** Where the value of a setting comes from, in words. */
  originOf(name: string): string {
    const key = settingName(name);
    for (const layer of this.#layers()) {
      const found = layer.get(key);
      if (found !== undefined) return found.origin;
    }
    return 'the default';
  }

  /** Changes settings of a running app. What the constructor was given cannot be changed: that is an error, not a silent no. */
  update(settings: SettingsInput): void {
    const layer = recordLayer(settings, 'an update');
    for (const name of layer.keys()) {
      if (!this.#constructed.has(name)) continue;
      throw new ConfigurationError(
        `The setting ${name} was given to the constructor, which wins over every update. Leave it out there, or make a second app.`,
      );
    }
    const before = this.#runtime;
    this.#runtime = new Map([...before, ...layer]);
    this.#refresh(() => {
      this.#runtime = before;
    });
  }

  /** Settings that count when no other source names them. The latest call wins over earlier ones; a function is called when the app is configured. */
  addDefaults(settings: SettingsRecord | (() => SettingsRecord)): void {
    if (typeof settings === 'function' && this.#values === undefined) {
      this.#pendingDefaults.push(settings);
      return;
    }
    const before = this.#defaults;
    this.#defaults = [recordLayer(typeof settings === 'function' ? settings() : settings, 'the added defaults'), ...before];
    this.#refresh(() => {
      this.#defaults = before;
    });
  }

  /** Takes the config source: a record at once, or a file (`path` or `path:export`) that `ready()` reads. A later source replaces an earlier one. */
  load(source: SettingsRecord | string, options: LoadOptions = {}): void {
    if (typeof source === 'string') {
      this.#pendingFiles.push({ specifier: source, options });
      return;
    }
    this.#take(source, options, 'the config object');
  }

  /** Takes `ns.key=value` pairs, which win over everything. */
  loadCommandLine(pairs: readonly string[], namespace?: string): void {
    this.#override(commandLineLayer(pairs, namespace));
  }

  /** Takes settings of a program's options, with the standing of the command line. */
  override(settings: SettingsInput): void {
    this.#override(recordLayer(settings, 'the command line'));
  }

  /** Whether a config source was given, loaded or not. */
  get hasSource(): boolean {
    return this.#source !== undefined || this.#pendingFiles.length > 0;
  }

  /** Whether a file waits to be read by `ready`. */
  get hasPending(): boolean {
    return this.#pendingFiles.length > 0 || this.#loading !== undefined;
  }

  /** Reads the files that `load` named. */
  async ready(): Promise<void> {
    this.#loading ??= this.#readFiles().finally(() => {
      this.#loading = undefined;
    });
    await this.#loading;
  }

  /** Calls back after each change. Returns the function that ends it. */
  observe(observer: SettingsObserver): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  /** All settings as a plain record, for people: by default only what differs from the defaults, with secrets blotted out. */
  table(options: { readonly withDefaults?: boolean; readonly censored?: boolean } = {}): Record<string, unknown> {
    const shown: Record<string, unknown> = {};
    for (const [name, row] of settingsTable) {
      if (options.withDefaults !== true && this.originOf(name) === 'the default') continue;
      const value = this.values[name as keyof Settings];
      shown[name] = options.censored === false ? value : redact(value, row.secret === true);
    }
    return shown;
  }

  /** What wins over what, strongest first. */
  #layers(): readonly Layer[] {
    this.#environment ??= environmentLayer(this.#options.environment ?? {});
    return [this.#commandLine, this.#constructed, this.#runtime, this.#environment, this.#source ?? EMPTY, ...this.#defaults];
  }

  #configure(): Settings {
    if (!this.#configuring) {
      this.#configuring = true;
      this.#options.configuring?.();
    }
    const pending = this.#pendingDefaults.splice(0);
    for (const make of pending) this.#defaults = [recordLayer(make(), 'the added defaults'), ...this.#defaults];
    const values = this.#resolve();
    this.#values = values;
    this.#options.configured?.(values);
    return this.#values;
  }

  #resolve(): Settings {
    const values: Record<string, unknown> = {};
    for (const [name, row] of settingsTable) values[name] = row.default;
    for (const layer of [...this.#layers()].reverse()) for (const [name, entry] of layer) values[name] = entry.value;
    // The table holds every name of Settings, and convert() held every value to its row.
    const settings = Object.freeze(values) as unknown as Settings;
    const wrong = contradiction(settings);
    if (wrong !== undefined) throw new ConfigurationError(wrong);
    return settings;
  }

  /** After a write: resolves anew if somebody has read already; a write that leads to a contradiction is taken back. */
  #refresh(takeBack: () => void): void {
    const before = this.#values;
    if (before === undefined) return;
    try {
      this.#values = this.#resolve();
    } catch (error) {
      takeBack();
      throw error;
    }
    const changed = new Set<string>();
    for (const name of settingsTable.keys()) {
      if (before[name as keyof Settings] !== this.#values[name as keyof Settings]) changed.add(name);
    }
    if (changed.size === 0) return;
    for (const observer of this.#observers) observer(this.#values, changed);
  }

  #override(layer: Layer): void {
    const before = this.#commandLine;
    this.#commandLine = new Map([...before, ...layer]);
    this.#refresh(() => {
      this.#commandLine = before;
    });
  }

  #take(record: SettingsRecord, options: LoadOptions, origin: string): void {
    const before = this.#source;
    this.#source =
      options.namespace === undefined ? recordLayer(record, origin) : namespaceLayer(record, options.namespace, origin);
    this.#refresh(() => {
      this.#source = before;
    });
  }

  async #readFiles(): Promise<void> {
    for (let next = this.#pendingFiles.shift(); next !== undefined; next = this.#pendingFiles.shift()) {
      const { specifier, options } = next;
      this.#take(await readConfigFile(specifier), options, `the file ${specifier}`);
    }
  }
}

/** The record that a config file exports: the named export, else the default, else all its exports. */
async function readConfigFile(specifier: string): Promise<SettingsRecord> {
  const { path, name } = splitExport(specifier);
  const module = await importModule(path);
  const exported = name === undefined ? (module.default ?? module) : module[name];
  if (typeof exported !== 'object' || exported === null || Array.isArray(exported)) {
    const what = name === undefined ? 'no object of settings' : `no object of settings called '${name}'`;
    throw new ConfigurationError(`The config file ${path} exports ${what}. Write: export default { brokerUrl: '…' };`);
  }
  return exported as SettingsRecord;
}
