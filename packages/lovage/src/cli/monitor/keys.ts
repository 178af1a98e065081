// From the bytes of a terminal in raw mode to keys.
import type { Key } from './model.ts';

const SEQUENCES: Readonly<Record<string, Key>> = {
  '\u001b[A': 'up',
  '\u001bOA': 'up',
  '\u001b[B': 'down',
  '\u001bOB': 'down',
  '\u001b[5~': 'pageUp',
  '\u001b[6~': 'pageDown',
  '\u001b[H': 'home',
  '\u001bOH': 'home',
  '\u001b[1~': 'home',
  '\u001b[F': 'end',
  '\u001bOF': 'end',
  '\u001b[4~': 'end',
  '\r': 'enter',
  '\n': 'enter',
  '\t': 'tab',
  '\u007f': 'backspace',
  '\b': 'backspace',
  '\u0003': 'interrupt',
  '\u0004': 'interrupt',
  '\u001b': 'escape',
};
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what a terminal sends
const SEQUENCE = /^\u001b(?:\[[0-9;?]*[A-Za-z~]|O[A-Z])/;

/** The keys in what came at once; sequences that stand for none are left out. */
export function keysOf(input: string): readonly Key[] {
  const keys: Key[] = [];
  let rest = input;
  while (rest !== '') {
    const sequence = SEQUENCE.exec(rest)?.[0] ?? String.fromCodePoint(rest.codePointAt(0) ?? 0);
    rest = rest.slice(sequence.length);
    const known = SEQUENCES[sequence];
    if (known !== undefined) keys.push(known);
    else if (sequence.length <= 2 && (sequence.codePointAt(0) ?? 0) >= 32) keys.push(sequence);
  }
  return keys;
}
