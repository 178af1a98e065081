// BullMQ 6: jobs are removed when done, all but 10,000 where the caller waits for them.
import { type FlowJob, FlowProducer, type Job, Queue, QueueEvents, Worker } from 'bullmq';
import {
  ARGUMENTS,
  CANVAS_SIZE,
  counter,
  isRight,
  type Options,
  serve,
  timeCalls,
  timeCanvas,
  timeGets,
  work,
} from './protocol.ts';

const connection = (options: Options) => ({ url: options.url });

function queueOf(options: Options): Queue {
  return new Queue(options.queue, {
    connection: connection(options),
    defaultJobOptions: { removeOnComplete: options.results ? 10_000 : true },
  });
}

/** A step of a flow: one more than its child gave, or the sum of what all of them gave. */
async function stepOf(job: Job): Promise<number> {
  const values = Object.values(await job.getChildrenValues<number>());
  return values.reduce((sum, value) => sum + value, job.name === 'step' ? 1 : 0);
}

/** The nearest that it has: a tree whose parents wait for their children. */
function flowOf(canvas: 'chain' | 'chord', queueName: string): FlowJob {
  const opts = { removeOnComplete: 10_000 };
  const leaf: FlowJob = { name: 'step', queueName, opts };
  if (canvas === 'chord')
    return { name: 'total', queueName, opts, children: Array.from({ length: CANVAS_SIZE.chord }, () => ({ ...leaf })) };
  return Array.from({ length: CANVAS_SIZE.chain - 1 }).reduce<FlowJob>(
    (child) => ({ name: 'step', queueName, opts, children: [child] }),
    leaf,
  );
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
      async (job) => {
        ran();
        return job.name === 'noop' ? await work(options) : await stepOf(job);
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
  canvas: async (options, answer) => {
    const { canvas = 'chain' } = options;
    const queue = queueOf({ ...options, results: true });
    // Each wait listens for the end of its queue; a thousand of them are meant.
    queue.setMaxListeners(0);
    const flows = new FlowProducer({ connection: connection(options) });
    const events = new QueueEvents(options.queue, { connection: connection(options) });
    await events.waitUntilReady();
    const run = async (): Promise<unknown> => {
      if (canvas !== 'group') return await (await flows.add(flowOf(canvas, options.queue))).job.waitUntilFinished(events, 20_000);
      const jobs = await queue.addBulk(Array.from({ length: CANVAS_SIZE.group }, () => ({ name: 'step', data: 0 })));
      return await Promise.all(jobs.map((job) => job.waitUntilFinished(events, 20_000)));
    };
    answer(await timeCanvas(options.count, run, (result) => isRight(canvas, result)));
  },
});
