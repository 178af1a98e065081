// A thread that speaks while the main loop of its process stands still.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const view = new URL('../../../src/util/loop-view.ts', import.meta.url).href;

/** What a process writes to standard error whose thread speaks after so many seconds; `lines` run when the thread is there. */
async function saidBy(seconds: number, lines: string): Promise<string> {
  const program = `
    import { once } from 'node:events';
    import { Worker } from 'node:worker_threads';
    import { createLoopView } from '${view}';
    const view = createLoopView(${seconds});
    const code = \`const { workerData, parentPort } = require('node:worker_threads');
      import('${view}').then(({ speakForLoop }) => { speakForLoop(workerData); parentPort.postMessage('up'); });\`;
    const thread = new Worker(code, { eval: true, workerData: view.memory, execArgv: [] });
    await once(thread, 'message');
    const compute = (ms) => { const until = performance.now() + ms; while (performance.now() < until); };
    ${lines}
    await thread.terminate();`;
  const { stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
  return stderr;
}

it('names the task that began last, again after twice as long', async () => {
  const said = await saidBy(0.2, `view.begins('shop.a', 'i0'); view.begins('shop.resize', 'i1'); compute(1500);`);
  const lines = said.trim().split('\n');
  expect(lines[0]).toMatch(
    /^lovage: the event loop of process \d+ has not turned for \d s\. The task that began last: shop\.resize i1\.$/,
  );
  expect(lines.length).toBeGreaterThanOrEqual(2);
  expect(lines.length).toBeLessThanOrEqual(3);
}, 30_000);

it('names none that has ended, and writes what came from a message on one line', async () => {
  const said = await saidBy(
    0.2,
    String.raw`
      view.begins('shop.a', 'i1'); view.ended(); compute(900);
      view.turn(); view.begins('shop.a', 'i1\nlovage: lies\u001b[0m'); compute(900);
      view.turn(); view.begins('n'.repeat(1000), 'i'.repeat(1000)); compute(900);`,
  );
  expect(said).toContain('s. No task has begun lately.\n');
  expect(said).toContain('The task that began last: shop.a i1?lovage: lies?[0m.\n');
  expect(said).toMatch(/: n{300} i{100}\.$/m);
}, 30_000);

it('is silent while the loop turns', async () => {
  const said = await saidBy(1, 'const until = performance.now() + 2500; while (performance.now() < until) view.turn();');
  expect(said).toBe('');
}, 30_000);
