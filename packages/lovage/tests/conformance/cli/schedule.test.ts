// `lovage beat`, `lovage worker -B` and `lovage schedule`: several processes over one file.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { isAlive } from '../../../src/cli/daemon/pid-file.ts';
import { ensureBuilt, project } from '../../support/program.ts';

const TASKS = `import { appendFileSync } from 'node:fs';
import { Lovage } from 'lovage';
export const app = new Lovage('shop', {
  beatSchedule: {
    daily: { task: 'shop.note', schedule: '0 7 * * mon-fri', args: ['daily'] },
    wrong: { task: 'shop.note', schedule: '0 25 * * *' },
  },
});
export const note = app.task('shop.note', (text: string) => {
  appendFileSync(import.meta.dirname + '/notes', text + '\\n');
  return text;
});
`;
const shop = project({ 'tasks.ts': TASKS });
const at = (name: string): string => join(shop.folder, name);
const read = (name: string): string => (existsSync(at(name)) ? readFileSync(at(name), 'utf8') : '');
const notes = (text: string): number =>
  read('notes')
    .split('\n')
    .filter((line) => line === text).length;
const soon = { timeout: 30_000, interval: 20 };
const started: number[] = [];

beforeAll(ensureBuilt);
afterAll(async () => {
  for (const pid of started) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  await vi.waitFor(() => expect(started.some(isAlive)).toBe(false), soon);
  shop[Symbol.dispose]();
});

/** A beat in the background; answers its process id. */
async function beat(name: string): Promise<number> {
  const ran = await shop.run(['beat', '-D', `--pidfile=${name}.pid`, '-f', `${name}.log`]);
  expect(ran).toEqual({ code: 0, stdout: '', stderr: '' });
  const pid = Number(read(`${name}.pid`));
  started.push(pid);
  return pid;
}

