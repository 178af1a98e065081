// Worker logs, read back: lines of text as Lovage and Celery write them, or one JSON object a line; and what each says of a task. Pure but
// for the reading.
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { ConfigurationError } from '../../util/index.ts';

export interface LogRecord {
  readonly time: string;
  readonly level: string;
  readonly process: string;
  /** The first line. */
  readonly message: string;
  /** What follows it: tracebacks. */
  readonly more: readonly string[];
}

export type TaskEnd = 'succeeded' | 'failed' | 'retried' | 'ignored' | 'rejected' | 'discarded';

/** What a record says of a task. */
export interface TaskLine {
  readonly name: string;
  readonly id: string;
  readonly what: 'received' | TaskEnd;
  /** Seconds. */
  readonly runtime?: number;
}

const TEXT = /^\[(\d{4}-\d\d-\d\d[ T][\d:]+[,.]\d+): (\w+)\/([^\]]+)\] (.*)$/;
const TASK = /^Task ([^\s[\]]+)\[([^\]]+)\] (received|succeeded in ([\d.]+)s|raised|retry:|ignored|reject)/;
/** Celery before 4 named the received task last. */
const OLD = /^(?:Received task|Got task from broker): ([^\s[\]]+)\[([^\]]+)\]/;
const DISCARDED = /^Discarding (?:revoked|expired) task: ([^\s[\]]+)\[([^\]]+)\]/;
const ENDS: Readonly<Record<string, TaskEnd>> = { raised: 'failed', 'retry:': 'retried', ignored: 'ignored', reject: 'rejected' };

function jsonRecord(line: string): LogRecord | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const { time, level, process, message } = JSON.parse(line) as Readonly<Record<string, unknown>>;
    if (typeof message !== 'string' || typeof level !== 'string') return undefined;
    const [first = '', ...more] = message.split('\n');
    return { time: String(time), level, process: String(process), message: first, more };
  } catch {
    return undefined;
  }
}

function textRecord(line: string): LogRecord | undefined {
  // Colours around a line are no part of it.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  const [, time, level, process, message] = TEXT.exec(line.replaceAll(/\u001b\[[\d;]*m/g, '')) ?? [];
  if (time === undefined || level === undefined || process === undefined) return undefined;
  return { time, level, process, message: message ?? '', more: [] };
}

/** The beginning of a record, or undefined for a line that goes on with the one before. */
export function recordOf(line: string): LogRecord | undefined {
  return jsonRecord(line) ?? textRecord(line);
}

/** What a record says of a task. */
export function taskLineOf({ message }: LogRecord): TaskLine | undefined {
  const [, name, id, what = '', seconds] = TASK.exec(message) ?? [];
  if (name !== undefined && id !== undefined) {
    if (what === 'received') return { name, id, what };
    if (seconds !== undefined) return { name, id, what: 'succeeded', runtime: Number(seconds) };
    return { name, id, what: ENDS[what] ?? 'failed' };
  }
  const [, oldName, oldId] = OLD.exec(message) ?? [];
  if (oldName !== undefined && oldId !== undefined) return { name: oldName, id: oldId, what: 'received' };
  const [, lateName, lateId] = DISCARDED.exec(message) ?? [];
  return lateName === undefined || lateId === undefined ? undefined : { name: lateName, id: lateId, what: 'discarded' };
}

/** Records of lines, each with the lines that go on with it. */
export async function* recordsOf(lines: AsyncIterable<string>): AsyncGenerator<LogRecord> {
  let record: LogRecord | undefined;
  let more: string[] = [];
  for await (const line of lines) {
    const next = recordOf(line);
    if (next === undefined) {
      more.push(line);
      continue;
    }
    if (record !== undefined) yield { ...record, more: [...record.more, ...more] };
    record = next;
    more = [];
  }
  if (record !== undefined) yield { ...record, more: [...record.more, ...more] };
}

async function* linesOf(name: string, input: Readable): AsyncGenerator<string> {
  try {
    yield* createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  } catch (error) {
    throw new ConfigurationError(`The log '${name}' cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/** The records of files, one after the other; `-` is standard input. */
export async function* readLogs(files: readonly string[]): AsyncGenerator<LogRecord> {
  for (const file of files) {
    const input = file === '-' ? process.stdin : createReadStream(file, 'utf8');
    // The interface does not pass the errors of its input on.
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => undefined);
    input.once('error', (error: Error) =>
      failed.reject(new ConfigurationError(`The log '${file}' cannot be read: ${error.message}`, { cause: error })),
    );
    const records = recordsOf(linesOf(file, input));
    for (;;) {
      const next = await Promise.race([records.next(), failed.promise]);
      if (next.done === true) break;
      yield next.value;
    }
  }
}
