// BullMQ 6: jobs are removed when done, all but 10,000 where the caller waits for them.
import { Queue, QueueEvents, Worker } from 'bullmq';
import { ARGUMENTS, counter, type Options, serve, timeCalls, timeGets } from './protocol.ts';

const connection = (options: Options) => ({ url: options.url });

function queueOf(options: Options): Queue {
  return new Queue(options.queue, {
    connection: connection(options),
    defaultJobOptions: { removeOnComplete: options.results ? 10_000 : true },
  });
}

await serve({
  enqueue: async (options, answer) => {
    const queue = queueOf(options);
    await queue.waitUntilReady();
    const job = { name: 'noop', data: ARGUMENTS };
    const bulk = (size: number) => queue.addBulk(Array.from({ length: size }, () => job));
    answer({ perSecond: await timeCalls(options, () => queue.add('noop', ARGUMENTS), bulk) });
  },
  worker: async (options, answer) => {
    const ran = counter(options.count, answer);
    const worker = new Worker(
      options.queue,
      async () => {
        ran();
        return 1;
      },
      { connection: connection(options), concurrency: options.concurrency ?? 100 },
    );
    await worker.waitUntilReady();
    answer({ ready: true });
  },
  get: async (options, answer) => {
    const queue = queueOf(options);
    const events = new QueueEvents(options.queue, { connection: connection(options) });
    await events.waitUntilReady();
    answer(await timeGets(options.count, async () => (await queue.add('noop', ARGUMENTS)).waitUntilFinished(events, 10_000)));
  },
});
