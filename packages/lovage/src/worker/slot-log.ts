// Log records of a slot on their way to the worker, which writes them: each a line of JSON behind a mark. Written at once and in order with
// everything else that the slot writes, so that the last words of a process that dies arrive, too.
import type { LogRecord, Sink } from '@logtape/logtape';
import { MAX_RECORD, RECORD_MARK } from '../pool/index.ts';
import { logger, loggerOf } from '../util/index.ts';

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

/** In a record that is too long: each text in it is cut. */
function cutTo(most: number): (key: string, value: unknown) => unknown {
  return (_, value) => (typeof value === 'string' && value.length > most ? `${value.slice(0, most)}…` : value);
}

type Replacer = ReturnType<typeof cutTo>;

function asText({ category, level, timestamp, message, properties }: LogRecord, replacer?: Replacer): string {
  const plain = Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, sent(value)]));
  try {
    return JSON.stringify({ category, level, timestamp, message: message.map(sent), properties: plain }, replacer);
  } catch {
    // Something in it goes round in circles; its words are kept.
    return JSON.stringify({ category, level, timestamp, message: message.map(String), properties: {} }, replacer);
  }
}

/** Longest text in a record that is too long as it is: it may be there twice, each of its units as six letters. */
const LONG_TEXT = MAX_RECORD / 16;

/** At most MAX_RECORD units, with the mark. */
function writeRecord(record: LogRecord): string {
  const most = MAX_RECORD - RECORD_MARK.length;
  const whole = asText(record);
  if (whole.length <= most) return whole;
  const cut = asText(record, cutTo(LONG_TEXT));
  if (cut.length <= most) return cut;
  // Many things in it: its words are kept, as far as there is room.
  const words = record.message.map(String).join('').slice(0, LONG_TEXT);
  return asText({ ...record, message: [`${words}…`], properties: {} });
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
