// Programs in the background: pid files, log files, `multi`, and what a second start hears.
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { isAlive } from '../../../src/cli/daemon/pid-file.ts';
import { ensureBuilt, project } from '../../support/program.ts';

const TASKS = `import { Lovage } from 'lovage';
export const app = new Lovage('shop');
export const add = app.task('shop.add', async (a: number, b: number) => a + b);
`;
const shop = project({ 'tasks.ts': TASKS, 'test.env': 'LOVAGE_APP=tasks.ts\nLOVAGE_WORKER_CONCURRENCY=3\n' });
const at = (name: string): string => join(shop.folder, name);
const pidIn = (name: string): number => Number(readFileSync(at(name), 'utf8'));
const isGone = (pid: number): boolean => !isAlive(pid);
const gone = (pid: number): Promise<void> => vi.waitFor(() => expect(isGone(pid)).toBe(true), { timeout: 20_000, interval: 20 });

const env = { XDG_STATE_HOME: at('state') };
const started: number[] = [];

beforeAll(ensureBuilt);
afterAll(async () => {
  for (const pid of started) if (!isGone(pid)) process.kill(pid, 'SIGKILL');
  await Promise.all(started.map(gone));
  shop[Symbol.dispose]();
});

test('a worker in the background: pid file, log file, mask; a second one ends with 73; TERM ends it and the file goes', async () => {
  const line = [
    'worker',
    '-n',
    'one@box',
    '--pidfile=run/%n.pid',
    '-f',
    'log/%n%I.log',
    '--umask',
    '077',
    '-P',
    'prefork',
    '-c',
    '1',
  ];
  expect(await shop.run([...line, '--detach'])).toEqual({ code: 0, stdout: '', stderr: '' });
  const pid = pidIn('run/one.pid');
  started.push(pid);
  expect(statSync(at('log')).mode & 0o777).toBe(0o700);
  const second = await shop.run(line);
  expect(second).toMatchObject({
    code: 73,
    stdout: '',
    stderr: expect.stringContaining(`process ${pid} seems to run`) as unknown,
  });
  expect(await shop.run([...line, '-D', '--json'])).toMatchObject({ code: 73 });
  expect(await shop.run(['call', 'shop.add', '[1, 2]', '--wait'])).toMatchObject({ code: 0, stdout: '3\n' });
  process.kill(pid, 'SIGTERM');
  await gone(pid);
  expect(existsSync(at('run/one.pid'))).toBe(false);
  expect(readFileSync(at('log/one.log'), 'utf8')).toContain('one@box ready.');
});

test('a worker that fails after its start in the background has its last words in its log', async () => {
  const lost = ['-b', 'redis://127.0.0.1:1', 'worker', '-n', 'lost@box', '--pidfile=run/%n.pid', '-f', 'log/%n.log', '-D'];
  const limits = ['--', 'brokerConnectionRetryOnStartup=no', 'brokerConnectionTimeout=0.3'];
  expect(await shop.run([...lost, ...limits])).toMatchObject({ code: 0 });
  const words = () => readFileSync(at('log/lost.log'), 'utf8');
  await vi.waitFor(() => expect(words()).toContain('CRITICAL'), { timeout: 10_000, interval: 20 });
  expect(words()).toMatch(
    /CRITICAL.*The broker redis:\/\/127\.0\.0\.1:1 cannot be reached: .*ECONNREFUSED.*\(setting brokerConnectionRetryOnStartup\)/,
  );
});

test('what a dead program left is taken over, with a word; a start that fails leaves nothing', async () => {
  mkdirSync(at('old'));
  writeFileSync(at('old/w.pid'), 'rubbish');
  const worker = await shop.worker('-n', 'w@box', '--pidfile=old/w.pid', '--dotenv', 'test.env');
  expect(worker.log()).toContain("Broken pid file '");
  expect(worker.log()).toMatch(/concurrency: +3/);
  expect(pidIn('old/w.pid')).toBe(worker.child.pid);
  worker.child.kill('SIGKILL');
  await worker.ended;
  const next = await shop.worker('-n', 'w@box', '--pidfile=old/w.pid', '--allow-duplicate-name');
  expect(next.log()).toContain("Stale pid file '");
  next.child.kill('SIGTERM');
  await next.ended;
  expect(existsSync(at('old/w.pid'))).toBe(false);
  const bad = await shop.run(['worker', '-D', '-P', 'nosuch', '--pidfile=old/bad.pid']);
  expect(bad).toMatchObject({ code: 2, stderr: expect.stringContaining("no pool 'nosuch'") as unknown });
  expect(existsSync(at('old/bad.pid'))).toBe(false);
});

