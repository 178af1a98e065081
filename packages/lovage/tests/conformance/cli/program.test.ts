// The program as a shell sees it: exit codes, the two streams, and that it ends by itself. What needs a worker is in conformance/cli.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RedisServer, startRedis } from '../../../../../scripts/servers/index.ts';
import { ensureBuilt, LOVAGE, project } from '../../support/program.ts';
import { amqpUrl, redisUrl } from '../../support/servers.ts';

const TASKS = `import { Lovage } from 'lovage';
export const app = new Lovage('shop');
export const add = app.task('shop.add', async (a: number, b: number) => a + b);
`;

const shop = project({
  'tasks.ts': TASKS,
  'broken.ts': `import { Lovage } from 'lovage';
function boom(): never { throw new RangeError('the moon is full'); }
export const app = new Lovage('x');
boom();
`,
  'twice.ts': `import { Lovage } from 'lovage';
export const app = new Lovage('x');
app.task('a', async () => 1);
app.task('a', async () => 2);
`,
  'syntax.ts': 'export const x = ;\n',
  'missing.ts': "import 'no-such-package-anywhere';\n",
  'endless.ts': 'export const app = await new Promise(() => undefined);\n',
  'loud/lovage.ts': `console.log('noise');\n${TASKS}`,
});

let refusing: RedisServer;
let secure: RedisServer;

beforeAll(async () => {
  ensureBuilt();
  [refusing, secure] = await Promise.all([startRedis({ password: 'right' }), startRedis({ tls: true })]);
}, 60_000);
afterAll(async () => {
  shop[Symbol.dispose]();
  await Promise.all([refusing, secure].map((server) => server[Symbol.asyncDispose]()));
});

test('help and version exit 0', async () => {
  const [none, version] = await Promise.all([shop.run([]), shop.run(['--version'])]);
  expect(none).toMatchObject({ code: 0, stderr: '' });
  expect(none.stdout).toContain('worker');
  expect(version).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\S*\n$/) as unknown });
});

test.concurrent.each([
  [
    'broken.ts',
    2,
    'broken.ts cannot be loaded: RangeError: the moon is full\n    at boom (broken.ts:2:32)\n    at broken.ts:4:1\n',
  ],
  ['syntax.ts', 2, 'syntax.ts cannot be loaded: SyntaxError: Expression expected\n    at syntax.ts:1\n'],
  ['twice.ts', 2, '\n    at twice.ts:4:5\n'],
  ['missing.ts', 2, "Cannot find module 'no-such-package-anywhere' (imported by missing.ts)\n"],
  ['nope.ts', 2, "There is no module 'nope.ts'"],
  ['tasks.ts:ap', 2, "exports no app called 'ap'."],
])('a module that cannot be loaded is told with its place: %s', async (app, code, words) => {
  const ran = await shop.run(['-A', app, 'queues']);
  expect(ran).toMatchObject({ code, stdout: '' });
  expect(ran.stderr).toMatch(/^Error: /);
  expect(ran.stderr).toContain(words);
  expect(ran.stderr).not.toMatch(/node:|dist[/\\]/);
});

test.concurrent.each<[readonly string[], string]>([
  [['wroker'], "Did you mean 'worker'?"],
  [['worker', '-P', 'prefrok'], "There is no pool 'prefrok'; known pools are"],
  [['worker', '--', 'worker.foo=3'], 'Unknown setting'],
  [['-b', 'ftp://x', 'queues'], 'No broker driver for "ftp://x"'],
  [['-b', 'redis://[bad', 'queues'], 'cannot be read as a URL'],
  [['--workdir', '/no/such/folder', 'queues'], "there is no folder '/no/such/folder'"],
  [['--config', 'nope.ts', 'queues'], "There is no module 'nope.ts'"],
  [['call', 'shop.add', '[1]', '--args', '[1]'], 'given twice'],
  [['call', 'shop.add', '-'], 'Standard input holds no JSON array'],
  [['-b', 'redis://localhost/x', 'queues'], 'Write its number at the end of the URL: redis://localhost:6379/0.'],
])('%j exits 2 with one line', async (argv, words) => {
  const { code, stdout, stderr } = await shop.run(argv);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(words);
  expect(stderr).toMatch(/^Error: [^\n]+\n$/);
});

