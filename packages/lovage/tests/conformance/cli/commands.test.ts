// Commands that need no worker, on the embedded default: what one sends, the others see.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureBuilt, project } from '../../support/program.ts';

const TASKS = `import { Lovage } from 'lovage';
export const app = new Lovage('shop', { taskQueues: ['celery', 'mail'] });
export const add = app.task('shop.add', async (a: number, b: number) => a + b);
`;
const shop = project({ 'tasks.ts': TASKS, 'open.ts': `${TASKS}setInterval(() => undefined, 1000);\n` });

beforeAll(ensureBuilt);
afterAll(() => shop[Symbol.dispose]());

test('call sends, from the command line and from standard input; queues, purge and status tell of it', async () => {
  const big = JSON.stringify([['x'.repeat(300_000)], 2]);
  const sent = await shop.run(['call', 'shop.add', '[1, 2]', '-Q', 'mail']);
  expect(sent).toMatchObject({ code: 0, stdout: expect.stringMatching(/^[0-9a-f-]{36}\n$/) as unknown });
  expect(await shop.run(['call', 'shop.add', '-', '-Q', 'mail', '--json'], { input: big })).toMatchObject({ code: 0 });
  const counted = await shop.run(['queues', 'mail', 'nosuch', '--json']);
  expect(JSON.parse(counted.stdout)).toMatchObject([
    { queue: 'mail', exists: true, ready: 2 },
    { queue: 'nosuch', exists: false, ready: 0 },
  ]);
  // Everything is there but a worker.
  expect(await shop.run(['status', '-t', '0.2'])).toMatchObject({
    code: 69,
    stdout: expect.stringContaining('mail') as unknown,
    stderr: 'Error: No nodes replied within time constraint\n',
  });
  expect(await shop.run(['purge', '-Q', 'mail'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('--force') as unknown,
  });
  expect(await shop.run(['purge', '-Q', 'mail', '-f'])).toMatchObject({ code: 0, stdout: 'Deleted 2 messages from 1 queue.\n' });
  expect((await shop.run(['purge', '-Q', 'nosuch', '-f'])).stderr).toBe("There is no queue 'nosuch'.\n");
});

test.each([
  ['purge', 'purge'],
  ['dlq purge', 'dlq', 'purge', '--all'],
])('where nobody can be asked %s deletes nothing without --force, and says so', async (_, ...words) => {
  expect(await shop.run(words)).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('give --force') as unknown,
  });
  const { code, stdout, stderr } = await shop.run([...words, '--json']);
  expect([code, stderr]).toEqual([1, '']);
  expect(JSON.parse(stdout)).toEqual({ error: expect.stringContaining('give --force') as unknown });
});

test('an unknown result is told as such', async () => {
  const { code, stdout } = await shop.run(['result', 'no-such-id']);
  expect(code).toBe(0);
  expect(stdout).toBe('PENDING  nothing is stored for no-such-id: not finished, unknown, or expired\n');
  expect(await shop.run(['result', 'no-such-id', '--wait', '0.1'])).toMatchObject({ code: 1 });
});

test('graph draws a canvas, from the command line and from a file', async () => {
  const signature = (name: string, args: readonly unknown[]) => ({ task: name, args });
  const tasks = [signature('shop.add', [1, 2]), signature('shop.add', [3])];
  const chain = JSON.stringify({ task: 'celery.chain', kwargs: { tasks }, subtask_type: 'chain' });
  expect((await shop.run(['graph', 'canvas', chain])).stdout).toBe('chain\n├─ shop.add(1, 2)\n└─ shop.add(3)\n');
  writeFileSync(join(shop.folder, 'flow.json'), chain);
  const drawn = await shop.run(['graph', 'canvas', 'flow.json', '--format', 'mermaid', '--states']);
  expect(drawn).toMatchObject({ code: 0, stdout: expect.stringContaining('t0 --> t1') as unknown });
  const unknown = await shop.run(['graph', 'canvas', '{"task": "x", "subtask_type": "tree"}']);
  expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining("unknown type 'tree'") as unknown });
  expect((await shop.run(['graph', 'canvas', 'nowhere.json'])).stderr).toContain('nowhere.json');
});

test('graph draws a signature that a module exports', async () => {
  using own = project({
    'tasks.ts': `import { chain, Lovage } from 'lovage';
export const app = new Lovage('shop');
const add = app.task('shop.add', (a: number, b: number) => a + b);
export const flow = chain(add.s(1, 2), add.s(3));
`,
  });
  expect((await own.run(['graph', 'canvas', 'tasks.ts:flow'])).stdout).toBe('chain\n├─ shop.add(1, 2)\n└─ shop.add(3)\n');
  expect(await own.run(['graph', 'canvas', 'tasks.ts:flaw'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("exports no signature by the name 'flaw'") as unknown,
  });
});

test('graph workers draws those that answer, and those that it is told of', async () => {
  const told = await shop.run([
    'graph',
    'workers',
    'nodes:a,b',
    'threads:1,3',
    'tmax:2',
    'wmax:2',
    'broker:redis://:pw@h/0',
    'enumerate',
  ]);
  expect(told.stdout).toMatch(
    /^broker redis:\/\/:\*\*@h\/0\na\n└─ slot 1\nb\n├─ slot 1\n├─ slot 2\n└─ … 1 more\nresults sqlite:.*\n$/,
  );
  const dot = await shop.run(['graph', 'workers', 'nodes:a,b', 'wmax:1', 'generic', '--format', 'dot']);
  expect(dot.stdout).toContain('worker1 [label="Worker 1", shape="box"];');
  expect(dot.stdout).toContain('worker2 [label="… 1 more", shape="box"];');
  expect(await shop.run(['graph', 'workers', 'nods:a'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("Did you mean 'nodes'") as unknown,
  });
  expect(await shop.run(['graph', 'workers'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('No nodes replied') as unknown,
  });
});

test('what a module of the user leaves open does not keep the program', async () => {
  expect(await shop.run(['-A', 'open.ts', 'queues'])).toMatchObject({ code: 0 });
});

test('graph bootsteps lists what a worker is made of, with the steps of the app', async () => {
  using own = project({
    'tasks.ts': `import { Lovage } from 'lovage';
export const app = new Lovage('shop');
app.steps.worker.push({ name: 'audit', requires: ['pool'], start: async () => {} });
app.steps.consumer.push({ name: 'late', requires: ['tasks'], start: async () => {} });
`,
  });
  const text = await own.run(['graph', 'bootsteps']);
  expect(text.stdout).toMatch(
    /worker:\n {3}1 {2}∘ state\n {3}2 {2}∘ health\n {3}3 {2}∘ revokes\n {3}4 {2}∘ parked\n {3}5 {2}pool\n[\s\S]*audit {2}after pool\n[\s\S]*consumer ⧉[\s\S]*consumer:\n[\s\S]*late {2}after tasks\n$/,
  );
  const dot = await own.run(['graph', 'bootsteps', 'consumer', '--format', 'dot']);
  expect(dot.stdout).toContain('"consumer.late" -> "consumer.tasks";');
  expect(await own.run(['graph', 'bootsteps', 'pool'])).toMatchObject({ code: 2 });
});