test('multi starts, restarts and stops nodes by their own options', async () => {
  const nodes = ['2', '-c', '1', '-Q:2', 'mail'];
  const begun = await shop.run(['-A', 'tasks.ts', 'multi', 'start', ...nodes], { env });
  expect(begun).toMatchObject({ code: 0, stderr: '' });
  expect(begun.stdout).toMatch(/^> Starting nodes\.\.\.\n\t> lovage1@\S+: OK\n\t> lovage2@\S+: OK\n$/);
  const again = await shop.run(['multi', 'start', ...nodes, '--json'], { env });
  const fates = JSON.parse(again.stdout) as { ok: boolean; error: string }[];
  expect(again.code).toBe(1);
  expect(fates.map(({ ok }) => ok)).toEqual([false, false]);
  const pids = fates.map(({ error }) => Number(/process (\d+) seems/.exec(error)?.[1]));
  started.push(...pids);
  const restarted = await shop.run(['-A', 'tasks.ts', 'multi', 'restart', ...nodes, '--json'], { env });
  expect(restarted.code).toBe(0);
  const after = (JSON.parse(restarted.stdout) as { ok: boolean; pid: number }[]).map(({ pid }) => pid);
  started.push(...after);
  expect(after.some((pid) => pids.includes(pid))).toBe(false);
  expect(pids.every(isGone)).toBe(true);
  const stopped = await shop.run(['multi', 'stopwait', '2'], { env });
  expect(stopped.stdout).toContain(`TERM -> ${after[0]}`);
  expect(stopped.code).toBe(0);
  expect(after.every(isGone)).toBe(true);
  expect((await shop.run(['multi', 'stop', '2', '-KILL'], { env })).stdout).toMatch(/lovage1@\S+: DOWN\n> lovage2@\S+: DOWN\n$/);
});

