// The command line and what waits: dead letters, pauses, a look inside, cancel, run now, reschedule.
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ensureBuilt, project, type Ran } from '../../support/program.ts';

const shop = project({
  'tasks.ts': `import { Lovage } from 'lovage';
export const app = new Lovage('shop');
app.task('shop.add', async (a: number, b: number) => a + b);
`,
});
beforeAll(ensureBuilt);
afterAll(() => shop[Symbol.dispose]());

async function json(...args: readonly string[]): Promise<unknown> {
  const { stdout, stderr } = await shop.run([...args, '--json']);
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}
const sent = (ran: Ran): string => ran.stdout.trim();

test('dead letters are listed, shown in full, sent again and deleted', async () => {
  const worker = await shop.worker('-n', 'w1@box');
  const ids = [];
  for (const [task, args] of [
    ['shop.none', '[1]'],
    ['shop.none', '[2]'],
    ['mail.none', '[3]'],
  ] as const) {
    ids.push(sent(await shop.run(['call', task, args])));
    await worker.wrote(ids.at(-1) ?? '');
  }
  await expect.poll(() => json('dlq'), { timeout: 20_000 }).toHaveLength(3);
  worker.child.kill('SIGTERM');
  await worker.ended;
  const [one = '', two = '', three = ''] = ids;
  expect(await json('dlq', 'list', '--task', 'mail.*')).toMatchObject([{ id: three, reason: 'unknown-task', node: 'w1@box' }]);
  expect((await shop.run(['dlq'])).stdout).toMatch(/shop\.none +unknown-task/);
  const shown = await shop.run(['dlq', 'show', one]);
  expect(shown.stdout).toMatch(/task +shop\.none[\s\S]*args +\(1,\)[\s\S]*error\n {2}No task is registered/);
  expect(await shop.run(['dlq', 'show', 'nobody'])).toMatchObject({
    code: 1,
    stderr: 'There is no dead letter of task nobody.\n',
  });
  expect(await shop.run(['dlq', 'retry'])).toMatchObject({ code: 2 });
  expect(await shop.run(['dlq', 'retry', two])).toMatchObject({ code: 0, stdout: 'Sent again: 1 dead letter.\n' });
  expect(await json('queues')).toMatchObject([{ queue: 'celery', ready: 1, dead: 2 }]);
  expect(await shop.run(['dlq', 'purge', '--all'])).toMatchObject({ code: 1 });
  expect(await json('dlq', 'purge', '--task', 'shop.*', '--force')).toMatchObject({ total: 1, letters: [{ id: one }] });
  expect(await shop.run(['dlq', 'purge', '--all', '--force'])).toMatchObject({ code: 0, stdout: 'Deleted 1 dead letter.\n' });
  expect(await shop.run(['queues', 'cancel', 'celery', two])).toMatchObject({ code: 0 });
}, 60_000);

test('queues are paused and resumed; what waits is looked at, put off, run now and cancelled', async () => {
  expect(await shop.run(['queues', 'pause', 'celery'])).toMatchObject({
    code: 0,
    stdout: "Queue 'celery' is paused: workers take nothing more from it.\n",
  });
  const id = sent(await shop.run(['call', 'shop.add', '[1, 2]']));
  const worker = await shop.worker('-n', 'w1@box');
  expect((await shop.run(['queues'])).stdout).toContain('celery (paused)');
  expect(await json('queues')).toMatchObject([{ queue: 'celery', paused: true, ready: 1 }]);
  expect(await json('queues', 'peek')).toMatchObject([{ queue: 'celery', id, task: 'shop.add', args: '(1, 2)', state: 'ready' }]);
  expect(await json('queues', 'reschedule', 'celery', id, '--countdown', '3600')).toMatchObject([{ id, state: 'parked' }]);
  expect((await shop.run(['queues', 'peek', '--state', 'parked'])).stdout).toContain(id);
  expect(await shop.run(['queues', 'run', 'celery', id])).toMatchObject({ code: 0, stdout: `shop.add[${id}] is ready now.\n` });
  expect(await shop.run(['queues', 'resume', 'celery'])).toMatchObject({ code: 0 });
  expect(await shop.run(['result', id, '--wait', '20'])).toMatchObject({ stdout: expect.stringContaining('3') as unknown });
  expect(await shop.run(['queues', 'cancel', 'celery', id])).toMatchObject({ code: 1, stdout: '' });
  // The worker is told, and does not find out ten seconds later.
  expect(await shop.run(['queues', 'pause', 'celery'])).toMatchObject({ code: 0 });
  await vi.waitFor(() => expect(worker.log()).toContain('Queue celery is paused'), { timeout: 5000, interval: 20 });
  expect(await shop.run(['queues', 'resume', 'celery'])).toMatchObject({ code: 0 });
  worker.child.kill('SIGTERM');
  await worker.ended;
}, 60_000);

test.each([
  [['queues', 'pause'], 'which queues'],
  [['queues', 'cancel', 'celery'], 'ids of tasks'],
  [['queues', 'reschedule', 'celery', 'x'], '--countdown SECONDS or --eta TIME'],
  [['queues', 'run', 'celery', 'x', '--eta', '2030-01-01T00:00:00Z'], 'takes no time'],
  [['dlq', 'show'], 'Name ids'],
  [['dlq', 'list', '--reason', 'faild'], '"failed"'],
])('%j is explained', async (args, words) => {
  const { code, stderr } = await shop.run(args);
  expect(code).toBe(2);
  expect(stderr).toContain(words);
});
