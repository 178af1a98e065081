// How far a running task is: the state PROGRESS, as Celery's users write it by update_state. Written now and then, however often the task
// reports; the task never waits for more than one write in a tenth of a second. Log lines of a task that reports travel along.
import { type Logger, logger } from '../util/index.ts';
import type { Progress } from './context.ts';

/** Milliseconds between two writes. */
const INTERVAL_MS = 100;
/** Log lines that a record carries, the newest, and their length. */
const MAX_LINES = 50;
const MAX_LINE = 500;

/** Reports of one attempt. */
export class ProgressReporter {
  readonly #store: (meta: Progress) => Promise<void>;
  readonly #lines: string[] = [];
  #last = Number.NEGATIVE_INFINITY;
  #newest: Progress | undefined;
  #writing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(store: (meta: Progress) => Promise<void>) {
    this.#store = store;
  }

  /** Resolves when this is written, or at once when a later write will tell it. Rejects when it cannot be written. */
  report(meta: Progress): Promise<void> {
    this.#newest = meta;
    if (this.#isOver || this.#writing !== undefined || performance.now() - this.#last < INTERVAL_MS) {
      this.#later();
      return Promise.resolve();
    }
    return this.#write();
  }

  /** A log line; it travels with what is reported next, or soon. */
  line(text: string): void {
    this.#lines.push(text.length > MAX_LINE ? `${text.slice(0, MAX_LINE - 1)}…` : text);
    if (this.#lines.length > MAX_LINES) this.#lines.shift();
    this.#later();
  }

  /** Nothing is written any more; resolves when what is under way has been: the end of the task comes after it. */
  async finish(): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#timer);
    await this.#writing?.catch(() => undefined);
  }

  #later(): void {
    if (this.#isOver || this.#timer !== undefined) return;
    const wait = Math.max(0, INTERVAL_MS - (performance.now() - this.#last));
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#writing !== undefined) this.#later();
      else this.#write().catch((error: unknown) => logger('task').warning('A progress could not be stored: {error}', { error }));
    }, wait);
  }

  #write(): Promise<void> {
    const meta = this.#newest;
    if (meta === undefined || this.#isOver) return Promise.resolve();
    this.#last = performance.now();
    const log = this.#lines.length === 0 || 'log' in meta ? {} : { log: [...this.#lines] };
    this.#writing = this.#store({ ...meta, ...log }).finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }
}

const LEVELS: ReadonlySet<string | symbol> = new Set(['info', 'warn', 'warning', 'error', 'fatal']);

/** A message with its values put in, as a log line shows it. */
function textOf(message: unknown, values: unknown): string {
  if (Array.isArray(message)) return message.map((part, index) => part + (index < message.length - 1 ? '…' : '')).join('');
  if (typeof message !== 'string') return message instanceof Error ? message.message : String(message);
  const given: Readonly<Record<string, unknown>> = typeof values === 'object' && values !== null ? { ...values } : {};
  return message.replaceAll(/\{(\w+)\}/g, (all, key: string) => (Object.hasOwn(given, key) ? String(given[key]) : all));
}

/** The logger of a task, whose lines from INFO on are also told to `heard`. */
export function overheard(log: Logger, heard: (line: string) => void): Logger {
  return new Proxy(log, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== 'function') return value;
      return (...args: readonly unknown[]): unknown => {
        if (LEVELS.has(key)) heard(textOf(args[0], args[1]));
        return Reflect.apply(value, target, args);
      };
    },
  });
}
