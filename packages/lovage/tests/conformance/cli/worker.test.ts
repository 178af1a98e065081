// The command line with a worker: results in a terminal's words, signals, dead letters, log formats, completion in a real bash.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureBuilt, LOVAGE, project, type Worker } from '../../support/program.ts';
import { soon } from '../../support/worker-app.ts';

const FILES = {
  'tasks.ts': `import { Lovage } from 'lovage';
export const app = new Lovage('shop');
app.task('shop.add', async (a: number, b: number) => a + b);
app.task('shop.fail', async () => { throw new TypeError('no such thing'); });
app.task('shop.big', async () => 123456789012345678901234567890n);
app.task('shop.bytes', async () => new Uint8Array([1, 2, 3]));
app.task('shop.nothing', async () => {});
app.task('shop.length', async (text: string) => text.length);
const waits = app.task('shop.wait', (ms: number) => { console.log('it waits'); return new Promise((done) => setTimeout(done, ms)); });
app.task('shop.six', async () => { await Promise.all(Array.from({ length: 6 }, () => waits.delay(1000))); });
app.task('shop.forever', () => new Promise(() => { setInterval(() => undefined, 1000); console.log('it runs'); }));
`,
};

const shop = project(FILES);
let worker: Worker;

beforeAll(async () => {
  ensureBuilt();
  worker = await shop.worker('-c', '4', '-n', 'w1@box');
});
afterAll(() => shop[Symbol.dispose]());

const wait = (...args: readonly string[]): ReturnType<typeof shop.run> =>
  shop.run(['call', ...args, '--wait', '--timeout', '20']);

test('the banner names the node, the broker and the tasks', () => {
  expect(worker.log()).toMatch(/w1@box v\d/);
  expect(worker.log()).toContain('.> transport:   sqlite://');
  expect(worker.log()).toContain('  . shop.add');
});

test('call --wait prints the result, as text and as JSON', async () => {
  expect(await wait('shop.add', '[1, 2]')).toMatchObject({ code: 0, stdout: '3\n' });
  expect(await wait('shop.nothing')).toMatchObject({ code: 0, stdout: 'null\n' });
  expect(await wait('shop.big')).toMatchObject({ code: 0, stdout: '123456789012345678901234567890\n' });
  expect((await wait('shop.big', '--json')).stdout).toContain('"result":123456789012345678901234567890}');
  expect(await wait('shop.bytes')).toMatchObject({ code: 0, stdout: '3 bytes: 010203\n' });
});

test('arguments of a megabyte come through standard input', async () => {
  const input = JSON.stringify(['x'.repeat(1_000_000)]);
  expect(await shop.run(['call', 'shop.length', '-', '--wait'], { input })).toMatchObject({ code: 0, stdout: '1000000\n' });
});

test('a task that fails exits 1 with type and message, then and later', async () => {
  expect(await wait('shop.fail')).toEqual({ code: 1, stdout: '', stderr: 'TypeError: no such thing\n' });
  const told = await wait('shop.fail', '--json');
  const { id, status, error } = JSON.parse(told.stdout) as { id: string; status: string; error: unknown };
  expect({ code: told.code, status, error }).toEqual({
    code: 1,
    status: 'FAILURE',
    error: { type: 'TypeError', message: 'no such thing' },
  });
  expect(await shop.run(['result', id])).toMatchObject({ code: 1, stdout: 'FAILURE\nTypeError: no such thing\n' });
  expect((await shop.run(['result', id, '--traceback'])).stdout).toContain('tasks.ts:4');
});

test('a result that does not come in time exits 1 and names the task', async () => {
  const { code, stderr } = await shop.run(['call', 'shop.add', '[1, 2]', '-Q', 'nobody', '--wait', '--timeout', '0.2']);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^Error: Task [0-9a-f-]{36} has no result after 0.2 s.*\n$/);
});

test('dead letters are listed with their reason, and purged by their own option', async () => {
  expect(await wait('shop.unheard')).toMatchObject({ code: 1 });
  const listed = await shop.run(['queues', '--dead', '--json']);
  expect(JSON.parse(listed.stdout)).toMatchObject([
    { queue: 'celery', task: 'shop.unheard', reason: 'unknown-task', node: 'w1@box' },
  ]);
  expect((await shop.run(['queues', '--dead'])).stdout).toContain('shop.unheard  unknown-task');
  expect(await shop.run(['purge', '--dead', '--force'])).toMatchObject({ code: 0, stdout: 'Deleted 1 message from 1 queue.\n' });
  expect((await shop.run(['queues', '--dead'])).stdout).toBe('No dead letters.\n');
});

test('TERM ends a worker with 0, a second INT ends a busy one with 3', async () => {
  using other = project(FILES);
  const idle = await other.worker();
  idle.child.kill('SIGTERM');
  expect(await idle.ended).toBe(0);
  const busy = await other.worker();
  await other.run(['call', 'shop.forever']);
  await busy.wrote('it runs');
  busy.child.kill('SIGINT');
  await busy.wrote('Warm shutdown');
  busy.child.kill('SIGINT');
  expect(await busy.ended).toBe(3);
  expect(busy.log()).toContain('Cold shutdown');
});