async function json(...args: readonly string[]): Promise<unknown> {
  const { stdout, stderr } = await shop.run(['schedule', ...args, '--json']);
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

async function ended(pid: number): Promise<void> {
  process.kill(pid, 'SIGTERM');
  await vi.waitFor(() => expect(isAlive(pid)).toBe(false), soon);
}

test('the schedule is changed while beat runs elsewhere; a second beat stands by and takes over', async () => {
  const one = await beat('one');
  const worker = await shop.worker('-n', 'w@box', '-B');
  await vi.waitFor(() => expect(read('one.log')).toContain('This one leads now'), soon);
  await vi.waitFor(() => expect(worker.log()).toMatch(new RegExp(`:${one} leads \\(term \\d+\\); this one stands by`)), soon);
  expect(read('one.log')).toContain("'wrong' is left out");
  expect(await shop.run(['beat', '--pidfile=one.pid'])).toMatchObject({ code: 73, stdout: '' });

  const often = ['add', 'often', '--task', 'shop.note', '--args', '["tick"]', '--every', '0.1'];
  expect(await json(...often)).toEqual({ name: 'often', done: 'added' });
  await vi.waitFor(() => expect(notes('tick')).toBeGreaterThan(2), soon);
  expect(await json('pause', 'often')).toEqual({ name: 'often', done: 'paused' });
  expect(await json('next', 'often')).toEqual({ name: 'often', next: [] });
  expect(await json('resume', 'often')).toEqual({ name: 'often', done: 'resumed' });
  const before = notes('tick');
  await vi.waitFor(() => expect(notes('tick')).toBeGreaterThan(before + 2), soon);

  const { id } = (await json('run', 'daily')) as { id: string };
  expect(await shop.run(['result', id, '--wait', '20'])).toMatchObject({ code: 0 });
  expect(notes('daily')).toBe(1);

  await ended(one);
  expect(existsSync(at('one.pid'))).toBe(false);
  expect(read('one.log')).toContain('Shutting down');
  await worker.wrote('This one leads now');
  const left = notes('tick');
  await vi.waitFor(() => expect(notes('tick')).toBeGreaterThan(left + 2), soon);
  expect(await json('remove', 'often')).toEqual({ name: 'often', done: 'removed' });
  expect(await json()).toMatchObject([
    { name: 'daily', task: 'shop.note', schedule: '0 7 * * mon-fri', enabled: true, source: 'code', totalRuns: 0, error: null },
    { name: 'wrong', error: expect.stringContaining('25 is not within 0 to 23') as unknown },
  ]);
  worker.child.kill('SIGTERM');
  expect(await worker.ended).toBe(0);
});

test('list is a table, next shows times, every kind of schedule can be added', async () => {
  const add = (name: string, ...more: readonly string[]) => json('add', name, '--task', 'shop.note', '--args', '["x"]', ...more);
  await add('berlin', '--crontab', '30 4 * * *', '--timezone', 'Europe/Berlin', '--misfire', 'skip', '--max-age', '60');
  await add('once', '--at', '2100-01-01T00:00:00Z', '--options', '{"queue": "mail", "expires": 60}');
  await add('dusk', '--solar', 'sunset', '--latitude', '52.5', '--longitude', '13.4', '--jitter', '5');
  await add('limited', '--every', '3600', '--relative', '--max-runs', '2', '--end', '2100-01-01T00:00:00Z');
  const { code, stdout } = await shop.run(['schedule']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^name +task +schedule +state +last run +next run +runs +from\n/);
  expect(stdout).toMatch(/berlin +shop\.note +30 4 \* \* \* \(Europe\/Berlin\) +on +- +\d{4}-\S+Z +0 +store/);
  expect(stdout).toMatch(/wrong +error: /);
  expect(await json('next', 'once')).toEqual({ name: 'once', next: ['2100-01-01T00:00:00.000Z'] });
  expect(((await json('next', 'limited', '-n', '9')) as { next: string[] }).next).toHaveLength(2);
  expect((await shop.run(['schedule', 'next', 'daily', '-n', '2'])).stdout).toMatch(/^(\d{4}-\d\d-\d\dT07:00:00\.000Z\n){2}$/);
  expect(await json('list', 'once')).toMatchObject([{ name: 'once', options: { queue: 'mail', expires: 60 } }]);
});

const ADD = ['add', 'x', '--task', 'shop.note'];
test.concurrent.each([
  [['lst'], '"list", "add", "pause"'],
  [['pause'], 'takes the name of one entry'],
  [['pause', 'dayly'], "Did you mean 'daily'?"],
  [['resume', 'wrong'], 'cannot be used'],
  [['remove', 'daily'], 'take it out there, or pause it'],
  [['run', 'nope'], "no schedule entry 'nope'"],
  [['next', 'nope'], "no schedule entry 'nope'"],
  [['add', 'x', '--every', '5'], 'needs --task'],
  [ADD, 'needs one of --every, --crontab, --at and --solar'],
  [[...ADD, '--every', '5', '--at', '2100-01-01T00:00:00Z'], 'needs one of'],
  [[...ADD, '--every', '0'], 'interval of 0 s'],
  [[...ADD, '--crontab', '*/5 * * *'], 'needs five'],
  [[...ADD, '--crontab', '0 4 * * mon-fry'], 'mon-fry\n    ^'],
  [[...ADD, '--crontab', '0 4 31 2 *'], 'a day that no year has'],
  [[...ADD, '--crontab', '0 4 * * *', '--timezone', 'Europe/Berlinn'], "no time zone 'Europe/Berlinn'"],
  [[...ADD, '--solar', 'sunsett', '--latitude', '1', '--longitude', '1'], "Did you mean 'sunset'?"],
  [[...ADD, '--solar', 'sunset'], 'needs --latitude and --longitude'],
  [[...ADD, '--every', '5', '--args', '{}'], 'a JSON array'],
  [[...ADD, '--every', '5', '--options', '{"queu": "a"}'], 'queu'],
  [['add', 'daily', '--task', 'shop.note', '--every', '5'], "entry 'daily' already"],
])('%j is explained', async (args, words) => {
  const { code, stdout, stderr } = await shop.run(['schedule', ...args]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(words);
});
