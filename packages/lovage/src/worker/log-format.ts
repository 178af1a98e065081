// Log formats as Python writes them (`%(asctime)s: %(levelname)-8s …`), so that a Celery configuration keeps its lines.
import { ConfigurationError, didYouMean } from '../util/index.ts';

/** What a line can show. */
export interface LineFields {
  readonly asctime: string;
  /** Epoch seconds. */
  readonly created: number;
  readonly levelname: string;
  readonly levelno: number;
  readonly message: string;
  readonly msecs: number;
  readonly name: string;
  readonly process: number;
  readonly processName: string;
  /** `???` outside a task. */
  readonly task_name: string;
  readonly task_id: string;
}

const KNOWN: ReadonlySet<string> = new Set<keyof LineFields>([
  'asctime',
  'created',
  'levelname',
  'levelno',
  'message',
  'msecs',
  'name',
  'process',
  'processName',
  'task_name',
  'task_id',
]);

const isField = (name: string): name is keyof LineFields => KNOWN.has(name);

interface Part {
  readonly field: keyof LineFields;
  readonly flags: string;
  readonly width: number;
  readonly precision: number | undefined;
  readonly type: string;
}

function show(value: string | number, { flags, width, precision, type }: Part): string {
  const number = typeof value === 'number';
  const digits = precision ?? (type === 'f' ? 6 : undefined);
  let text = String(value);
  if (number && type === 'f') text = value.toFixed(digits);
  else if (number && type !== 's') text = String(Math.trunc(value));
  else if (precision !== undefined) text = text.slice(0, precision);
  if (flags.includes('-')) return text.padEnd(width);
  return text.padStart(width, flags.includes('0') && number ? '0' : ' ');
}

/** The format as a function. Throws ConfigurationError for a name that no line has here. */
export function lineFormat(format: string): (fields: LineFields) => string {
  const parts: (string | Part)[] = [];
  let end = 0;
  for (const match of format.matchAll(/%(?:%|\((\w*)\)([-+ #0]*)(\d*)(?:\.(\d+))?([a-zA-Z]))/g)) {
    const [all, name, flags = '', width = '', precision, type = 's'] = match;
    parts.push(format.slice(end, match.index));
    end = match.index + all.length;
    if (name === undefined) parts.push('%');
    else if (isField(name)) {
      const digits = precision === undefined ? undefined : Number(precision);
      parts.push({ field: name, flags, width: Number(width), precision: digits, type });
    } else throw unknown(format, name);
  }
  parts.push(format.slice(end));
  return (fields) => parts.map((part) => (typeof part === 'string' ? part : show(fields[part.field], part))).join('');
}

function unknown(format: string, name: string): ConfigurationError {
  return new ConfigurationError(
    `The log format '${format}' has the unknown part '%(${name})s'; known are ${[...KNOWN].join(', ')}.${didYouMean(name, KNOWN)}`,
  );
}
