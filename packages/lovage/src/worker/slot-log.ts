// Log records of a slot on their way to the worker, which writes them: each a line of JSON behind a mark. Written at once and in order with
// everything else that the slot writes, so that the last words of a process that dies arrive, too.
import type { LogRecord, Sink } from '@logtape/logtape';
import { logger, loggerOf } from '../util/index.ts';

/** Begins a line that is a record. */
export const RECORD_MARK = '\u001e';

/** Takes one line. */
export type RecordSink = (line: string) => void;

const LEVELS = ['trace', 'debug', 'info', 'warning', 'error', 'fatal'] as const;
type Level = (typeof LEVELS)[number];

interface SentError {
  readonly $error: { readonly name: string; readonly message: string; readonly stack: string | undefined };
}

function sent(value: unknown): unknown {
  if (value instanceof Error) {
    return { $error: { name: value.name, message: value.message, stack: value.stack } } satisfies SentError;
  }
  if (typeof value === 'bigint' || typeof value === 'function' || typeof value === 'symbol') return String(value);
  return value;
}

function received(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('$error' in value)) return value;
  const { name, message, stack } = (value as SentError).$error;
  const error = new Error(message);
  error.name = name;
  error.stack = stack ?? `${name}: ${message}`;
  return error;
}

function writeRecord({ category, level, timestamp, message, properties }: LogRecord): string {
  const plain = Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, sent(value)]));
  try {
    return JSON.stringify({ category, level, timestamp, message: message.map(sent), properties: plain });
  } catch {
    // Something in it goes round in circles; its words are kept.
    return JSON.stringify({ category, level, timestamp, message: message.map(String), properties: {} });
  }
}

/** The lowest level at which anybody reads what Lovage logs here. */
export function lowestLevel(): Level | 'none' {
  const root = logger();
  return LEVELS.find((level) => root.isEnabledFor(level)) ?? 'none';
}

/** Sends what Lovage logs here to the worker. Without `always`, logging that the app's modules set up themselves stays as they want it. */
export async function reportRecords(report: RecordSink, level: string, { always }: { readonly always: boolean }): Promise<void> {
  const { configure, getConfig } = await import('@logtape/logtape');
  if (!always && getConfig() !== null) return;
  const lowest = LEVELS.find((known) => known === level);
  const sink: Sink = (record) => report(RECORD_MARK + writeRecord(record));
  const loggers = lowest === undefined ? [] : [{ category: ['lovage'], lowestLevel: lowest, sinks: ['slot'] }];
  await configure({
    reset: true,
    sinks: { slot: sink },
    loggers: [...loggers, { category: ['logtape', 'meta'], lowestLevel: 'error', sinks: ['slot'] }],
  });
}

/** A record that came as a line is logged here, under the name of its slot. Says whether the line was one. */
export function logRecord(line: string, slot: string): boolean {
  if (!line.startsWith(RECORD_MARK)) return false;
  try {
    const { category, level, timestamp, message, properties } = JSON.parse(line.slice(RECORD_MARK.length)) as LogRecord;
    loggerOf(category).emit({
      level,
      timestamp,
      message: message.map(received),
      rawMessage: message.map(String).join(''),
      properties: {
        ...Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, received(value)])),
        processName: slot,
      },
    });
    return true;
  } catch {
    return false;
  }
}
