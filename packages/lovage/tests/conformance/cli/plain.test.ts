// Plain questions are asked by a copy of the program whose compiled code is kept: it says what the whole program says, and stands back where
// a module of the user is wanted.
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startRedis } from '../../../../../scripts/servers/index.ts';
import { ensureBuilt, project, type Ran, type Worker } from '../../support/program.ts';

const bare = project({
  'modules/tasks.ts': `import { Lovage } from 'lovage';
export const app = new Lovage('shop', { brokerUrl: process.env.SHOP });
app.control.command('greet', { kind: 'inspect', help: 'Say hello.', run: () => 'hello' });
`,
  'modules/said.ts': "console.error('loaded');\n",
});
const HOME = join(bare.folder, 'home');
const KEPT = join(HOME, '.cache/lovage/commands');
const servers = new AsyncDisposableStack();
let url: string;
let worker: Worker;

beforeAll(async () => {
  ensureBuilt();
  mkdirSync(HOME);
  url = servers.use(await startRedis()).url;
  worker = await bare.worker('-b', url, '-n', 'w1@box', '-c', '1');
}, 60_000);
afterAll(async () => {
  worker.child.kill('SIGKILL');
  await worker.ended;
  bare[Symbol.dispose]();
  await servers.disposeAsync();
});

/** By the copy, by the copy once more, and by the whole program. */
async function ways(line: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<readonly [Ran, Ran, Ran]> {
  const run = (more: Readonly<Record<string, string>>): Promise<Ran> => bare.run(line, { env: { HOME, ...env, ...more } });
  return [await run({}), await run({}), await run({ NODE_DISABLE_COMPILE_CACHE: '1' })];
}

const kept = (): readonly string[] => readdirSync(KEPT);

test('a question is answered alike, and its compiled code is kept once', async () => {
  rmSync(KEPT, { recursive: true, force: true });
  const line = ['-b', url, 'inspect', 'ping', '-d', 'w1@box'];
  await bare.run(line, { env: { HOME, NODE_DISABLE_COMPILE_CACHE: '1' } });
  await bare.run(line, { env: { HOME, NODE_OPTIONS: '--no-deprecation' } });
  expect(() => kept()).toThrow('ENOENT');
  const [first, second, whole] = await ways(line);
  expect(first).toEqual({ code: 0, stdout: '->  w1@box: OK\n    pong\n\n1 node online.\n', stderr: '' });
  expect([second, whole]).toEqual([first, first]);
  const times = kept().map((name) => statSync(join(KEPT, name)).ino);
  await bare.run(line, { env: { HOME } });
  expect(kept().length).toBeGreaterThan(0);
  expect(kept().map((name) => statSync(join(KEPT, name)).ino)).toEqual(times);
});

test.each([
  [['-b', 'redis://127.0.0.1:1', 'inspect', 'ping', '--json'], 69],
  [['-b', 'redis://[bad', 'inspect', 'ping'], 2],
  [['inspect', 'ping'], 2],
  [['-b', 'redis://127.0.0.1:1', 'control', 'rate_limits', 'a', '1/s'], 2],
])('%j fails alike, and keeps nothing', async (line, code) => {
  rmSync(KEPT, { recursive: true, force: true });
  const [first, second, whole] = await ways(line, { LOVAGE_BROKER_CONNECTION_TIMEOUT: '0.3' });
  expect(first.code).toBe(code);
  expect([second, whole]).toEqual([first, first]);
  expect(kept()).toEqual([]);
});

test('a revoke reaches the store that keeps it, whatever driver it has', async () => {
  for (const store of [url, `sqlite:${join(bare.folder, 'results.db')}`, `db+sqlite:///${join(bare.folder, 'sql.db')}`]) {
    const [first, second, whole] = await ways([
      '-b',
      url,
      '--result-backend',
      store,
      'control',
      'revoke',
      'an-id',
      '-d',
      'w1@box',
    ]);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect([second, whole]).toEqual([first, first]);
  }
});

test.each(['/dev/null', '', 'no/such/home', '/no/such/home'])("a home '%s' changes no answer, and is not made", async (home) => {
  const ran = await bare.run(['-b', url, 'inspect', 'ping', '-d', 'w1@box', '--json'], { env: { HOME: home } });
  expect(ran).toEqual({ code: 0, stdout: '{"w1@box":{"ok":"pong"}}\n', stderr: '' });
  expect([join(bare.folder, '.cache'), join(bare.folder, 'no'), '/no'].filter((path) => existsSync(path))).toEqual([]);
});

test('with a module of the user, named or found, there is one Lovage in the process', async () => {
  const env = { HOME, SHOP: url };
  const folder = join(bare.folder, 'modules');
  const named = await bare.run(['-A', 'modules/tasks.ts', 'inspect', 'ping', '-d', 'w1@box'], { env });
  const inFolder = await bare.run(['--workdir', folder, 'inspect', 'ping', '-d', 'w1@box'], { env });
  writeFileSync(join(bare.folder, 'app.ts'), "export { app } from './modules/tasks.ts';\n");
  const found = await bare.run(['inspect', 'ping', '-d', 'w1@box'], { env });
  rmSync(join(bare.folder, 'app.ts'));
  for (const ran of [named, inFolder, found]) expect(ran).toMatchObject({ code: 0, stderr: '' });
  const imports = await bare.run(['-b', url, 'inspect', 'ping', '-d', 'w1@box'], {
    env: { HOME, LOVAGE_IMPORTS: './modules/said.ts' },
  });
  expect(imports).toMatchObject({ code: 0, stderr: 'loaded\n' });
});
