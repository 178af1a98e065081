import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { settingsPage, settingsPagePath, settingsType, settingsTypePath } from '../../../../../scripts/settings.ts';

const source = new URL('../../../src/', import.meta.url);
const page = readFileSync(new URL('../../../../../docs/errors.md', import.meta.url), 'utf8');

/** Every code that an error is made with, and the files that do it. */
function codes(): { readonly codes: Set<string>; readonly files: Set<string> } {
  const found = { codes: new Set<string>(), files: new Set<string>() };
  for (const file of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    const text = readFileSync(new URL(file, source), 'utf8');
    for (const match of text.matchAll(/(?:code:\s*|super\(\s*|\?\?\s*)'(LOVAGE_[A-Z_]+)'/g)) {
      found.codes.add(match[1]!);
      found.files.add(file);
    }
  }
  return found;
}

test('every error has its class in the one tree', () => {
  expect([...codes().files]).toEqual(['util/errors.ts']);
});

test('docs/settings.md says what the table says (else run `node scripts/settings.ts`)', () => {
  expect(readFileSync(settingsPagePath, 'utf8')).toBe(settingsPage());
});

test('the type Settings says what the table says (else run `node scripts/settings.ts`)', () => {
  expect(readFileSync(settingsTypePath, 'utf8')).toBe(settingsType());
});

test('docs/errors.md lists exactly the codes that exist', () => {
  const listed = [...page.matchAll(/^\| `(LOVAGE_[A-Z_]+)` \|/gm)].map((match) => match[1]);
  expect(listed.toSorted()).toEqual([...codes().codes].toSorted());
});
