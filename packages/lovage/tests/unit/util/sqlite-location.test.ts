import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ConfigurationError, sqliteLocation } from '../../../src/util/index.ts';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'lovage-location-')));
mkdirSync(join(root, 'project', 'src', 'deep'), { recursive: true });
writeFileSync(join(root, 'project', 'package-lock.json'), '{}');
afterAll(() => rmSync(root, { recursive: true, force: true }));

const path = (url: string, app = 'shop', cwd = join(root, 'project', 'src', 'deep')): string =>
  sqliteLocation(url, app, {}, cwd).path;

test('the default file lies at the root of the project, wherever the program runs', () => {
  for (const url of ['sqlite:', 'sqlite://', 'SQLITE:']) expect(path(url)).toBe(join(root, 'project', '.lovage', 'shop.db'));
  expect(path('sqlite:', 'shop', join(root, 'project'))).toBe(join(root, 'project', '.lovage', 'shop.db'));
});

test('an app name is never a path', () => {
  expect(path('sqlite:', '../../etc/passwd')).toBe(join(root, 'project', '.lovage', '__.._etc_passwd.db'));
  expect(path('sqlite:', '')).toBe(join(root, 'project', '.lovage', 'app.db'));
});

test('a URL names a file, absolute or from the working directory', () => {
  expect(path('sqlite:///var/lib/a%20b.db')).toBe('/var/lib/a b.db');
  expect(path('sqlite:data/a.db')).toBe(join(root, 'project', 'src', 'deep', 'data', 'a.db'));
});

test('durability comes from the option, then from the URL', () => {
  expect(sqliteLocation('sqlite:///a.db', 'x').durability).toBe('process');
  expect(sqliteLocation('sqlite:///a.db?durability=power', 'x').durability).toBe('power');
  expect(sqliteLocation('sqlite:///a.db?durability=power', 'x', { durability: 'process' }).durability).toBe('process');
});

test.each(['sqlite::memory:', 'sqlite:///a.db?durability=none', 'sqlite:///%E0%A4%A', 'redis://x'])('%s is refused', (url) => {
  expect(() => path(url)).toThrow(ConfigurationError);
});

test('the lease is ten seconds unless an option says so, and never shorter than a tick can keep', () => {
  expect(sqliteLocation('sqlite:///a.db', 'x').lease).toBe(10);
  expect(sqliteLocation('sqlite:///a.db', 'x', { lease_seconds: 2 }).lease).toBe(2);
  expect(() => sqliteLocation('sqlite:///a.db', 'x', { leaseSeconds: 0.5 })).toThrow('leaseSeconds is 0.5');
  expect(() => sqliteLocation('sqlite:///a.db', 'x', { leaseSeconds: '2' })).toThrow('leaseSeconds is "2"');
});
