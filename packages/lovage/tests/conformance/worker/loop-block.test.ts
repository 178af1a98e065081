// While a task computes, a thread of the broker says which it is; afterwards the worker does.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { places, setup } from './places.ts';

const source = (path: string): string => new URL(`../../../src/${path}`, import.meta.url).href;

/** A worker of that app whose task computes for two seconds, then four, eight and so on: the thread may still start. */
function program(settings: unknown): string {
  return `import { Lovage } from '${source('index.ts')}';
    import { runWorkerProgram } from '${source('worker/index.ts')}';
    const app = new Lovage('shop', ${JSON.stringify(settings)}, { environment: {} });
    const careless = app.task('shop.careless', (ms) => {
      const until = performance.now() + ms;
      while (performance.now() < until);
    });
    app.signals.on('workerReady', async () => {
      for (let ms = 2000; ; ms *= 2) await (await careless.delay(ms)).get();
    });
    await runWorkerProgram(app, { banner: false, concurrency: 2, logging: { level: 'WARNING' } });`;
}

const withThread = places.filter(([name]) => ['sqlite, one file', 'redis', 'amqp with redis'].includes(name));

test.concurrent.each(withThread)(
  'a task that computes is named while it does, and afterwards (%s)',
  async (_, place) => {
    await using s = await setup(place, { loopBlockWarning: 0.1 });
    const { brokerUrl, resultBackend, taskDefaultQueue, controlExchange, loopBlockWarning } = s.app.settings;
    const settings = { brokerUrl, resultBackend, taskDefaultQueue, controlExchange, loopBlockWarning };
    const child = spawn(process.execPath, ['--input-type=module', '-e', program(settings)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const lines: string[] = [];
    const meanwhile =
      /^lovage: the event loop of process \d+ has not turned for \d+ s\. The task that began last: shop\.careless [-\w]+\.$/;
    const afterwards = /The event loop stood still .* likeliest cause first: shop\.careless\[[-\w]+\]/;
    const both = (): boolean => [meanwhile, afterwards].every((words) => lines.some((line) => words.test(line)));
    try {
      await new Promise<void>((resolve, reject) => {
        for (const stream of [child.stdout, child.stderr])
          createInterface({ input: stream }).on('line', (line) => {
            lines.push(line);
            if (both()) resolve();
          });
        child.once('exit', () => reject(new Error(lines.join('\n'))));
      });
    } finally {
      child.kill('SIGKILL');
    }
    expect(both()).toBe(true);
  },
  90_000,
);
