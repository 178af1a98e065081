// The quick way to quote a text says what JSON.stringify says.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { escaped, quoted } from '../../../src/util/index.ts';

const isRight = (text: string): boolean => quoted(text) === JSON.stringify(text) && `"${escaped(text)}"` === JSON.stringify(text);

it('quotes each character as JSON does', () => {
  for (let code = 0; code < 0x1_00_00; code++) {
    const text = `a${String.fromCharCode(code)}b`;
    if (!isRight(text)) expect.fail(`U+${code.toString(16)}: ${quoted(text)}, ${escaped(text)}`);
  }
});

it('quotes any text as JSON does', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), isRight));
});