test('without an app and without a broker it says what is missing', async () => {
  using empty = project({});
  expect(await empty.run(['worker'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('Name its module with -A') as unknown,
  });
  expect(await empty.run(['-b', 'sqlite://./own.db', 'call', 'far.away'])).toMatchObject({ code: 0, stderr: '' });
});

test('a name that is almost that of a task is sent with a hint', async () => {
  const near = await shop.run(['-b', 'memory://', 'call', 'shop.ad', '[1]']);
  expect(near).toMatchObject({
    code: 0,
    stderr: "No task 'shop.ad' is declared here; it is sent all the same. Did you mean 'shop.add'?\n",
  });
  expect(await shop.run(['-b', 'memory://', 'call', 'far.away', '[1]'])).toMatchObject({ code: 0, stderr: '' });
});

test.concurrent.each(['redis://127.0.0.1:1/0', 'amqp://127.0.0.1:1//'])(
  'a call to %s that is down says what to do',
  async (url) => {
    const { code, stdout, stderr } = await shop.run(['-b', url, 'call', 'shop.add', '[1, 2]']);
    expect({ code, stdout }).toEqual({ code: 69, stdout: '' });
    expect(stderr).toMatch(
      /^Error: The broker \S+ cannot be reached: [^\n]*ECONNREFUSED[^\n]*[^.]\. Start it, or name another one \([^\n]+\n$/,
    );
  },
);

test.concurrent.each([
  ['Redis', () => refusing.url.replace(/:\w+@/, ''), /refuses this login: NOAUTH, it wants a password\. Check user, password/],
  ['Redis', () => refusing.url.replace('right', 'wrong'), /refuses this login: WRONGPASS[^\n]+\. Check user, password/],
  ['RabbitMQ', () => amqpUrl().replace(/:[^:@/]+@/, ':wrong@'), /refuses this login: [^\n]+\. Check user, password/],
])('a login that %s refuses is no broker that is away', async (_, url, words) => {
  const { code, stdout, stderr } = await shop.run(['-b', url(), 'call', 'shop.add', '[1, 2]']);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(words);
  expect(stderr).not.toMatch(/Start it|wrong@/);
});

test.concurrent.each([
  ['Redis', () => refusing.url.replace('right', 'wrong')],
  ['RabbitMQ', () => amqpUrl().replace(/:[^:@/]+@/, ':wrong@')],
])('whatever asks %s with a refused login fails at once, workers too', async (_, url) => {
  const lines: readonly (readonly string[])[] = [['status', '--json'], ['worker'], ['inspect', 'ping'], ['doctor']];
  const ends = await Promise.all(lines.map((line) => shop.run(['-b', url(), '--result-backend', 'memory://', ...line])));
  expect(ends.map(({ code }) => code)).toEqual([1, 1, 1, 1]);
  for (const { stdout, stderr } of ends) {
    expect(stdout + stderr).toMatch(/refuse[sd] th(e|is) login/);
    expect(stdout + stderr).not.toContain('Trying again');
  }
});

test.concurrent('a schedule in a Redis that refuses the login fails, too; a file is no address', async () => {
  const url = refusing.url.replace('right', 'wrong');
  const asked = (option: string) => shop.run(['-b', 'memory://', 'schedule', 'list', option, url]);
  const beat = shop.run(['-A', 'tasks.ts', '-b', 'memory://', 'beat', '-S', url]);
  const [store, file, program] = await Promise.all([asked('-S'), asked('-s'), beat]);
  expect(store).toMatchObject({ code: 1, stderr: expect.stringContaining('refused the login') as unknown });
  expect(program.code).toBe(1);
  expect(program.stderr).toMatch(/^Error: The schedule store redis:\S+ refuses this login: [^\n]+\. Check user, password/m);
  expect(program.stdout + program.stderr).not.toContain('wrong@');
  expect(file).toMatchObject({ code: 2, stderr: expect.stringContaining('is an address. Name a file') as unknown });
  expect(file.stderr).not.toContain('wrong');
});

/** A program whose output goes to a disk without room. */
function unheard(streams: string, ...words: readonly string[]): ChildProcess {
  const line = ['-c', `exec "$0" "$@" ${streams}`, process.execPath, LOVAGE, ...words];
  return spawn('/bin/sh', line, { cwd: shop.folder, stdio: ['ignore', 'pipe', 'pipe'] });
}

test.concurrent.each([['-b', 'memory://', 'queues'], ['--version']])(
  'an answer that cannot be written is no success, and is told in one line: %s',
  async (...words) => {
    const child = unheard('> /dev/full', ...words);
    const [said, [code]] = await Promise.all([text(child.stderr as Readable), once(child, 'exit')]);
    expect([code, said]).toEqual([1, 'Error: The output cannot be written: ENOSPC: no space left on device, write\n']);
  },
);

test.concurrent('a worker whose log cannot be written works on', async () => {
  const broker = ['-A', 'tasks.ts', '-b', 'sqlite:./unheard.db', '--result-backend', 'sqlite:./unheard.db'];
  const worker = unheard('> /dev/full 2>&1', ...broker, 'worker', '-c', '1', '-l', 'debug');
  const ended = once(worker, 'exit');
  expect(await shop.run([...broker, 'call', 'shop.add', '[1, 2]', '--wait'])).toMatchObject({ code: 0, stdout: '3\n' });
  worker.kill('SIGTERM');
  expect(await ended).toEqual([1, null]);
});

test.concurrent.each([
  ['rediss', () => redisUrl().replace('redis:', 'rediss:'), 'redis://'],
  ['redis', () => secure.url.replace('rediss:', 'redis:'), 'rediss://'],
  ['amqps', () => amqpUrl().replace('amqp:', 'amqps:'), 'amqp://'],
  ['amqp', () => `amqp://guest:guest@127.0.0.1:${secure.port}//`, 'amqps://'],
])('%s on a port that speaks the other way names the address that is meant', async (_, url, meant) => {
  const { code, stderr } = await shop.run(['-b', url(), 'call', 'shop.add', '[1, 2]']);
  expect(code).toBe(69);
  expect(stderr).toContain(`address begins with ${meant}`);
});

test.concurrent('a call that is to start at two times is refused', async () => {
  const twice = ['--countdown', '3', '--eta', '2030-01-01T00:00:00Z'];
  expect(await shop.run(['-b', 'memory://', 'call', 'shop.add', '[1, 2]', ...twice])).toMatchObject({
    code: 2,
    stderr: 'Error: The start is given twice: with --countdown and with --eta. Keep one.\n',
  });
});

test('a module that waits for ever is no success', async () => {
  expect(await shop.run(['-A', 'endless.ts', 'queues'])).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('ended before it was done') as unknown,
  });
});

