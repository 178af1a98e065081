// What commands print: plain lines for people, one JSON value with --json; control characters from data never reach the terminal raw.
import { stripVTControlCharacters, styleText } from 'node:util';

export interface Output {
  readonly json: boolean;
  readonly quiet: boolean;
  /** For people: nothing with --json or --quiet. */
  line(text?: string): void;
  /** For people, on stderr. */
  warn(text: string): void;
  /** The answer: with --json as JSON, else as `lines` puts it. */
  answer(value: unknown, lines: readonly string[]): void;
  style(format: 'bold' | 'dim' | 'green' | 'red' | 'yellow', text: string): string;
}

/** Text from a message, a name or an error, made safe for one line of a terminal. */
export function printable(text: string): string {
  return Array.from(stripVTControlCharacters(text), (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code < 32 || (code >= 127 && code < 160) ? `\\x${code.toString(16).padStart(2, '0')}` : character;
  }).join('');
}

function forJson(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value instanceof Error) return { name: value.name, message: value.message };
  return value;
}

/** A value of any kind as indented JSON; what JSON cannot hold is written as text. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value, forJson, 2) ?? String(value);
}

export function createOutput(options: { readonly json: boolean; readonly quiet: boolean; readonly color: boolean }): Output {
  const style: Output['style'] = (format, text) => (options.color ? styleText(format, text, { validateStream: false }) : text);
  return {
    json: options.json,
    quiet: options.quiet,
    line: (text = '') => {
      if (!options.json && !options.quiet) process.stdout.write(`${text}\n`);
    },
    warn: (text) => void process.stderr.write(`${style('yellow', text)}\n`),
    answer: (value, lines) => {
      process.stdout.write(options.json ? `${JSON.stringify(value, forJson)}\n` : lines.map((line) => `${line}\n`).join(''));
    },
    style,
  };
}

/** Rows in aligned columns; numbers to the right. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): readonly string[] {
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
