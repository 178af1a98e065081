// `lovage dev` as it is used: files change, files are broken, Ctrl-C.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { ensureBuilt, LOVAGE, project } from '../../support/program.ts';

const source = (value: string): string => `import { Lovage } from 'lovage';
export const app = new Lovage('shop', { beatSchedule: { tick: { task: 'shop.tick', schedule: 0.2 } } });
app.task('shop.tick', () => '${value}');
`;
const shop = project({ 'tasks.ts': source('first') });
beforeAll(ensureBuilt);
afterAll(() => shop[Symbol.dispose]());

interface Event {
  readonly event: string;
  readonly pid?: number;
  readonly code?: number;
  readonly files?: readonly string[];
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test('a change starts worker and beat anew, a broken file waits for the next change, Ctrl-C leaves nothing behind', async () => {
  const child = spawn(process.execPath, [LOVAGE, '-A', 'tasks.ts', 'dev', '--json'], { cwd: shop.folder });
  const ended = new Promise<number | null>((done) => child.once('close', done));
  const events: Event[] = [];
  let log = '';
  createInterface({ input: child.stdout }).on('line', (line) => events.push(JSON.parse(line) as Event));
  child.stderr.on('data', (chunk: Buffer) => {
    log += chunk.toString();
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const last = (): Event | undefined => events.at(-1);
  const pids = (): readonly number[] =>
    events.flatMap(({ event, pid }) => (event === 'started' && pid !== undefined ? [pid] : []));
  const patience = { timeout: 15_000, interval: 20 };
  await vi.waitFor(() => expect(log).toContain("'first'"), patience);

  writeFileSync(join(shop.folder, 'notes.txt'), 'no file of the application');
  writeFileSync(join(shop.folder, 'tasks.ts'), source('second'));
  await vi.waitFor(() => expect(log).toContain("'second'"), patience);
  expect(events.filter(({ event }) => event === 'changed')).toEqual([{ event: 'changed', files: ['tasks.ts'] }]);
  expect(pids()).toHaveLength(2);

  writeFileSync(join(shop.folder, 'tasks.ts'), 'export const app = ;');
  await vi.waitFor(() => expect(last()).toEqual({ event: 'ended', code: 2 }), patience);
  expect(log).toContain('tasks.ts:1');
  writeFileSync(join(shop.folder, 'tasks.ts'), source('third'));
  await vi.waitFor(() => expect(log).toContain("'third'"), patience);

  child.kill('SIGINT');
  expect(await ended).toBe(0);
  expect(last()).toEqual({ event: 'stopped', code: 0 });
  expect(pids().filter(isAlive)).toEqual([]);
});

test('killed, it leaves no worker behind', async () => {
  using other = project({ 'tasks.ts': source('alone') });
  const child = spawn(process.execPath, [LOVAGE, '-A', 'tasks.ts', 'dev', '--json', '-P', 'prefork', '-c', '1'], {
    cwd: other.folder,
  });
  const started = Promise.withResolvers<number>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { event, pid } = JSON.parse(line) as Event;
    if (event === 'started' && pid !== undefined) started.resolve(pid);
  });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => {
    log += chunk.toString();
  });
  const worker = await started.promise;
  onTestFinished(() => void (isAlive(worker) && process.kill(worker, 'SIGKILL')));
  await vi.waitFor(() => expect(log).toContain(' ready.'), { timeout: 20_000, interval: 20 });
  child.kill('SIGKILL');
  await vi.waitFor(() => expect(isAlive(worker)).toBe(false), { timeout: 20_000, interval: 20 });
});

test('a folder that is not there is told at once', async () => {
  expect(await shop.run(['dev', '-w', 'nosuch'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('nosuch') as unknown,
  });
});
