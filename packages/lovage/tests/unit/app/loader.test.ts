import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { findTaskModules } from '../../../src/app/discovery.ts';
import { findApp, pickApp } from '../../../src/app/loader.ts';
import { Lovage } from '../../../src/app/lovage.ts';
import { importModule, splitExport } from '../../../src/app/modules.ts';
import { findConfigFile } from '../../../src/app/places.ts';
import { ConfigurationError } from '../../../src/util/index.ts';
import { testFolder } from '../../support/folder.ts';
import { setup } from './support.ts';

/** A folder with these files. */
function project(files: Record<string, string>): string {
  const folder = testFolder('project');
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

test.each([
  ['tasks.ts', 'tasks.ts', undefined],
  ['src/tasks.ts:app', 'src/tasks.ts', 'app'],
  ['src/tasks#queue', 'src/tasks', 'queue'],
  ['C:\\shop\\tasks.ts', 'C:\\shop\\tasks.ts', undefined],
  ['file:///a/tasks.ts', 'file:///a/tasks.ts', undefined],
])('%s is the path %s and the export %s', (specifier, path, name) => {
  expect(splitExport(specifier)).toEqual({ path, name });
});

test('a module is found without its extension, and as a folder with an index', async () => {
  const folder = project({
    'a.ts': 'export const x: number = 1;',
    'b/index.mjs': 'export const x = 2;',
    'c.cjs': 'exports.x = 3;',
  });
  expect((await importModule('./a', folder)).x).toBe(1);
  expect((await importModule('b', folder)).x).toBe(2);
  expect((await importModule('c', folder)).x).toBe(3);
  await expect(importModule('./nothing', folder)).rejects.toThrow(ConfigurationError);
});

test('of a folder without an index the usual place in it is the app', async () => {
  const lovage = JSON.stringify(new URL('../../../src/index.ts', import.meta.url).href);
  const app = `import { Lovage } from ${lovage}; export const app = new Lovage('found');`;
  const folder = project({
    'proj/lovage.ts': app,
    'none/x.ts': '',
    'both.ts': app,
    'both/app.ts': "throw new Error('not this one');",
  });
  expect((await findApp('proj', { base: folder })).name).toBe('found');
  expect((await findApp('./both', { base: folder })).name).toBe('found');
  await expect(findApp('./none', { base: folder })).rejects.toThrow(ConfigurationError);
});

test('TypeScript that Node cannot strip is loaded all the same, and shares what was loaded before', async () => {
  const folder = project({
    'app.ts': 'export const list: string[] = [];',
    'tasks.ts':
      "import { list } from './app';\nenum Color { Red = 'red' }\nlist.push(Color.Red);\nexport const color = Color.Red;",
  });
  const { list } = await importModule('./app.ts', folder);
  expect((await importModule('./tasks.ts', folder)).color).toBe('red');
  expect(list).toEqual(['red']);
});

test('an error inside a module passes unchanged', async () => {
  const folder = project({ 'broken.ts': "throw new TypeError('mine');" });
  await expect(importModule('./broken', folder)).rejects.toThrow(new TypeError('mine'));
});

test('the one app that a module exports is found, under whatever name', () => {
  const app = setup();
  expect(pickApp({ shop: app, other: 1 }, 'f.ts', undefined)).toBe(app);
  expect(pickApp({ default: { queue: app } }, 'f.cjs', undefined)).toBe(app);
  expect(pickApp({ app, second: setup() }, 'f.ts', undefined)).toBe(app);
});

test('a doubtful app is an error that says what to write', () => {
  const [one, two] = [setup(), setup()];
  expect(() => pickApp({ one, two }, 'f.ts', undefined)).toThrow(/-A f\.ts:one/);
  expect(() => pickApp({ x: 1 }, 'f.ts', undefined)).toThrow(/export const app = new Lovage/);
  expect(() => pickApp({ one }, 'f.ts', 'on')).toThrow(/Did you mean 'one'\?/);
  expect(() => pickApp({ one: 1 }, 'f.ts', 'one')).toThrow(/not an app/);
  const foreign = Object.defineProperty({}, Symbol.for('lovage.app.v1'), { value: true });
  expect(() => pickApp({ foreign }, 'f.ts', undefined)).toThrow(/another copy of Lovage/);
});

test('findApp loads the app, its config file, its overrides and its task modules', async () => {
  const lovage = JSON.stringify(new URL('../../../src/index.ts', import.meta.url).href);
  const folder = project({
    'app.mjs': `import { Lovage } from ${lovage};
export const app = new Lovage('found', {}, { environment: {} });
app.autodiscover('jobs', import.meta.dirname);`,
    'my.config.mjs': "export default { taskDefaultQueue: 'from-file', brokerUrl: 'memory://file' };",
    'jobs/mail/tasks.mjs': "import { app } from '../../app.mjs';\nexport const mail = app.task('mail', () => 1);",
    'jobs/mail/other.mjs': "throw new Error('never loaded');",
  });
  const app = await findApp('app.mjs:app', {
    base: folder,
    config: join(folder, 'my.config.mjs'),
    overrides: { brokerUrl: 'memory://flag' },
    pairs: ['worker.concurrency=3'],
  });
  expect(app).toBeInstanceOf(Lovage);
  expect(app.settings).toMatchObject({ taskDefaultQueue: 'from-file', brokerUrl: 'memory://flag', workerConcurrency: 3 });
  expect([...app.tasks].map(({ name }) => name)).toEqual(['mail']);
  await app.close();
});

test('without a name the usual places are looked through; an app without tasks is the last resort', async () => {
  const lovage = JSON.stringify(new URL('../../../src/index.ts', import.meta.url).href);
  const folder = project({
    'src/tasks.mjs': `import { Lovage } from ${lovage};\nexport default new Lovage('usual', {}, { environment: {} });`,
  });
  expect((await findApp(undefined, { base: folder })).name).toBe('usual');
  expect((await findApp(undefined, { base: project({}) })).name).toBe('lovage');
});

test('imports are loaded in their order, and the signal tells which', async () => {
  const folder = project({ 'a.mjs': 'globalThis.order = ["a"];', 'b.mjs': 'globalThis.order.push("b");' });
  await using app = setup({ imports: [join(folder, 'a.mjs')], include: [join(folder, 'b.mjs')] });
  const told: string[] = [];
  app.signals.on('import_modules', ({ modules }) => void told.push(...modules));
  await app.importTasks();
  expect((globalThis as { order?: string[] }).order).toEqual(['a', 'b']);
  expect(told).toHaveLength(2);
});

test('globs find modules, not declarations, tests or what is installed', async () => {
  const folder = project({
    'a/x.tasks.ts': '',
    'a/x.tasks.test.ts': '',
    'a/y.tasks.d.ts': '',
    'node_modules/z/z.tasks.ts': '',
    'b.tasks.js': '',
  });
  expect(await findTaskModules(['**/*.tasks'], folder)).toEqual([join(folder, 'a/x.tasks.ts'), join(folder, 'b.tasks.js')]);
});

test('the config file is found upwards, but not beyond the project', () => {
  const folder = project({ 'lovage.config.ts': '', 'in/here/x': '', 'other/.git/HEAD': '', 'other/deep/x': '' });
  expect(findConfigFile(join(folder, 'in/here'))).toBe(join(folder, 'lovage.config.ts'));
  expect(findConfigFile(join(folder, 'other/deep'))).toBeUndefined();
});
