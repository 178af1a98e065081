// Log lines of a worker program: Celery's format for people, or one JSON object a line for machines. Only programs call this; a
// library stays silent until somebody configures a sink.
import type { LogRecord, Sink } from '@logtape/logtape';
import { redact, redactText } from '../util/index.ts';
import { type LineFields, lineFormat } from './log-format.ts';

export type LogLevel = 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR' | 'CRITICAL' | 'FATAL';

export interface LoggingOptions {
  readonly level: LogLevel;
  /** @default 'text' */
  readonly format?: 'text' | 'json';
  /** Whole lines by level, as Celery does. @default false */
  readonly color?: boolean;
  /** Where lines go, with the name of the process or slot that they are of. @default standard error */
  readonly write?: (line: string, process: string) => void;
  /** Name of this process in the lines. @default 'MainProcess' */
  readonly processName?: string;
  /** Form of text lines, with Python's names. @default '[%(asctime)s: %(levelname)s/%(processName)s] %(message)s' */
  readonly lineFormat?: string;
  /** Form of text lines that tasks write. @default the same with '%(task_name)s[%(task_id)s]: ' before the message */
  readonly taskFormat?: string;
}

const PREFIX = '[%(asctime)s: %(levelname)s/%(processName)s] ';
const LINE_FORMAT = `${PREFIX}%(message)s`;
const TASK_FORMAT = `${PREFIX}%(task_name)s[%(task_id)s]: %(message)s`;
const LEVELS = { DEBUG: 'debug', INFO: 'info', WARNING: 'warning', ERROR: 'error', CRITICAL: 'fatal', FATAL: 'fatal' } as const;
const NAMES: Readonly<Record<LogRecord['level'], string>> = {
  trace: 'DEBUG',
  debug: 'DEBUG',
  info: 'INFO',
  warning: 'WARNING',
  error: 'ERROR',
  fatal: 'CRITICAL',
};
/** Python's numbers of levels. */
const NUMBERS: Readonly<Record<LogRecord['level'], number>> = {
  trace: 5,
  debug: 10,
  info: 20,
  warning: 30,
  error: 40,
  fatal: 50,
};
const COLORS: Readonly<Record<string, string>> = { DEBUG: '34', WARNING: '33', ERROR: '31', CRITICAL: '35' };
/** A value in a line is cut here; arguments and results were cut before. */
const MAX_VALUE = 4096;

function show(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof Error) return value.stack ?? `${value.name}: ${value.message}`;
  if (typeof value === 'object' && value !== null) {
    try {
      return JSON.stringify(value);
    } catch {
      return Object.prototype.toString.call(value);
    }
  }
  return String(value);
}

/**
 * Control characters from task names, arguments or errors must not forge lines, drive a terminal or turn the order of a text. Line ends
 * stay where `lines` says so.
 */
