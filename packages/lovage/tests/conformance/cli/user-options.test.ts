// Options that an app adds to the command line, as a shell sees them; the worker's own steps get their values.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureBuilt, project } from '../../support/program.ts';

const shop = project({
  'tasks.ts': `import { Lovage } from 'lovage';
export const app = new Lovage('shop', { brokerUrl: 'memory://' });
app.userOptions.preload.push({ name: 'tenant', short: 'T', default: 'nobody', description: 'Whose shop it is.' });
app.userOptions.worker.push(
  { name: 'dryRun', type: 'flag', description: 'Do nothing.' },
  { name: 'shelf', type: 'integer', multiple: true },
  { name: 'mode', choices: ['slow', 'fast'] as const, default: 'slow' },
);
app.signals.on('user_preload_options', ({ command, options }) => {
  console.log('preload', command, JSON.stringify(options));
});
app.steps.worker.push({
  name: 'look',
  start: async ({ options, retire }) => {
    console.log('step', JSON.stringify(options.userOptions));
    setImmediate(() => process.kill(process.pid, 'SIGTERM'));
  },
});
`,
  'taken.ts': `import { Lovage } from 'lovage';
export const app = new Lovage('shop', { brokerUrl: 'memory://' });
app.userOptions.worker.push({ name: 'queues' });
`,
  'broken.ts': "throw new Error('no app here');\n",
});
const env = { LOVAGE_WORKER_REDIRECT_STDOUTS: '0' };

beforeAll(ensureBuilt, 60_000);
afterAll(() => shop[Symbol.dispose]());

test.concurrent.each([
  [['-A', 'tasks.ts', 'worker', '-q'], { dryRun: false, shelf: [], mode: 'slow' }, 'nobody'],
  [
    ['worker', '-A', 'tasks.ts', '-q', '--dry-run', '--shelf', '3', '--shelf=4', '--mode', 'fast', '-T', 'ann'],
    { dryRun: true, shelf: [3, 4], mode: 'fast' },
    'ann',
  ],
  [['--tenant=bob', 'worker', '-q', '-c', '2', '--mode', 'fast'], { dryRun: false, shelf: [], mode: 'fast' }, 'bob'],
])('%j reaches the steps of the worker and the observers of the app', async (args, options, tenant) => {
  const { stdout, stderr, code } = await shop.run(args, { env });
  const out = stdout + stderr;
  expect(code, out).toBe(0);
  const [, preload = ''] = /preload worker (\{.*\})/.exec(out) ?? [];
  const [, step = ''] = /step (\{.*\})/.exec(out) ?? [];
  expect(JSON.parse(preload)).toEqual({ tenant });
  expect(JSON.parse(step)).toEqual(options);
});

test('an option for every command is known to every command', async () => {
  const { stdout, code } = await shop.run(['-A', 'tasks.ts', 'queues', '--tenant', 'eve']);
  expect({ code, stdout }).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('preload queues {"tenant":"eve"}') as unknown,
  });
});

test('help of a command lists the options of the app', async () => {
  const { stdout, code } = await shop.run(['-A', 'tasks.ts', 'worker', '--help']);
  expect(code).toBe(0);
  for (const words of ['--dry-run', 'Do nothing.', '--shelf', '--mode', '--tenant', 'Whose shop it is.', '--concurrency'])
    expect(stdout).toContain(words);
});

test.concurrent.each([
  [['-A', 'tasks.ts', 'worker', '--dry-rum'], "There is no option '--dry-rum' for worker. Did you mean '--dry-run'?"],
  [['-A', 'tasks.ts', 'worker', '--shelf', 'x'], '--shelf'],
  [['-A', 'tasks.ts', 'worker', '--mode', 'odd'], '"slow" and "fast"'],
  [['-A', 'tasks.ts', 'queues', '--dry-run'], "There is no option '--dry-run' for queues."],
  [['-A', 'taken.ts', 'worker', '--dry-run'], "The app's option '--queues' for worker exists already. Give it another name."],
  [['-A', 'broken.ts', 'worker', '--dry-run'], "There is no option '--dry-run' for worker."],
])('%j is told in one line', async (args, words) => {
  const { stdout, stderr, code } = await shop.run(args, { env });
  expect({ stdout, code }).toEqual({ stdout: '', code: 2 });
  expect(stderr).toContain(words);
  expect(stderr).toMatch(/^Error: [^\n]+\n$/);
});
