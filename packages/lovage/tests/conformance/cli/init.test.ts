// A worker as the first process of a container, without an init: a PID namespace of its own, where this machine lets us make one. Where it
// does not (many containers), the same worker is made the one that orphans are given to (PR_SET_CHILD_SUBREAPER), which asks the same of it.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Around, ensureBuilt, project, type Ran, type Worker } from '../../support/program.ts';
import { soon } from '../../support/worker-app.ts';

const TASKS = `import { spawn } from 'node:child_process';
import { Lovage } from 'lovage';
export const app = new Lovage('shop');
const ended = (child) => new Promise((done) => child.on('exit', done));
// A shell that ends and leaves a process behind, which ends a moment later.
app.task('shop.orphan', { params: [] }, () => ended(spawn('sh', ['-c', 'sleep 0.05 & exit 0'], { stdio: 'ignore' })));
app.task('shop.die', { params: [], acksLate: false }, () => { spawn('sleep', ['100'], { stdio: 'ignore' }); process.exit(3); });
app.task('shop.slow', { params: [] }, async () => { console.log('it is slow'); await new Promise((done) => setTimeout(done, 300)); return 'done'; });
app.task('shop.forever', { params: [] }, () => new Promise(() => { setInterval(() => undefined, 1000); console.log('it runs'); }));
`;

const SUBREAPER =
  'import ctypes, os, sys; assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0; os.execvp(sys.argv[1], sys.argv[1:])';

const namespace = [
  'unshare',
  '--pid',
  '--fork',
  '--mount-proc',
  '--kill-child',
  ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']),
];

function canUnshare(): boolean {
  try {
    execFileSync('unshare', [...namespace.slice(1), 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const isNamespace = canUnshare();
const container: Around = isNamespace
  ? { command: (command) => [...namespace, ...command] }
  : { command: (command) => ['python3', '-c', SUBREAPER, ...command], env: { LOVAGE_INIT: '1' } };

function childrenOf(pid: number): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}

/** The first process: what a supervisor sends its signals to. */
function firstOf({ child: { pid = 0 } }: Worker): number {
  return isNamespace ? (childrenOf(pid)[0] ?? 0) : pid;
}

const resultOf = ({ stdout }: Ran): unknown => (JSON.parse(stdout) as { readonly result: unknown }).result;

beforeAll(() => ensureBuilt());

describe('a worker that is the first process of a container', () => {
  test.each(['async', 'prefork'])('waits for what its tasks leave behind, and hands TERM on to a warm end (%s)', async (pool) => {
    using shop = project({ 'tasks.ts': TASKS });
    const call = (task: string): Promise<Ran> => shop.run(['call', task, '--wait', '--timeout', '30', '--json']);
    const worker = await shop.through(container, '-P', pool, '-c', '1');
    const first = firstOf(worker);
    expect(childrenOf(first)).toHaveLength(1);
    expect(resultOf(await call('shop.orphan'))).toBe(0);
    if (pool === 'prefork') expect((await call('shop.die')).stdout).toContain('exitcode 3');
    // What had ended and was not waited for would stay.
    await soon(() => expect(childrenOf(first)).toHaveLength(1));
    const slow = call('shop.slow');
    await worker.wrote('it is slow');
    process.kill(first, 'SIGTERM');
    expect(resultOf(await slow)).toBe('done');
    expect(await worker.ended).toBe(0);
    expect(worker.log().match(/Warm shutdown \(SIGTERM\)/g)).toHaveLength(1);
  });

  test('hears the other signals too, and ends with the exit code of the worker', async () => {
    using shop = project({ 'tasks.ts': TASKS });
    const worker = await shop.through(container, '-c', '1');
    const first = firstOf(worker);
    await shop.run(['call', 'shop.forever']);
    await worker.wrote('it runs');
    process.kill(first, 'SIGUSR1');
    await worker.wrote('1 running');
    process.kill(first, 'SIGINT');
    await worker.wrote('Warm shutdown (SIGINT)');
    process.kill(first, 'SIGINT');
    expect(await worker.ended).toBe(3);
  });

  test('stays the first with LOVAGE_INIT=0: its own processes are waited for, and TERM is heard', async () => {
    using shop = project({ 'tasks.ts': TASKS });
    const worker = await shop.through(container, '-P', 'prefork', '-c', '1', { LOVAGE_INIT: '0' });
    const first = firstOf(worker);
    const [slot] = childrenOf(first);
    process.kill(slot ?? 0, 'SIGKILL');
    await worker.wrote("exited with 'signal 9 (SIGKILL)'");
    await soon(() => expect(childrenOf(first)).toEqual([expect.any(Number)]));
    expect(childrenOf(first)).not.toContain(slot);
    process.kill(first, 'SIGTERM');
    expect(await worker.ended).toBe(0);
  });
});
