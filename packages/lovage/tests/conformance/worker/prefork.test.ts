// Workers whose tasks run in processes and threads, as people start them: the real command on the embedded broker, and tasks that end
// their process in every way.
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureBuilt, type Project, project, type Ran, type Worker } from '../../support/program.ts';
import { soon } from '../../support/worker-app.ts';

const TASKS = `import { existsSync, writeFileSync } from 'node:fs';
import { Lovage } from 'lovage';
export const app = new Lovage('shop', { maxDeliveries: 2 });
const double = app.task('shop.double', (n: number) => n * 2);
app.task('shop.where', () => ({ pid: process.pid, slot: process.env.LOVAGE_SLOT, title: process.title }));
app.task('shop.print', (text: string) => { console.log(text); });
app.task('shop.once', (file: string) => {
  if (existsSync(file)) return 'the second time';
  writeFileSync(file, '');
  process.kill(process.pid, 'SIGKILL');
  for (;;);
});
app.task('shop.poison', () => process.kill(process.pid, 'SIGKILL') && new Promise(() => undefined));
app.task('shop.exit', { acksLate: false }, (code: number) => process.exit(code));
app.task('shop.spin', () => { console.log('it spins'); for (;;); });
app.task('shop.limited', { timeLimit: 0.5 }, () => { for (;;); });
app.task('shop.soft', { bind: true, softTimeLimit: 0.05 }, async (ctx) => {
  await new Promise((done) => ctx.signal.addEventListener('abort', done));
  return 'cleaned up';
});
app.task('shop.careless', () => {
  void Promise.reject(new Error('nobody cares'));
  setTimeout(() => { throw new Error('out of nowhere'); }, 5);
  return 'fine';
});
app.task('shop.big', (bytes: number) => 'x'.repeat(bytes));
app.task('shop.slow', async (ms: number) => { console.log('it is slow'); await new Promise((done) => setTimeout(done, ms)); return 'done'; });
app.task('shop.parent', { bind: true }, async (ctx, n: number) => {
  await ctx.progress(1, 2);
  return (await double.delay(n)).id;
});
`;

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await wait(10);
}

beforeAll(() => ensureBuilt());

const calls =
  (shop: Project) =>
  (...args: readonly string[]): Promise<Ran> =>
    shop.run(['call', ...args, '--wait', '--timeout', '60', '--json']);

const resultOf = ({ stdout }: Ran): unknown => (JSON.parse(stdout) as { readonly result: unknown }).result;

describe.each(['prefork', 'threads'])('a worker with the pool %s', (pool) => {
  const shop = project({ 'tasks.ts': TASKS });
  const call = calls(shop);
  let worker: Worker;
  beforeAll(async () => {
    worker = await shop.worker('-P', pool, '-c', '2', '-n', 'w1@box');
  });
  afterAll(() => shop[Symbol.dispose]());

  test('says in its banner how its tasks run, and runs them elsewhere', async () => {
    expect(worker.log()).toContain(`concurrency: 2 (${pool})`);
    const where = resultOf(await call('shop.where')) as { pid: number; slot: string; title: string };
    expect(where.slot).toMatch(/^[12]$/);
    if (pool === 'threads') return;
    expect(where.pid).not.toBe(worker.child.pid);
    expect(where.title).toBe(`lovage: w1@box:prefork-${where.slot}`);
  });

  test('has lines for what tasks print, with the name of the task', async () => {
    await call('shop.print', '["hello from a slot"]');
    await worker.wrote('hello from a slot');
    const line = worker
      .log()
      .split('\n')
      .find((text) => text.includes('hello from a slot'));
    expect(line).toMatch(new RegExp(`WARNING/${pool}-\\d\\] shop.print\\[[\\w-]{36}\\]: hello from a slot$`));
  });

  test('sends what a task sends, and stores its progress', async () => {
    const id = String(resultOf(await call('shop.parent', '[21]')));
    await until(() => worker.log().includes(`shop.double[${id}] succeeded`));
    expect(JSON.parse((await shop.run(['result', id, '--json'])).stdout)).toMatchObject({ status: 'SUCCESS', result: 42 });
  });

  test('fails a task that computes past its hard limit, and goes on', async () => {
    expect((await call('shop.limited')).stdout).toContain('TimeLimitExceeded');
    expect(resultOf(await call('shop.double', '[1]'))).toBe(2);
  });

  test('says that a soft time limit has passed, also of a task that ends well after it', async () => {
    expect(resultOf(await call('shop.soft'))).toBe('cleaned up');
    await worker.wrote('The soft time limit (0.05 s) of shop.soft[');
  });

  test('fails a task that ends its slot, in the words that Celery uses, when its message was acknowledged early', async () => {
    const { stdout } = await call('shop.exit', '[3]');
    expect(stdout).toMatch(/WorkerLostError.*Worker exited prematurely: exitcode 3 Job: \d+\./);
    expect(resultOf(await call('shop.double', '[2]'))).toBe(4);
  });

  test('carries ten megabytes beside small results', async () => {
    const big = call('shop.big', '[10000000]');
    expect(resultOf(await call('shop.double', '[3]'))).toBe(6);
    expect(String(resultOf(await big))).toHaveLength(10_000_000);
  });

  test('warns once of a task whose results are larger than sixteen megabytes, and carries them', async () => {
    const count = (pattern: RegExp): number => worker.log().match(pattern)?.length ?? 0;
    const before = count(/shop\.big\[[\w-]+\] succeeded/g);
    await Promise.all([1, 2].map(() => shop.run(['call', 'shop.big', '[20000000]'])));
    await until(() => count(/shop\.big\[[\w-]+\] succeeded/g) === before + 2);
    expect(count(/WARNING.*The result of shop\.big took 19 MB/g)).toBe(1);
  });

  test('finishes what runs when it is told to stop, and leaves nobody behind', async () => {
    const { pid } = resultOf(await call('shop.where')) as { pid: number };
    const slow = call('shop.slow', '[300]');
    await worker.wrote('it is slow');
    worker.child.kill('SIGTERM');
    expect(resultOf(await slow)).toBe('done');
    expect(await worker.ended).toBe(0);
    expect(alive(pid)).toBe(false);
  });
});

