// Bodies that never end: their slot is free after the hard limit, they are counted, and too many of them end the worker and its process.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Lovage } from '../../../src/app/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { soon } from '../../support/worker-app.ts';

const source = (path: string): string => new URL(`../../../src/${path}`, import.meta.url).href;

/** A program that runs the command `worker` for an app of these lines; what it printed and its exit code. */
async function command(lines: string): Promise<{ code: number; text: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'lovage-zombies-'));
  const app = `import { Lovage } from '${source('index.ts')}';
    export const app = new Lovage('shop', { brokerUrl: 'memory://z', resultBackend: 'memory://z', maxZombies: 1 });
    ${lines}`;
  try {
    await writeFile(join(folder, 'tasks.ts'), app);
    const start = `import { program } from '${source('cli/index.ts')}'; await program();`;
    const argv = ['--input-type=module', '-e', start, 'lovage', '-A', 'tasks.ts', 'worker'];
    return await new Promise((resolve) => {
      const child = execFile(process.execPath, argv, { cwd: folder }, (_, stdout, stderr) =>
        resolve({ code: child.exitCode ?? -1, text: `${stdout}${stderr}` }),
      );
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

describe('a task that runs on past its hard limit', () => {
  it('fails, frees its slot, and is counted', async () => {
    const url = `memory://${uuid()}`;
    await using app = new Lovage('shop', { brokerUrl: url, resultBackend: url, maxZombies: 2 }, { environment: {} });
    const endless = app.task('endless', { timeLimit: 0.01, params: [] }, () => new Promise<void>(() => undefined));
    const fine = app.task('fine', () => 'fine');
    const worker = await startWorker(app, { concurrency: 1 });
    await expect((await endless.delay()).get({ timeout: 5 })).rejects.toThrow('time limit');
    expect(await (await fine.delay()).get({ timeout: 5 })).toBe('fine');
    await soon(() => expect(worker.info()).toMatchObject({ state: 'running', pool: { lovage: { running: 0, zombies: 1 } } }));
    await endless.delay();
    expect(await worker.closed).toBe(1);
    expect(worker.failure?.message).toMatch(/^2 tasks run on.*maxZombies/);
  });

  it('that looks at its signal is none of them', async () => {
    const url = `memory://${uuid()}`;
    await using app = new Lovage('shop', { brokerUrl: url, resultBackend: url, maxZombies: 1 }, { environment: {} });
    const ended = Promise.withResolvers<void>();
    const heeds = app.task('heeds', { bind: true, timeLimit: 0.01, params: [] }, async (ctx) => {
      await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve));
      ended.resolve();
    });
    await using worker = await startWorker(app);
    await expect((await heeds.delay()).get({ timeout: 5 })).rejects.toThrow('time limit');
    await ended.promise;
    expect(worker.info()).toMatchObject({ state: 'running', pool: { lovage: { zombies: 0 } } });
  });

  it('does not keep the process alive, which ends with 1 and says why', async () => {
    const { code, text } = await command(`
      const endless = app.task('endless', { timeLimit: 0.01, params: [] }, () => new Promise(() => setInterval(() => undefined, 1000)));
      app.signals.on('workerReady', () => void endless.delay());
    `);
    expect(text).toMatch(/WARNING\/MainProcess\] The task endless\[[-0-9a-f]+\] runs on/);
    expect(text).toMatch(/CRITICAL\/MainProcess\] 1 task runs on that had to stop \(setting maxZombies\)/);
    expect(code).toBe(1);
  }, 20_000);
});