test('HUP runs the same command once more, under the same process id', async () => {
  using other = project(FILES);
  const again = await other.worker('-n', 'w1@box');
  again.child.kill('SIGHUP');
  await again.wrote('Restarting (SIGHUP)');
  await soon(() => expect(again.log().match(/w1@box ready\./g)).toHaveLength(2), 20_000);
  expect(again.child.exitCode).toBeNull();
  again.child.kill('SIGTERM');
  expect(await again.ended).toBe(0);
}, 60_000);

test('REMAP_SIGTERM=SIGQUIT makes TERM cold, USR1 prints what runs, and the process is called after the node', async () => {
  using other = project(FILES);
  const busy = await other.worker('-n', 'w1@box', { REMAP_SIGTERM: 'SIGQUIT' });
  expect(readFileSync(`/proc/${busy.child.pid}/cmdline`, 'utf8')).toMatch(/^lovage: w1@box:MainProcess/);
  await other.run(['call', 'shop.forever']);
  await busy.wrote('it runs');
  busy.child.kill('SIGUSR1');
  await busy.wrote('1 running');
  expect(busy.log()).toMatch(/\d s {2}shop\.forever\[[0-9a-f-]{36}\]/);
  busy.child.kill('SIGTERM');
  expect(await busy.ended).toBe(3);
  expect(busy.log()).toContain('Cold shutdown (SIGTERM)');
});

test('--autoscale counts processes and threads, however many tasks each runs, and AUTOSCALE_KEEPALIVE says when it shrinks', async () => {
  using other = project(FILES);
  const words = ['-P', 'threads', '--slot-concurrency', '3', '--autoscale', '2,1'];
  const scaled = await other.worker(...words, { AUTOSCALE_KEEPALIVE: '0.1' });
  await other.run(['call', 'shop.six']);
  await soon(() => expect(scaled.log().match(/it waits/g)).toHaveLength(6), 20_000);
  expect(scaled.log()).toContain('Scaling up 1 slot.');
  await scaled.wrote('Scaling down 1 slot.');
  const wrong = await other.run(['worker', '--autoscale', '2,1'], { env: { AUTOSCALE_KEEPALIVE: 'soon' } });
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining("AUTOSCALE_KEEPALIVE is 'soon'") as unknown });
}, 60_000);

test('log lines can be JSON, and settings follow a --', async () => {
  using other = project(FILES);
  const json = await other.worker('--log-format', 'json', '-q', '--', 'worker.concurrency=(int)3');
  json.child.kill('SIGTERM');
  await json.ended;
  const lines = json.log().trim().split('\n');
  for (const line of lines) expect(JSON.parse(line)).toMatchObject({ level: expect.any(String) as unknown });
});

test('workerLogColor colours the log where no terminal is', async () => {
  using other = project(FILES);
  const logs = ['worker.concurrency=1', 'workerLogColor=true'].map(async (pair) => {
    const worker = await other.worker('-n', pair, '-q', '--', pair);
    worker.child.kill('SIGTERM');
    await worker.ended;
    return worker.log().includes('\u001b[');
  });
  expect(await Promise.all(logs)).toEqual([false, true]);
});

test('a process that is not ready within workerProcAliveTimeout is given up, and the cause told', async () => {
  const sleep =
    "if (process.argv[1]?.includes('slot-process')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);";
  using other = project({ 'tasks.ts': `${FILES['tasks.ts']}${sleep}\n` });
  const words = ['worker', '-P', 'prefork', '-c', '1', '-q', '--', 'worker.procAliveTimeout=0.3'];
  expect(await other.run(words)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('not ready within 0.3 seconds (setting workerProcAliveTimeout)') as unknown,
  });
});

const COMPLETE = `
lovage() { "$NODE" "$LOVAGE" "$@"; }
eval "$(lovage completion bash)"
try() {
  COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=\${#COMP_LINE}; COMPREPLY=()
  _lovage lovage "\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[COMP_CWORD-1]}"
  echo "\${COMPREPLY[*]}"
}
try lovage wo
try lovage worker --conc
try lovage worker -l D
try lovage worker -P ''
try lovage -A ta
try lovage -A tasks.ts purge --d
try lovage control revo
`;

test('bash completes commands, options, values and files', async () => {
  const env = { ...process.env, NODE: process.execPath, LOVAGE };
  const out = await new Promise<string>((done) =>
    execFile('bash', ['--norc', '-c', COMPLETE], { cwd: shop.folder, env }, (_error, stdout, stderr) => done(stdout + stderr)),
  );
  expect(out.split('\n').map((line) => line.trim())).toEqual([
    'worker',
    '--concurrency',
    'DEBUG',
    'async solo threads prefork',
    'tasks.ts',
    '--dead --dotenv',
    'revoke revoke_by_stamped_headers',
    '',
  ]);
});

test.each([
  ['zsh', '#compdef lovage'],
  ['fish', 'complete -c lovage'],
])('there is a script for %s', async (shell, words) => {
  expect(await shop.run(['completion', shell])).toMatchObject({ code: 0, stdout: expect.stringContaining(words) as unknown });
});
