// The end of a worker program to which nobody answers: a task that heeds no signal, observers that never come back, a timer left behind.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Lovage } from '../../../src/app/index.ts';

const source = (path: string): string => new URL(`../../../src/${path}`, import.meta.url).href;

/** Seconds after shutdownTimeout in which docs/guide-workers.md says that the process has ended. */
const PROMISED = 9;
/** Seconds of a container between TERM and KILL in Kubernetes, where nobody says another number. */
const KUBERNETES = 30;
/** Seconds that a busy machine may take beside. Without its bound this end takes 25. */
const MACHINE = 10;

const TASKS = `
  import { Lovage } from '${source('index.ts')}';
  export const app = new Lovage('shop', { brokerUrl: 'memory://l', resultBackend: 'memory://l', shutdownTimeout: 0.1 });
  const never = () => new Promise(() => setInterval(() => undefined, 1000));
  const deaf = app.task('deaf', { params: [] }, () => {
    console.log('it runs');
    return never();
  });
  app.signals.on('workerReady', () => void deaf.delay());
  app.signals.on('workerProcessShutdown', never);
  app.signals.on('workerShutdown', never);`;

it('has a bound: with all defaults it fits into the time that Kubernetes gives', async () => {
  await using app = new Lovage('shop', {}, { environment: {} });
  expect((app.settings.shutdownTimeout ?? Number.POSITIVE_INFINITY) + PROMISED).toBeLessThan(KUBERNETES);
  const folder = await mkdtemp(join(tmpdir(), 'lovage-last-'));
  await writeFile(join(folder, 'tasks.ts'), TASKS);
  const start = `import { program } from '${source('cli/index.ts')}'; await program();`;
  const argv = ['--input-type=module', '-e', start, 'lovage', '-A', 'tasks.ts', 'worker'];
  const child = spawn(process.execPath, argv, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  try {
    let told = '';
    const runs = Promise.withResolvers<void>();
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (text: Buffer) => {
        told += String(text);
        if (told.includes('it runs')) runs.resolve();
      });
    child.once('exit', () => runs.reject(new Error(told)));
    await runs.promise;
    const began = performance.now();
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');
    expect((performance.now() - began) / 1000).toBeLessThan(PROMISED + MACHINE);
    expect(code).toBe(3);
    expect(told).toContain('Observers of the signal worker_shutdown had not ended in time');
  } finally {
    child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  }
}, 120_000);
