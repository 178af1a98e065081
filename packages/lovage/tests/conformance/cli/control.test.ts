// `lovage inspect`, `control` and `status` against a worker of another process, on the embedded default.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureBuilt, project, type Worker } from '../../support/program.ts';

const shop = project({
  'tasks.ts': `import { Lovage } from 'lovage';
export const app = new Lovage('shop');
export const add = app.task('shop.add', async (a: number, b: number) => a + b);
app.control.command('greet', { kind: 'inspect', help: 'Say hello.', args: [{ name: 'whom', required: true }, { name: 'times', type: 'integer' }],
  run: ({ hostname }, { whom, times = 1 }) => ({ said: 'hello ' + whom + ' from ' + hostname, times }) });
`,
});
let worker: Worker;

beforeAll(async () => {
  ensureBuilt();
  worker = await shop.worker('-n', 'w1@box', '-c', '2', { LOVAGE_WORKER_HEAP_SNAPSHOT_DIR: 'heaps' });
});
afterAll(async () => {
  worker.child.kill('SIGKILL');
  await worker.ended;
  shop[Symbol.dispose]();
});

const quick = ['-t', '0.7'];

test('status counts the workers that answer', async () => {
  const { code, stdout } = await shop.run(['status', ...quick]);
  expect([code, stdout]).toEqual([0, expect.stringMatching(/-> {2}w1@box: OK\n\n1 node online\.\n$/)]);
  const { workers } = JSON.parse((await shop.run(['status', '-j', ...quick])).stdout) as { workers: unknown };
  expect(workers).toEqual({ 'w1@box': { ok: 'pong' } });
});

test('inspect prints answers as Celery does, and pure JSON for programs', async () => {
  expect(await shop.run(['inspect', 'registered', '-d', 'w1@box'])).toMatchObject({
    code: 0,
    stdout: '->  w1@box: OK\n    * shop.add\n\n1 node online.\n',
  });
  expect((await shop.run(['inspect', 'active', '-d', 'w1@box'])).stdout).toContain('    - empty -\n');
  const { stdout } = await shop.run(['inspect', 'stats', '-d', 'w1@box', '--json']);
  expect(JSON.parse(stdout)).toMatchObject({ 'w1@box': { pid: worker.child.pid, pool: { 'max-concurrency': 2 } } });
});

test('commands of the app are listed, helped and run; their words become what they take', async () => {
  const list = await shop.run(['inspect', '--list']);
  expect(list.stdout).toMatch(/^greet <whom> \[times\] +Say hello\.$/m);
  const { stdout } = await shop.run(['inspect', 'greet', 'Ann', '2', '-d', 'w1@box', '-j']);
  expect(JSON.parse(stdout)).toEqual({ 'w1@box': { said: 'hello Ann from w1@box', times: 2 } });
  expect(await shop.run(['inspect', 'greet', 'Ann', 'often'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('takes a whole number for times') as unknown,
  });
  expect(await shop.run(['inspect', 'greet', 'a', '1', 'c'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("Command 'greet' takes arguments: greet <whom> [times]") as unknown,
  });
});

test('a slip of the hand is told with what was meant', async () => {
  expect(await shop.run(['control', 'rate_limits', 'shop.add', '1/s'])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(
      /not recognized\. Did you mean 'rate_limit'\? Available control commands: add_consumer/,
    ) as unknown,
  });
  expect(await shop.run(['inspect'])).toMatchObject({ code: 2, stderr: expect.stringContaining('--list') as unknown });
});

test('control says what came of it: 0 done, 1 an error of a worker, 69 nobody there', async () => {
  expect(await shop.run(['control', 'rate_limit', 'shop.add', '10/m', '-d', 'w1@box'])).toMatchObject({
    code: 0,
    stdout: '->  w1@box: OK\n    new rate limit set successfully\n',
  });
  expect(await shop.run(['control', 'rate_limit', 'nosuch', '10/m', '-d', 'w1@box'])).toMatchObject({
    code: 1,
    stdout: '->  w1@box: ERROR\n    unknown task\n',
  });
  expect(await shop.run(['control', 'pool_grow', '-d', 'nobody@box', '-t', '0.1'])).toMatchObject({
    code: 69,
    stderr: 'Error: No nodes replied within time constraint\n',
  });
});

test('heap_snapshot writes a file that nobody else may read, into the folder that is named for it', async () => {
  const { stdout } = await shop.run(['control', 'heap_snapshot', '-d', 'w1@box', '-t', '20', '-j']);
  const file = (JSON.parse(stdout) as { 'w1@box': { ok: string } })['w1@box'].ok;
  expect(file).toMatch(/\/heaps\/w1@box-\d+-\w+\.heapsnapshot$/);
  const { mode, size } = statSync(join(shop.folder, 'heaps', file.split('/').at(-1) ?? ''));
  expect([mode & 0o777, size > 100_000]).toEqual([0o600, true]);
});

test('shutdown is answered, and the worker ends well', async () => {
  expect(await shop.run(['control', 'shutdown', '-d', 'w1@box'])).toMatchObject({
    code: 0,
    stdout: '->  w1@box: OK\n    shutting down\n',
  });
  expect(await worker.ended).toBe(0);
});