describe('a task that kills its process', () => {
  test('runs again in another, and succeeds there', async () => {
    using shop = project({ 'tasks.ts': TASKS });
    const worker = await shop.worker('-P', 'prefork', '-c', '2');
    expect(resultOf(await calls(shop)('shop.once', JSON.stringify([`${shop.folder}/mark`])))).toBe('the second time');
    expect(worker.log()).toContain("exited with 'signal 9 (SIGKILL)'");
  });

  test('goes to the dead letters when it does that each time, and takes nobody with it', async () => {
    using shop = project({ 'tasks.ts': TASKS });
    const call = calls(shop);
    const worker = await shop.worker('-P', 'prefork', '-c', '2');
    const poison = call('shop.poison');
    expect(resultOf(await call('shop.double', '[4]'))).toBe(8);
    expect((await poison).stdout).toContain('WorkerLostError');
    expect(worker.log().match(/exited with 'signal 9 \(SIGKILL\)'/g)).toHaveLength(2);
    expect(resultOf(await call('shop.double', '[5]'))).toBe(10);
  });

  test('runs alone in a process when it comes a second time, also in a worker that has none', async () => {
    using shop = project({ 'tasks.ts': TASKS });
    const call = calls(shop);
    const first = await shop.worker('-n', 'first@box');
    const poison = call('shop.poison');
    await first.ended;
    const second = await shop.worker('-n', 'second@box');
    expect((await poison).stdout).toContain('WorkerLostError');
    expect(second.log()).toContain("exited with 'signal 9 (SIGKILL)'");
    expect(resultOf(await call('shop.double', '[6]'))).toBe(12);
    expect(second.child.exitCode).toBeNull();
  });
});

describe('a worker that is killed', () => {
  test('takes its children with it, also one that computes', async () => {
    using shop = project({ 'tasks.ts': TASKS });
    const call = calls(shop);
    const worker = await shop.worker('-P', 'prefork', '-c', '2');
    const { pid } = resultOf(await call('shop.where')) as { pid: number };
    const both = [shop.run(['call', 'shop.spin']), shop.run(['call', 'shop.spin'])];
    await Promise.all(both);
    await until(() => (worker.log().match(/it spins/g) ?? []).length === 2);
    worker.child.kill('SIGKILL');
    await worker.ended;
    await until(() => !alive(pid));
  });
});

describe('Ctrl-C in a terminal', () => {
  test('is one warm shutdown, in which no child dies', async () => {
    using shop = project({ 'tasks.ts': TASKS });
    const worker = await shop.terminal('-P', 'prefork', '-c', '2');
    const slow = calls(shop)('shop.slow', '[500]');
    await worker.wrote('it is slow');
    worker.child.stdin?.write('\u0003');
    expect(resultOf(await slow)).toBe('done');
    expect(await worker.ended).toBe(0);
    expect(worker.log().match(/Warm shutdown/g)).toHaveLength(1);
    expect(worker.log()).not.toContain('exited with');
  });
});

