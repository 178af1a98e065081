// Commands that look: shell, logtool, config, report.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureBuilt, project } from '../../support/program.ts';

const shop = project({
  'tasks.ts': `import { Lovage } from 'lovage';
export const app = new Lovage('shop', { taskDefaultQueue: 'orders', redisPassword: 'hunter2' });
export const add = app.task('shop.add', async (a: number, b: number) => a + b);
`,
  'celery.log': `[2026-11-23 18:00:42,123: INFO/MainProcess] Task proj.add[aaa] received
[2026-11-23 18:00:42,126: INFO/ForkPoolWorker-1] Task proj.add[aaa] succeeded in 0.003s: 3
[2026-11-23 18:00:43,000: INFO/MainProcess] Task proj.add[bbb] received
[2026-11-23 18:00:43,001: ERROR/ForkPoolWorker-1] Task proj.add[bbb] raised unexpected: ValueError('x')
Traceback (most recent call last):
  File "x.py", line 1
[2026-11-23 18:00:44,000: INFO/MainProcess] Task proj.add[ccc] received
[2026-11-23 18:00:44,000: WARNING/MainProcess] something else
`,
  'own.log': `{"time":"2026-11-23T18:00:42.123Z","level":"INFO","process":"MainProcess","message":"Task shop.add[ddd] received"}
{"time":"2026-11-23T18:00:42.125Z","level":"ERROR","process":"MainProcess","message":"Task shop.add[ddd] raised unexpected: Error: x\\nError: x\\n    at y"}
`,
});

beforeAll(ensureBuilt);
afterAll(() => shop[Symbol.dispose]());

test('shell runs what comes from a pipe or with -e, and ends at the first error', async () => {
  const code = 'const one = 1;\nfunction two() {\n  return 2;\n}\nconst sent = await add.delay(one, two());\nsent.id.length\n';
  expect(await shop.run(['-A', 'tasks.ts', 'shell'], { input: code })).toEqual({ code: 0, stdout: '36\n', stderr: '' });
  expect((await shop.run(['-A', 'tasks.ts', 'shell', '-e', 'app.name'])).stdout).toBe('shop\n');
  expect((await shop.run(['-A', 'tasks.ts', 'shell', '-e', '({ n: 2n })', '--json'])).stdout).toBe('{"n":2}\n');
  const failed = await shop.run(['-A', 'tasks.ts', 'shell'], { input: 'nosuch();\nconsole.log("on")\n' });
  expect(failed).toEqual({ code: 1, stdout: '', stderr: 'Error: ReferenceError: nosuch is not defined\n' });
  expect(await shop.run(['-A', 'tasks.ts', 'shell', '-e', 'const = 1'])).toMatchObject({ code: 2, stdout: '' });
  expect(await shop.run(['-A', 'tasks.ts', 'shell', '-T', '-e', 'typeof add'])).toMatchObject({ code: 0, stdout: 'undefined\n' });
});