test('-A names a folder; what a module prints as it is loaded does not stand in the way of --json', async () => {
  const { code, stdout, stderr } = await shop.run(['-A', 'loud', 'list', '--declared', '--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: 'noise\n' });
  expect(JSON.parse(stdout)).toMatchObject([{ queue: 'celery' }]);
});

test('with --json an error is JSON on stdout', async () => {
  const { code, stdout, stderr } = await shop.run(['-A', 'nope.ts', 'queues', '--json']);
  expect({ code, stderr }).toEqual({ code: 2, stderr: '' });
  expect(JSON.parse(stdout)).toMatchObject({ code: 'LOVAGE_CONFIGURATION' });
});

test.concurrent.each(['redis://127.0.0.1:1/0', 'amqp://127.0.0.1:1//'])(
  '%s that is down is told within the time',
  async (url) => {
    const began = performance.now();
    const { code, stdout } = await shop.run(['-b', url, 'status', '-t', '1']);
    expect(code).toBe(69);
    expect(stdout).toMatch(/^DOWN broker .*(within 1 s|Cannot connect).*ECONNREFUSED.*\nDOWN results .*ECONNREFUSED.*\n$/);
    // Most of it is the start of a program on a busy machine.
    expect(performance.now() - began).toBeLessThan(15_000);
  },
);

test('a reader that went away changes nothing', async () => {
  const line = `${process.execPath} ${LOVAGE} queues | true; echo "\${PIPESTATUS[0]}"`;
  const { env } = process;
  const out = await new Promise((done) =>
    execFile('bash', ['-c', line], { cwd: shop.folder, env }, (_error, stdout, stderr) => done({ stdout, stderr })),
  );
  expect(out).toEqual({ stdout: '0\n', stderr: '' });
});
