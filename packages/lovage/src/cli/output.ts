// What commands print: plain lines for people, one JSON value with --json; control characters from data never reach the terminal raw.
import { stripVTControlCharacters, styleText } from 'node:util';

export interface Output {
  readonly json: boolean;
  readonly quiet: boolean;
  /** For people: nothing with --json or --quiet. */
  line(text?: string): void;
  /** For people, on stderr. */
  warn(text: string): void;
  /** What is going on, on one line of a terminal that is written over; nothing takes it away. */
  progress(text?: string): void;
  /** The answer: with --json as JSON, else as `lines` puts it. */
  answer(value: unknown, lines: readonly string[]): void;
  style(format: 'bold' | 'dim' | 'green' | 'red' | 'yellow', text: string): string;
}

/** Line ends of Unicode, and what lets a terminal show the text behind it in another order than it has. */
const isMisleading = (code: number): boolean => (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);

/** Text from a message, a name or an error, made safe for one line of a terminal. */
export function printable(text: string): string {
  return Array.from(stripVTControlCharacters(text), (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (code < 32 || (code >= 127 && code < 160)) return `\\x${code.toString(16).padStart(2, '0')}`;
    return isMisleading(code) ? `\\u${code.toString(16)}` : character;
  }).join('');
}

// JSON.rawJSON is in every Node that runs this, and not yet in TypeScript's library.
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

function forJson(this: unknown, key: string, value: unknown): unknown {
  // Some values turn themselves into something else before a replacer sees them (Buffer.toJSON).
  const own: unknown = typeof this === 'object' && this !== null ? (this as Record<string, unknown>)[key] : value;
  if (typeof own === 'bigint') return rawJSON(own.toString());
  if (own instanceof Uint8Array) return Buffer.from(own).toString('base64');
  if (own instanceof Error) return { type: own.name, message: own.message };
  if (own instanceof Map) return Object.fromEntries(own);
  if (own instanceof Set) return [...own];
  if (typeof own === 'number' && !Number.isFinite(own)) return String(own);
  return value;
}

/** C1 control characters, and those that turn the order of a text, are valid in JSON and drive some terminals. */
function escapeC1(text: string): string {
  return text.replaceAll(/[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** A value of any kind on one line, as JSON for programs. Integers of any size are numbers, bytes are base64. */
export function toJson(value: unknown): string {
  return escapeC1(JSON.stringify(value, forJson) ?? 'null');
}

/** A task's result for people: text as it is, bytes as hex, everything else as indented JSON. */
export function resultLines(value: unknown): readonly string[] {
  if (value === undefined || value === null) return ['null'];
  if (typeof value === 'string') return value.split('\n').map(printable);
  if (value instanceof Uint8Array) return [`${value.length} bytes: ${Buffer.from(value).toString('hex')}`];
  return escapeC1(JSON.stringify(value, forJson, 2) ?? String(value)).split('\n');
}

export function createOutput(options: { readonly json: boolean; readonly quiet: boolean; readonly color: boolean }): Output {
  const style: Output['style'] = (format, text) => (options.color ? styleText(format, text, { validateStream: false }) : text);
  return {
    json: options.json,
    quiet: options.quiet,
    line: (text = '') => {
      if (!options.json && !options.quiet) process.stdout.write(`${text}\n`);
    },
    progress: (text) => {
      if (options.quiet || process.stderr.isTTY !== true) return;
      process.stderr.write(`\r\u001b[K${text ?? ''}`);
    },
    warn: (text) => void process.stderr.write(`${text}\n`),
    answer: (value, lines) => {
      process.stdout.write(options.json ? `${toJson(value)}\n` : lines.map((line) => `${line}\n`).join(''));
    },
    style,
  };
}

type Rows = readonly (readonly (string | number)[])[];

function aligned(head: readonly string[], rows: Rows): readonly string[] {
  const cells = [head, ...rows].map((row) => row.map((cell) => printable(String(cell))));
  const widths = head.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)));
  return cells.map((row, index) =>
    row
      .map((cell, column) => {
        const isNumber = index > 0 && typeof rows[index - 1]?.[column] === 'number';
        return isNumber ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0);
      })
      .join('  ')
      .trimEnd(),
  );
}

/** Columns of the terminal; undefined where there is none, and lines may be of any length. */
export function columns(): number | undefined {
  return process.stdout.isTTY === true ? process.stdout.columns : undefined;
}

/** Words in lines of the terminal's width, behind an indent. */
export function wrapped(words: string, indent: string, columnsOf: number | undefined = columns()): readonly string[] {
  const width = Math.max(20, (columnsOf ?? 120) - indent.length);
  const lines: string[] = [''];
  for (const word of words.split(' ')) {
    const last = lines.at(-1) ?? '';
    if (last !== '' && last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines.map((line) => `${indent}${line}`);
}

/** One row below the other, each cell behind the name of its column: for a terminal that is too narrow for columns. */
function listed(head: readonly string[], rows: Rows, width: number): readonly string[] {
  const names = Math.max(...head.slice(1).map((name) => name.length));
  return rows.flatMap(([first = '', ...others], index) => [
    ...(index === 0 ? [] : ['']),
    ...wrapped(printable(String(first)), '', width),
    ...others.flatMap((cell, column) => {
      const [begun = '', ...rest] = wrapped(printable(String(cell)), ' '.repeat(names + 4), width);
      return [`  ${(head[column + 1] ?? '').padEnd(names)}  ${begun.trimStart()}`, ...rest];
    }),
  ]);
}

const fits = (lines: readonly string[], width: number | undefined): boolean =>
  width === undefined || lines.every((line) => line.length <= width);

/** Rows in aligned columns, numbers to the right; where the terminal is too narrow for them, one row below the other. */
export function table(head: readonly string[], rows: Rows, width: number | undefined = columns()): readonly string[] {
  const lines = aligned(head, rows);
  return width === undefined || head.length < 2 || fits(lines, width) ? lines : listed(head, rows, width);
}

/** A table of which one column is cut, never below 20 places, where the terminal is too narrow for all of it. */
export function cutTable(
  head: readonly string[],
  rows: Rows,
  column: number,
  width: number | undefined = columns(),
): readonly string[] {
  const whole = aligned(head, rows);
  if (width === undefined || fits(whole, width)) return whole;
  const widest = Math.max(...whole.map((line) => line.length));
  const cells = rows.map((row) => printable(String(row[column] ?? '')));
  const most = Math.max(20, Math.max(...cells.map((cell) => cell.length)) - (widest - width));
  const cut = (cell: string | number): string | number => {
    const text = printable(String(cell));
    return text.length > most ? `${text.slice(0, most - 1)}…` : cell;
  };
  const lines = aligned(
    head,
    rows.map((row) => row.map((cell, index) => (index === column ? cut(cell) : cell))),
  );
  return fits(lines, width) ? lines : listed(head, rows, width);
}
