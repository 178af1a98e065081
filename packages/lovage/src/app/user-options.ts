// Options that an app adds to the command line, as plain data: the command line makes parsers of them, programs get their values.

/** One option of an app's own. */
export interface UserOption {
  /** In camelCase: `dryRun` is `--dry-run`. Its value has this name. */
  readonly name: string;
  /** One letter: `t` is `-t`. */
  readonly short?: string;
  /** A flag takes no value; it is true when given. @default 'text' */
  readonly type?: 'text' | 'integer' | 'number' | 'flag';
  /** The only texts that are understood. */
  readonly choices?: readonly string[];
  /** May be given more than once; the value is a list. @default false */
  readonly multiple?: boolean;
  /** The value when it is not given. @default undefined; false for a flag, an empty list for `multiple` */
  readonly default?: unknown;
  /** Stands for the value in help. @default the name in capitals */
  readonly metavar?: string;
  /** One sentence for help. */
  readonly description?: string;
}

/** Options of an app's own, by program; those of `preload` belong to every command. */
export interface UserOptions {
  readonly preload: UserOption[];
  readonly worker: UserOption[];
  readonly beat: UserOption[];
  readonly events: UserOption[];
}

/** An app's options before it adds any. */
export function noUserOptions(): UserOptions {
  return { preload: [], worker: [], beat: [], events: [] };
}

/** What was given, over the defaults. */
export function userValues(
  options: readonly UserOption[],
  given: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  const values: Record<string, unknown> = { ...given };
  for (const { name, type, multiple, default: fallback } of options) {
    values[name] ??= fallback ?? (multiple === true ? [] : type === 'flag' ? false : undefined);
  }
  return values;
}
