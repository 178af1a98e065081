// Lovage with two processes (prefork) that hash. The same file is the app that each of them loads.
import { Lovage } from 'lovage';
import { hash, ROUNDS, WARM_UP } from './hashing.ts';
import { type Options, serve } from './protocol.ts';

const options = JSON.parse(process.env.BENCH_OPTIONS ?? process.argv[3] ?? '{}') as Options;
export const app = new Lovage('bench', {
  brokerUrl: options.url,
  resultBackend: 'disabled://',
  taskIgnoreResult: true,
  taskDefaultQueue: options.queue,
});
const hashing = app.task('bench.hash', hash);

/** Rare: whoever looks takes time from the processes that compute, and the rate is over what ran between two looks. */
const LOOK_MS = 50;

/** Tells the rate of the last `count` of twice as many, as the other peers do; jobs that ended are counted by the pool. */
function watch(count: number, done: () => number, answer: (fields: Record<string, unknown>) => void): void {
  let from = 0;
  let first = 0;
  const timer = setInterval(() => {
    const ran = done();
    if (from === 0 && ran >= count) {
      from = performance.now();
      first = ran;
    }
    if (ran < 2 * count) return;
    clearInterval(timer);
    answer({ perSecond: (ran - first) / ((performance.now() - from) / 1000) });
  }, LOOK_MS);
}

if (process.env.LOVAGE_SLOT === undefined) {
  await serve({
    enqueue: async ({ count }, answer) => {
      // A quarter more, as the other peers send to warm up.
      const calls = Math.ceil((count * 5) / 4);
      const send = async (some: number, rounds: number): Promise<void> => {
        for (let sent = 0; sent < some; sent += 100) {
          await Promise.all(Array.from({ length: Math.min(100, some - sent) }, () => hashing.delay('secret', rounds)));
        }
      };
      await send(WARM_UP, 1);
      const start = performance.now();
      await send(calls, ROUNDS);
      answer({ perSecond: calls / ((performance.now() - start) / 1000) });
    },
    worker: async ({ count, concurrency = 2 }, answer) => {
      process.env.BENCH_OPTIONS = process.argv[3];
      const { startWorker } = await import('lovage/worker');
      const worker = await startWorker(app, { pool: 'prefork', concurrency, module: import.meta.url });
      answer({ ready: true });
      const pool = (): { readonly done: number } => (worker.info().pool as { lovage: { done: number } }).lovage;
      watch(count, () => pool().done - WARM_UP, answer);
    },
  });
}
