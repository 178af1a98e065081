// The threat table of docs/security.md holds: its tests exist, its settings do, and what it says of the package itself is so.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { settingsTable } from '../../../src/app/index.ts';

const ROOT = resolve(import.meta.dirname, '../../../../..');
const PACKAGE = join(ROOT, 'packages/lovage');
const page = readFileSync(join(ROOT, 'docs/security.md'), 'utf8');
const rows = page.split('\n').filter((line) => /^\| S\d+ \|/.test(line));

test('every threat has tests, and they are there', () => {
  // S4 is the dashboard, which does not exist yet.
  expect(rows.map((row) => /S\d+/.exec(row)?.[0])).toEqual(
    Array.from({ length: 16 }, (_, index) => `S${index + 1}`).filter((id) => id !== 'S4'),
  );
  for (const row of rows) {
    const tests = [...row.matchAll(/\]\(\.\.\/([^)]*)\)/g)].map((match) => match[1] ?? '');
    expect([row, tests.length > 0]).toEqual([row, true]);
    expect(tests.filter((path) => !path.endsWith('.test.ts') || !existsSync(join(ROOT, path)))).toEqual([]);
  }
});

test('the settings of the table of limits exist', () => {
  const limits = page.slice(page.indexOf('## Limits'), page.indexOf('## Threats'));
  const named = [...limits.matchAll(/`(\w+)`/g)].map((match) => match[1] ?? '').filter((name) => !name.endsWith('repr'));
  expect(named.length).toBeGreaterThan(4);
  expect(named.filter((name) => !settingsTable.has(name as never))).toEqual([]);
});

test('what is installed with the package is named exactly, and runs nothing when it is installed', () => {
  const { dependencies, scripts } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>;
    readonly scripts: Readonly<Record<string, string>>;
  };
  expect(Object.entries(dependencies).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  expect(Object.keys(scripts).filter((name) => /^(pre|post)?install$|^prepare$/.test(name))).toEqual([]);
});

test('no shell is started: programs get their arguments as a list', () => {
  const shells = globSync('src/**/*.ts', { cwd: PACKAGE }).filter((file) => {
    const text = readFileSync(join(PACKAGE, file), 'utf8');
    return text.includes('node:child_process') && /\bexecSync\b|[^.\w]exec\(|shell:/.test(text);
  });
  expect(shells).toEqual([]);
});