test('multi shows what it would do, and says what is wrong', async () => {
  const shown = await shop.run([
    '-A',
    'tasks.ts',
    'multi',
    'show',
    'a@x',
    '-c',
    '3',
    '--pidfile=%n.pid',
    '-f',
    '%n.log',
    '--',
    'worker.direct=1',
  ]);
  expect(shown.stdout).toBe('lovage --app=tasks.ts worker --detach -c 3 --pidfile=a.pid -f a.log -n a@x -- worker.direct=1\n');
  expect((await shop.run(['multi', 'names', 'a@x', 'b@y', '--json'])).stdout).toBe('["a@x","b@y"]\n');
  expect((await shop.run(['multi', 'expand', '%n-%h', 'a@x'])).stdout).toBe('a-a@x\n');
  expect(await shop.run(['multi', 'startt', '2'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("Did you mean 'start'?") as unknown,
  });
  expect(await shop.run(['multi', 'start', '-c', '2'])).toMatchObject({ code: 2 });
  expect((await shop.run(['multi'])).stdout).toContain('NODES is a number');
  expect((await shop.run(['multi', '--help'])).stdout).toContain('Examples:');
  expect(await shop.run(['--dotenv', 'nope', 'multi', 'names', '1'])).toMatchObject({ code: 2 });
  expect(await shop.run(['worker', '--umask', '9'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('no octal') as unknown,
  });
  expect(await shop.run(['worker', '--uid', 'no-such-user'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("no user 'no-such-user'") as unknown,
  });
});

test.each([
  [['worker', '--pidfile', 'folder'], "pid file 'folder' cannot be written: it is a folder"],
  [['worker', '--pidfile', 'file/x.pid'], 'is no folder'],
  [['worker', '-f', 'folder'], "log file 'folder' cannot be written: it is a folder"],
  [['worker', '-S', 'file/x.state'], "state file 'file/x.state' cannot be written"],
  [['worker', '--heartbeat-file', 'folder'], "heartbeat file 'folder' cannot be written"],
  [['worker', '-B', '-s', 'folder'], "schedule file 'folder' cannot be written"],
  [['worker', '-D', '--', 'worker.logfile=folder'], 'setting workerLogfile'],
  [['worker', '-b', 'sqlite://./folder'], 'the database is a file'],
  [['beat', '-s', 'folder'], "schedule file 'folder' cannot be written"],
  [['beat', '-f', 'folder'], "log file 'folder' cannot be written"],
  [['beat', '-s', '/proc/none/schedule'], "nothing can be made in the folder '/proc' (ENOENT)"],
  [['events', '--camera', './none.ts', '-f', 'folder'], "log file 'folder' cannot be written"],
])('%j names a file that cannot be: one line at the start', async (words, reason) => {
  mkdirSync(at('folder'), { recursive: true });
  writeFileSync(at('file'), 'x');
  const { code, stderr } = await shop.run(words);
  expect([code, stderr]).toEqual([2, expect.stringMatching(/^(.*WARNING.*\n)*Error: .*\n$/)]);
  expect(stderr).toContain(reason);
});

test('the folders of a state file are made', async () => {
  const worker = await shop.worker('-n', 'kept@box', '-S', 'new/deep/%n.state');
  worker.child.kill('SIGTERM');
  await worker.ended;
  expect(existsSync(at('new/deep/kept.state'))).toBe(true);
});

const CAMERA = `import { appendFileSync } from 'node:fs';
export const camera = (): void => appendFileSync('shots', 'x');
`;

test('pid file, mask and log file of events come from their settings, too', async () => {
  const settings = { eventsPidfile: 'run/set-events.pid', eventsLogfile: 'log/set-events.log', eventsUmask: '077' };
  writeFileSync(at('camera.ts'), CAMERA);
  writeFileSync(at('watched.ts'), TASKS.replace("'shop')", `'shop', ${JSON.stringify(settings)})`));
  mkdirSync(at('log'), { recursive: true });
  const line = ['-A', 'watched.ts', 'events', '--camera', './camera.ts', '-F', '0.05', '--detach'];
  expect(await shop.run(line)).toMatchObject({ code: 0, stderr: '' });
  const pid = pidIn(settings.eventsPidfile);
  started.push(pid);
  expect(statSync(at(settings.eventsLogfile)).mode & 0o777).toBe(0o600);
  await vi.waitFor(() => expect(existsSync(at('shots'))).toBe(true), { timeout: 20_000, interval: 20 });
  process.kill(pid, 'SIGTERM');
  await gone(pid);
  expect(existsSync(at(settings.eventsPidfile))).toBe(false);
});

const OTHERS = [
  { program: 'worker', user: { workerUid: 'no-such-user' }, group: { workerGid: '54321' } },
  { program: 'beat', user: { beatUid: 'no-such-user' }, group: { beatGid: '54321' } },
  { program: 'events', user: { eventsUid: 'no-such-user' }, group: { eventsGid: '54321' } },
] as const;
const isRoot = process.getuid?.() === 0;

test.each(OTHERS)('user and group of $program come from its settings, too', async ({ program, user, group }) => {
  const module = (name: string, settings: object): string => {
    const tell = `process.on('exit', () => console.error(\`group \${process.getgid?.()}\`));\n`;
    writeFileSync(at(name), TASKS.replace("'shop')", `'shop', ${JSON.stringify(settings)})`) + tell);
    return name;
  };
  const words = program === 'events' ? ['events', '--camera', './none.ts'] : [program, '-S', '/'];
  const stranger = await shop.run(['-A', module(`${program}-user.ts`, user), ...words]);
  expect(stranger).toMatchObject({ code: 2, stderr: expect.stringContaining("no user 'no-such-user'") as unknown });
  const member = await shop.run(['-A', module(`${program}-group.ts`, group), ...words]);
  // Only root may take another group, and is then seen with it.
  expect(member.stderr).toMatch(isRoot ? /group 54321/ : /only root may become somebody else/);
  expect(member.code).not.toBe(0);
});

test('pid file, mask and log file of worker and beat come from their settings, too', async () => {
  const file = (name: string): string => `run/set-${name}.pid`;
  const log = (name: string): string => `log/set-${name}.log`;
  const given = {
    worker: { workerPidfile: file('worker'), workerLogfile: log('worker'), workerUmask: '077' },
    beat: { beatPidfile: file('beat'), beatLogfile: log('beat'), beatUmask: '077' },
  };
  for (const [program, settings] of Object.entries(given)) {
    const pairs = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
    mkdirSync(at('log'), { recursive: true });
    expect(await shop.run([program, '--detach', '--', ...pairs])).toEqual({ code: 0, stdout: '', stderr: '' });
    const pid = pidIn(`run/set-${program}.pid`);
    started.push(pid);
    await vi.waitFor(() => expect(existsSync(at(`log/set-${program}.log`))).toBe(true), { timeout: 20_000, interval: 20 });
    expect(statSync(at(`log/set-${program}.log`)).mode & 0o777).toBe(0o600);
    process.kill(pid, 'SIGTERM');
    await gone(pid);
    expect(existsSync(at(`run/set-${program}.pid`))).toBe(false);
  }
});
