// Log lines: one tree of categories under `lovage`; silent until a program (the worker, or the user) configures a sink. LogTape is found,
// not loaded: where nobody has loaded it nobody reads a line, and loading it would cost every start a tenth.
import type { Logger } from '@logtape/logtape';
import { redactData, redactError, redactText } from './redact.ts';

export type { Logger };

type Level = Parameters<Logger['isEnabledFor']>[0];
type Root = Pick<Logger, 'getChild'>;
/** Where LogTape keeps the root of the tree for all its copies in this process. */
const ROOT = Symbol.for('logtape.rootLogger');

/** The logger of one part: `logger('consumer')` logs under `lovage.consumer`. */
export function logger(...category: readonly string[]): Logger {
  return loggerOf(['lovage', ...category]);
}

/** The logger of a category. */
export function loggerOf(category: readonly string[]): Logger {
  const [first = 'lovage', ...rest] = category;
  const find = (): Logger | undefined => {
    const root = (globalThis as { readonly [ROOT]?: Root })[ROOT];
    return root?.getChild([first, ...rest]);
  };
  // Its methods take whatever LogTape's take.
  return new LateLogger(category, find) as unknown as Logger;
}

type Method = 'trace' | 'debug' | 'info' | 'warn' | 'warning' | 'error' | 'fatal';

const LEVELS: Readonly<Record<Method, Level>> = {
  ...{ trace: 'trace', debug: 'debug', info: 'info', warn: 'warning', warning: 'warning', error: 'error', fatal: 'fatal' },
};

/** What is written into a record, wherever the user's sinks take it. */
function shown(value: unknown): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'function') return () => shown((value as () => unknown)());
  if (value instanceof Error) return redactError(value);
  return typeof value === 'object' && value !== null ? redactData(value) : value;
}

/** The words of a template stay what they are; everything else that is logged is looked at. */
function masked(line: readonly unknown[]): readonly unknown[] {
  const [first, ...rest] = line;
  const isTemplate = Array.isArray(first) && 'raw' in first;
  return [isTemplate ? first : shown(first), ...rest.map(shown)];
}

/** A logger of LogTape's, from the moment on at which there is one. Whoever reads its lines finds no secret in them. */
class LateLogger {
  readonly category: readonly string[];
  readonly #find: () => Logger | undefined;
  #found: Logger | undefined;

  constructor(category: readonly string[], find: () => Logger | undefined) {
    this.category = category;
    this.#find = find;
  }

  get #logger(): Logger | undefined {
    this.#found ??= this.#find();
    return this.#found;
  }

  get parent(): Logger | null {
    return this.#logger?.parent ?? null;
  }

  getChild(name: string | readonly [string, ...string[]]): Logger {
    return loggerOf([...this.category, ...(typeof name === 'string' ? [name] : name)]);
  }

  with(properties: Record<string, unknown>): Logger {
    const safe = redactData(properties) as Record<string, unknown>;
    return new LateLogger(this.category, () => this.#logger?.with(safe)) as unknown as Logger;
  }

  trace(...line: readonly unknown[]): unknown {
    return this.#log('trace', line);
  }

  debug(...line: readonly unknown[]): unknown {
    return this.#log('debug', line);
  }

  info(...line: readonly unknown[]): unknown {
    return this.#log('info', line);
  }

  warn(...line: readonly unknown[]): unknown {
    return this.#log('warn', line);
  }

  warning(...line: readonly unknown[]): unknown {
    return this.#log('warning', line);
  }

  error(...line: readonly unknown[]): unknown {
    return this.#log('error', line);
  }

  fatal(...line: readonly unknown[]): unknown {
    return this.#log('fatal', line);
  }

  emit(record: Parameters<Logger['emit']>[0]): void {
    this.#logger?.emit(record);
  }

  isEnabledFor(level: Level): boolean {
    return this.#logger?.isEnabledFor(level) ?? false;
  }

  #log(method: Method, line: readonly unknown[]): unknown {
    const found = this.#logger;
    if (found?.isEnabledFor(LEVELS[method]) !== true) return undefined;
    return Reflect.apply(found[method], found, masked(line));
  }
}