test('logtool reads logs of Celery and of Lovage', async () => {
  const { stdout } = await shop.run(['logtool', 'stats', 'celery.log', 'own.log', '--json']);
  expect(JSON.parse(stdout)).toMatchObject({
    records: 8,
    tasks: [
      { name: 'proj.add', received: 3, succeeded: 1, failed: 1, meanRuntime: 0.003 },
      { name: 'shop.add', received: 1, failed: 1 },
    ],
  });
  expect((await shop.run(['logtool', 'traces', 'celery.log'])).stdout).toContain('  File "x.py", line 1\n');
  expect(
    (await shop.run(['logtool', 'errors', '-'], { input: '[2026-11-23 18:00:43,001: CRITICAL/X] boom\n' })).stdout,
  ).toContain('boom');
  expect(await shop.run(['logtool', 'incomplete', 'celery.log', '--json'])).toMatchObject({
    code: 1,
    stdout: '[{"id":"ccc","name":"proj.add","last":"received","time":"2026-11-23 18:00:44,000"}]\n',
  });
  expect((await shop.run(['logtool', 'debug', 'celery.log'])).stdout).toContain('something else');
  expect(await shop.run(['logtool', 'stats', 'nosuch.log'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('nosuch.log') as unknown,
  });
});

test('upgrade settings writes a configuration that the app takes, with a copy of what stood there', async () => {
  const folder = join(shop.folder, 'old');
  mkdirSync(folder);
  writeFileSync(
    join(folder, 'celeryconfig.py'),
    "import os\nCELERY_DEFAULT_QUEUE = 'media'\nCELERYD_CONCURRENCY = 2 * 4\nBROKER_URL = os.environ['URL']\nopen('ran', 'w')\n",
  );
  const words = ['upgrade', 'settings', 'old/celeryconfig.py'];
  const first = await shop.run(words);
  expect(first).toMatchObject({ code: 1, stderr: '' });
  expect(first.stdout).toContain('line 4, BROKER_URL: it comes from the environment (URL): set LOVAGE_BROKER_URL there instead.');
  expect(existsSync(join(folder, 'ran'))).toBe(false);
  const target = join(folder, 'lovage.config.ts');
  const read = await shop.run(['-A', 'tasks.ts', '--config', target, 'config', 'workerConcurrency', '--json']);
  expect(JSON.parse(read.stdout)).toMatchObject([{ name: 'workerConcurrency', value: 8 }]);
  expect(JSON.parse((await shop.run([...words, '--json'])).stdout)).toMatchObject({ changed: false, backup: null });
  for (const backup of [`${target}.orig`, `${target}.orig.1`]) {
    writeFileSync(target, `// ${backup}`);
    expect((await shop.run(words)).stdout).toContain(`What stood there is in old/${basename(backup)}`);
    expect(readFileSync(backup, 'utf8')).toBe(`// ${backup}`);
  }
  const piped = await shop.run(['upgrade', 'settings', '-', '-o', '-'], { input: 'task_acks_late = True\n' });
  expect(piped).toMatchObject({ code: 0, stdout: expect.stringContaining('  taskAcksLate: true,\n') as unknown });
  expect(await shop.run(['upgrade', 'settings', 'nosuch.py'])).toMatchObject({ code: 2, stdout: '' });
  expect(await shop.run(['upgrade', 'settings', '-'], { input: "a = 'x\n" })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('-:1 cannot be read: a text is not closed') as unknown,
  });
});

test('demo counts the words of a folder on a broker of its own, which is gone afterwards', async () => {
  const folder = join(shop.folder, 'texts');
  mkdirSync(folder);
  writeFileSync(join(folder, 'a.txt'), 'lovage lovage celery\n');
  writeFileSync(join(folder, 'b.bin'), 'lovage\0lovage');
  const tmp = join(shop.folder, 'tmp');
  mkdirSync(tmp);
  const ran = await shop.run(['demo', 'texts', '--json'], { env: { TMPDIR: tmp } });
  expect(ran).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(ran.stdout)).toMatchObject({
    files: 1,
    words: 3,
    frequent: { lovage: 2, celery: 1 },
    retried: 'a.txt: worked at attempt 3',
  });
  // Node's compile cache is there, too.
  expect(readdirSync(tmp).filter((name) => name.includes('demo'))).toEqual([]);
  expect(await shop.run(['demo', 'tmp'])).toMatchObject({ code: 2, stderr: expect.stringContaining('no text file') as unknown });
});

test('config shows values, where they come from and no secrets', async () => {
  const env = { LOVAGE_BROKER_URL: 'redis://:hunter2@localhost/1' };
  const { stdout } = await shop.run(['-A', 'tasks.ts', 'config'], { env });
  expect(stdout).toMatch(/brokerUrl +"redis:\/\/:\*+@localhost\/1" +the environment variable LOVAGE_BROKER_URL\n/);
  expect(stdout).toMatch(/taskDefaultQueue +"orders" +the constructor\n/);
  expect(stdout).not.toContain('hunter2');
  const one = await shop.run(['-A', 'tasks.ts', 'config', 'task_serializer', '--json']);
  expect(JSON.parse(one.stdout)).toMatchObject([{ name: 'taskSerializer', value: 'json', origin: 'the default' }]);
  expect((await shop.run(['-A', 'tasks.ts', 'config', 'nosuch'])).code).toBe(2);
  const report = await shop.run(['-A', 'tasks.ts', 'report'], { env });
  expect(report.stdout).toContain('taskDefaultQueue = "orders"');
  expect(report.stdout).not.toContain('hunter2');
});
