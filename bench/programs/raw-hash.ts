// The bound of hashing on two processes: two that do nothing else.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { hash } from './hashing.ts';
import { serve } from './protocol.ts';

function run(count: number): void {
  for (let ran = 0; ran < count; ran++) hash('secret');
}

if (process.send !== undefined) {
  process.on('message', (count: number) => {
    run(count);
    process.send?.('done');
  });
} else {
  await serve({
    enqueue: async (_, answer) => answer({ perSecond: 1 }),
    worker: async ({ count, concurrency = 2 }, answer) => {
      const children = Array.from({ length: concurrency }, () => fork(import.meta.filename));
      const round = (): Promise<unknown> =>
        Promise.all(
          children.map((child) => {
            child.send(count / concurrency);
            return once(child, 'message');
          }),
        );
      answer({ ready: true });
      await round();
      const start = performance.now();
      await round();
      answer({ perSecond: count / ((performance.now() - start) / 1000) });
      for (const child of children) child.kill();
    },
  });
}
