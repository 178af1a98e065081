// bee-queue 2: jobs are removed on success; a caller that waits registers its job before saving it, else it misses quick results.
import Queue from 'bee-queue';
import { ARGUMENTS, counter, type Options, serve, timeCalls, timeGets, work } from './protocol.ts';

function queueOf(options: Options, more: Record<string, unknown> = {}): Queue {
  return new Queue(options.queue, { redis: { url: options.url }, removeOnSuccess: true, activateDelayedJobs: false, ...more });
}

await serve({
  enqueue: async (options, answer) => {
    const queue = queueOf(options, { isWorker: false, getEvents: false, storeJobs: false });
    await queue.ready();
    const bulk = (size: number) => queue.saveAll(Array.from({ length: size }, () => queue.createJob(ARGUMENTS)));
    answer({ perSecond: await timeCalls(options, () => queue.createJob(ARGUMENTS).save(), bulk) });
  },
  worker: async (options, answer) => {
    const ran = counter(options.count, answer);
    const queue = queueOf(options, { sendEvents: options.results === true, storeJobs: false });
    await queue.ready();
    queue.process(options.concurrency ?? 100, async () => {
      ran();
      return work(options);
    });
    answer({ ready: true });
  },
  get: async (options, answer) => {
    const queue = queueOf(options, { isWorker: false });
    await queue.ready();
    const { jobs } = queue as unknown as { jobs: Map<string, unknown> };
    let count = 0;
    const get = (): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const id = `get-${count++}`;
        const job = queue.createJob(ARGUMENTS).setId(id);
        job.once('succeeded', resolve).once('failed', reject);
        jobs.set(id, job);
        void job.save();
      });
    answer(await timeGets(options.count, get));
  },
});
