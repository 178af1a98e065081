// One row of the settings table: what a setting is called, what it may be and what it means. Everything else about settings
// (validation, conversion, the type, the docs page, environment names) is made from these rows.

/** What a value must be; texts from the environment and the command line are converted to it. */
export type SettingKind =
  | 'boolean'
  | 'string'
  | 'integer'
  | 'number'
  /** A duration in seconds. */
  | 'seconds'
  /** Texts; a text is split at commas. */
  | 'strings'
  /** A plain object; a text is read as JSON. */
  | 'map'
  /** One of `choices`. */
  | 'choice'
  /** One text, or several (also separated by `;`). */
  | 'urls'
  /** Whatever `check` lets through; a text that starts like JSON is read as JSON. */
  | 'any';

/** One setting. */
export interface SettingRow {
  readonly kind: SettingKind;
  readonly default: unknown;
  /** One sentence for the reader of the docs page and of the editor's hover. */
  readonly about: string;
  /** Celery's name, when it is not the same name in snake_case; `null`: Lovage's own setting. */
  readonly celery?: string | null;
  /** Celery's old upper-case name, for the rename hint. */
  readonly old?: string;
  /** Smallest number allowed. @default 0 for durations and integers */
  readonly min?: number;
  readonly choices?: readonly (string | number)[];
  /** TypeScript type, when the kind does not say it. */
  readonly type?: string;
  /** May be `null` (unset) although its default is not. */
  readonly nullable?: boolean;
  /** Brings other ways to write a value into the one that `check` and all readers know. */
  readonly form?: (value: unknown) => unknown;
  /** What is wrong with a value, beyond its kind. */
  readonly check?: (value: unknown) => string | undefined;
  /** The part of Lovage, still to come, that it belongs to: until then it is kept and does nothing, which the app says when it is set. */
  readonly later?: string;
  /** Why it has no effect here, for one that is only taken so that Celery's configurations load. The app says so when it is set. */
  readonly ignored?: string;
  /** Its value never appears in a log or a table. */
  readonly secret?: boolean;
}

/** A part of the table, by camelCase name. */
export type SettingRows = Readonly<Record<string, SettingRow>>;
