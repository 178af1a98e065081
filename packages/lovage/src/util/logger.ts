// Log lines: one tree of categories under `lovage`; silent until a program (the worker, or the user) configures a sink. LogTape is found,
// not loaded: where nobody has loaded it nobody reads a line, and loading it would cost every start a tenth.
import type { Logger } from '@logtape/logtape';

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

/** A logger of LogTape's, from the moment on at which there is one. */
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
    return new LateLogger(this.category, () => this.#logger?.with(properties)) as unknown as Logger;
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
    return found === undefined ? undefined : Reflect.apply(found[method], found, line);
  }
}
