// `lovage events` as a program: lines and JSON of a worker's events, snapshots by a module, and what it says without a terminal.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureBuilt, project } from '../../support/program.ts';
import { soon } from '../../support/worker-app.ts';

const shop = project({
  'tasks.ts': `import { Lovage } from 'lovage';
export const app = new Lovage('shop');
app.task('shop.add', async (a: number, b: number) => a + b);
`,
  'camera.ts': `import { appendFileSync } from 'node:fs';
import type { ClusterState } from 'lovage';
export const camera = (state: ClusterState): void => {
  const alive = state.aliveWorkers().map(({ hostname }) => hostname);
  appendFileSync('shots', JSON.stringify({ alive }) + '\\n');
  if (alive.length > 0) process.kill(process.pid, 'SIGTERM');
};
let isOver = false;
export const broken = (state: ClusterState): void => {
  if (isOver || state.aliveWorkers().length === 0) return;
  isOver = true;
  setTimeout(() => process.kill(process.pid, 'SIGTERM'), 100);
  throw new Error('no film');
};
export const nothing = 7;
`,
});

beforeAll(async () => {
  ensureBuilt();
  await shop.worker('-E', '-n', 'w1@box', '--heartbeat-interval', '0.3');
});
afterAll(() => shop[Symbol.dispose]());

test('a dump prints lines that programs written for Celery read, and ends at its limit', async () => {
  const dumping = shop.run(['events', '--dump', '--limit', '3']);
  const { stdout, code } = await dumping;
  expect(code).toBe(0);
  const [first, ...lines] = stdout.trim().split('\n');
  expect(first).toBe('-> evdump: starting capture...');
  expect(lines).toHaveLength(3);
  for (const line of lines)
    expect(line).toMatch(/^w1@box \[.*\+00:00\] heartbeat: active=0, clock=\d+, freq=0\.3, loadavg=\[.*\]/);
});

test('with --json each event is one object with the names of the wire', async () => {
  const { stdout } = await shop.run(['events', '--dump', '--json', '--limit', '1', '--types', 'worker-heartbeat']);
  expect(JSON.parse(stdout)).toMatchObject({ type: 'worker-heartbeat', hostname: 'w1@box', sw_ident: 'lovage', freq: 0.3 });
});

test('a camera sees the cluster', async () => {
  const { stdout, code } = await shop.run(['events', '--camera', './camera.ts', '-F', '0.2', '-r', '600/m']);
  expect([code, stdout]).toEqual([0, '-> evcam: Taking snapshots with ./camera.ts (every 0.2 secs.)\n']);
  const shots = await soon(() => readFileSync(join(shop.folder, 'shots'), 'utf8').trim().split('\n'));
  expect(JSON.parse(shots.at(-1) ?? '')).toEqual({ alive: ['w1@box'] });
});

test('what a camera has to say is in its log file', async () => {
  const line = ['events', '--camera', './camera.ts:broken', '-F', '0.2', '-f', 'camera.log'];
  expect(await shop.run(line)).toMatchObject({ code: 0, stderr: '' });
  expect(readFileSync(join(shop.folder, 'camera.log'), 'utf8')).toContain('no film');
});

test('a module without a camera, a rate that is none and a missing terminal are told in one line', async () => {
  expect(await shop.run(['events', '--camera', './camera.ts:nothing'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("'./camera.ts:nothing' exports no camera"),
  });
  expect(await shop.run(['events', '--camera', './camera.ts', '-r', 'often'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("'often' is no rate"),
  });
  expect(await shop.run(['events'])).toMatchObject({ code: 69, stderr: expect.stringContaining('needs a terminal') });
});
