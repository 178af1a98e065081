// What `lovage shell` makes of code: a function that returns the value of the last expression.
import { expect, test } from 'vitest';
import { compileCode } from '../../../src/cli/commands/shell-code.ts';

test.each<[string, unknown]>([
  ['1 + one', 2],
  ['const two = 2;\ntwo;', 2],
  ['const o = {\n  n: 3,\n};\no.n\n', 3],
  ['const o = [1, 2]\no\n  .map((n) => n * 2)', [2, 4]],
  ['await Promise.resolve(4)', 4],
  ['({ n: 5 })', { n: 5 }],
  ['if (one) {\n  one;\n}', undefined],
  ['const two = 2; two + one', 3],
  ['const two = 2;\nlet n = two; n += 1; n', 3],
  ['const text = "a;b"; text', 'a;b'],
  ['if (one) { one; one }', undefined],
  ['if (!one) throw 1; else one', undefined],
  ['one // not; called()', 1],
  ['one /* not; called() */', 1],
  ['// nothing', undefined],
  ['', undefined],
])('%j', async (code, value) => {
  expect(await compileCode(code, ['one'])(1)).toEqual(value);
});

test('what is no program is a SyntaxError', () => {
  expect(() => compileCode('const = 1', [])).toThrow(SyntaxError);
});
