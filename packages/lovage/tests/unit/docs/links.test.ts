// Every relative link in the documents points at something that is there.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../../../../..');
const documents = [
  ...globSync('*.md', { cwd: ROOT }),
  ...globSync('docs/**/*.md', { cwd: ROOT }),
  ...globSync('scripts/**/*.md', { cwd: ROOT, exclude: ['**/node_modules/**'] }),
];

test('links in the documents lead somewhere', () => {
  const dead = documents.flatMap((document) =>
    [...readFileSync(join(ROOT, document), 'utf8').matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)]
      .map((match) => match[1] as string)
      .filter((link) => !existsSync(join(ROOT, dirname(document), link)))
      .map((link) => `${document} → ${link}`),
  );
  expect(dead).toEqual([]);
});