export function escapeControl(text: string, lines = false): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, (character) => {
    if (character === '\t' || (lines && character === '\n')) return character;
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** The text of a record; only our own words, stacks and tracebacks may hold line ends. */
function messageOf({ message, properties }: LogRecord): string {
  return message
    .map((part, index) => {
      // Words and values take turns, words first.
      if (index % 2 === 0) return String(part);
      const text = redactText(show(part));
      const trace = part instanceof Error || (text !== '' && part === properties.traceback);
      return escapeControl(text.length > MAX_VALUE && !trace ? `${text.slice(0, MAX_VALUE)}…` : text, trace);
    })
    .join('');
}

function moment(timestamp: number): string {
  const date = new Date(timestamp);
  const pad = (part: number, width = 2): string => String(part).padStart(width, '0');
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${day} ${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())},${pad(date.getMilliseconds(), 3)}`;
}

/** How text lines look. */
export interface TextOptions {
  readonly color?: boolean;
  readonly processName?: string;
  readonly lineFormat?: string;
  readonly taskFormat?: string;
}

/** What a task writes carries its name and id; what is only about tasks says them itself. */
function isOfTask({ category: [, room], properties }: LogRecord): boolean {
  return room === 'task' && typeof properties.task === 'string' && typeof properties.id === 'string';
}

function fieldsOf(record: LogRecord, processName: string): LineFields {
  const { timestamp, level, category, properties } = record;
  const text = (value: unknown): string => (typeof value === 'string' ? escapeControl(value) : '???');
  return {
    asctime: moment(timestamp),
    created: timestamp / 1000,
    levelname: NAMES[level],
    levelno: NUMBERS[level],
    message: messageOf(record),
    msecs: timestamp % 1000,
    name: category.join('.'),
    process: process.pid,
    processName: nameOfProcess(record, processName),
    task_name: text(properties.task),
    task_id: text(properties.id),
  };
}

/** Lines as Celery writes them: `[2026-11-23 18:00:42,123: INFO/MainProcess] message`. Throws ConfigurationError for an unknown part of a format. */
export function textFormat(options: TextOptions = {}): (record: LogRecord) => string {
  const line = lineFormat(options.lineFormat ?? LINE_FORMAT);
  const taskLine = lineFormat(options.taskFormat ?? TASK_FORMAT);
  const { processName = 'MainProcess' } = options;
  return (record) => {
    const text = (isOfTask(record) ? taskLine : line)(fieldsOf(record, processName));
    const color = options.color === true ? COLORS[NAMES[record.level]] : undefined;
    return color === undefined ? text : `\u001b[1;${color}m${text}\u001b[0m`;
  };
}

/** One line. */
export function textLine(record: LogRecord, options: TextOptions = {}): string {
  return textFormat(options)(record);
}

/** One JSON object. */
export function jsonLine(record: LogRecord, options: { readonly processName?: string } = {}): string {
  const fields = Object.entries(record.properties)
    .filter(([key]) => key !== 'processName')
    .map(([key, value]): [string, unknown] => [
      key,
      value instanceof Error
        ? { type: value.name, message: redactText(value.message), stack: redactText(value.stack ?? '') }
        : plain(redact({ [key]: value }), key),
    ]);
  return JSON.stringify({
    time: new Date(record.timestamp).toISOString(),
    level: NAMES[record.level],
    logger: record.category.join('.'),
    process: record.properties.processName ?? options.processName ?? 'MainProcess',
    pid: process.pid,
    message: messageOf(record),
    ...(fields.length === 0 ? {} : { data: Object.fromEntries(fields) }),
  });
}

function plain(fields: unknown, key: string): unknown {
  const value = (fields as Readonly<Record<string, unknown>>)[key];
  return typeof value === 'bigint' || (typeof value === 'object' && value !== null) ? show(value) : value;
}

function nameOfProcess({ properties }: LogRecord, own: string): string {
  return typeof properties.processName === 'string' ? properties.processName : own;
}

/** Configures the logging of this process. Categories outside Lovage's are left as they are. */
export async function configureLogging(options: LoggingOptions): Promise<void> {
  // Taken now: the console of tasks may be redirected to this very log later.
  const stderr = process.stderr.write.bind(process.stderr);
  const write = options.write ?? ((line: string): void => void stderr(line));
  const format = options.format === 'json' ? (record: LogRecord): string => jsonLine(record, options) : textFormat(options);
  const { processName = 'MainProcess' } = options;
  const sink: Sink = (record) => write(`${format(record)}\n`, nameOfProcess(record, processName));
  const { configure } = await import('@logtape/logtape');
  await configure({
    reset: true,
    sinks: { worker: sink },
    loggers: [
      { category: ['lovage'], lowestLevel: LEVELS[options.level], sinks: ['worker'] },
      // The logging library's own warnings.
      { category: ['logtape', 'meta'], lowestLevel: 'warning', sinks: ['worker'] },
    ],
  });
}
