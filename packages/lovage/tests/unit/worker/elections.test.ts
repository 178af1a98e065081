import { expect, test } from 'vitest';
import { Elections } from '../../../src/worker/elections.ts';

test('a worker that stands alone is not answered, which would end it; two are, each once', () => {
  const elections = new Elections();
  expect(elections.answers('e', 'one@h')).toBe(0);
  expect(elections.answers('e', 'one@h')).toBe(0);
  expect(elections.answers('e', 'two@h')).toBe(2);
  expect(elections.answers('e', 'three@h')).toBe(1);
  expect(elections.answers('e', 'three@h')).toBe(0);
  expect(elections.answers('other', 'two@h')).toBe(0);
});

test('what is remembered is bounded', () => {
  const elections = new Elections();
  for (let n = 0; n <= 100; n++) elections.answers(`e${n}`, 'one@h');
  expect(elections.answers('e100', 'two@h')).toBe(2);
  expect(elections.answers('e0', 'two@h')).toBe(0);
});
