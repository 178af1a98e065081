// The bound of tasks that wait: as many waits at once as the workers have slots, one behind the other, and no queue at all.
import { counter, serve, WAIT_MS } from './protocol.ts';

await serve({
  enqueue: async (_, answer) => answer({ perSecond: 1 }),
  worker: async ({ count, concurrency = 100 }, answer) => {
    const ran = counter(count, answer);
    answer({ ready: true });
    const again = (): void => {
      ran();
      setTimeout(again, WAIT_MS);
    };
    for (let slot = 0; slot < concurrency; slot++) again();
  },
});