describe('an error that nobody waits for', () => {
  test('does not end a worker whose tasks share its event loop; the line names the task', async () => {
    using shop = project({ 'tasks.ts': TASKS });
    const call = calls(shop);
    const worker = await shop.worker();
    expect(resultOf(await call('shop.careless'))).toBe('fine');
    await worker.wrote('left a promise that failed and that nobody waited for');
    await worker.wrote('left an error that nobody caught');
    expect(worker.log()).toMatch(/Task shop\.careless\[[\w-]{36}\] left an error .*out of nowhere/);
    expect(resultOf(await call('shop.double', '[7]'))).toBe(14);
  });
});

describe('the app in a slot', () => {
  test.each([
    ['an ES module', 'app.mjs', `import { Lovage } from 'lovage'; export const app = new Lovage('shop');`],
    ['a CommonJS module', 'app.cjs', `const { Lovage } = require('lovage'); exports.app = new Lovage('shop');`],
  ])('is %s with task modules beside it', async (_, name, code) => {
    const more = `import { app } from './${name}';\nenum Color { Red = 7 }\napp.task('shop.color', () => Color.Red);\n`;
    using shop = project({ [name]: code, 'more.ts': more });
    await shop.worker('-A', name, '-I', './more.ts', '-P', 'prefork', '-c', '1');
    const ran = await shop.run(['-A', name, 'call', 'shop.color', '--wait', '--timeout', '60', '--json']);
    expect(resultOf(ran)).toBe(7);
  });

  test.each(['prefork', 'threads'])(
    'that knows other tasks than the worker is told of once, before such a task comes (%s)',
    async (pool) => {
      using shop = project({
        'tasks.ts': `import { Lovage } from 'lovage';
export const app = new Lovage('shop');
app.task('shop.both', { params: [] }, () => 'fine');
app.task(app.isSlot ? 'shop.there' : 'shop.here', { params: [] }, () => 'only');`,
      });
      const worker = await shop.worker('-P', pool, '-c', '2', '-q');
      const told = (): readonly string[] => worker.log().match(/^.*does not (?:know|have).*$|^.*that this worker.*$/gm) ?? [];
      await until(() => told().length === 2);
      expect(told()[0]).toMatch(
        /ERROR.*does not know tasks that this worker has: shop\.here\. Their messages go to the dead letters/,
      );
      expect(told()[1]).toMatch(/WARNING.*knows tasks that this worker does not have: shop\.there\./);
      expect((await calls(shop)('shop.here')).stdout).toContain('NotRegistered');
      await soon(async () => expect((await shop.run(['queues', '--dead'])).stdout).toContain('unknown-task'));
      expect(resultOf(await calls(shop)('shop.both'))).toBe('fine');
      expect(told()).toHaveLength(2);
    },
  );

  test.each(['prefork', 'threads'])('says nothing of variables that the command line reads (%s)', async (pool) => {
    using shop = project({ 'tasks.ts': TASKS });
    const env = { LOVAGE_WORKER_LOGLEVEL: 'INFO', LOVAGE_RDBSIG: '1', LOVAGE_INIT: '0', LOVAGE_WORKER_POOLS: '1' };
    const worker = await shop.worker('-P', pool, '-c', '1', env);
    expect(worker.log().match(/LOVAGE_\w+ is no setting/g)).toEqual(['LOVAGE_WORKER_POOLS is no setting']);
  });

  test('that needs a native module which threads cannot load is told to use processes', async () => {
    using shop = project({
      'tasks.ts': `import { isMainThread } from 'node:worker_threads';
import { Lovage } from 'lovage';
if (!isMainThread) process.dlopen({ exports: {} }, import.meta.filename);
export const app = new Lovage('shop');`,
    });
    const { code, stderr } = await shop.run(['worker', '-P', 'threads', '-c', '1']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/No slot of the pool 'threads' can start: .*tasks\.ts.*use the pool 'prefork'/s);
  });

  test('ends the start of a worker when its module cannot be loaded, with the reason', async () => {
    using shop = project({
      'tasks.ts': `import { Lovage } from 'lovage';
if (process.env.LOVAGE_SLOT !== undefined) throw new Error('not in here');
export const app = new Lovage('shop');`,
    });
    const { code, stderr } = await shop.run(['worker', '-P', 'prefork']);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/No slot of the pool 'prefork' can start: .*not in here/s);
  });
});
