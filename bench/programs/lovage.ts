// Lovage on any broker: the built package, as its users import it.
import { chain, chord, group, Lovage } from 'lovage';
import {
  ARGUMENTS,
  CANVAS_SIZE,
  counter,
  isRight,
  lateness,
  type Options,
  serve,
  timeCalls,
  timeCanvas,
  timeGets,
  work,
} from './protocol.ts';

function appOf(options: Options): Lovage {
  const results = options.url.startsWith('amqp') ? 'rpc://' : options.url;
  return new Lovage('bench', {
    brokerUrl: options.url,
    resultBackend: options.results ? results : 'disabled://',
    taskIgnoreResult: !options.results,
    taskDefaultQueue: options.queue,
    ...options.settings,
  });
}

/** Milliseconds. */
const BEAT_STARTS = 4000;

type Arguments = [id: string, order: { amount: number; currency: string }];

await serve({
  enqueue: async (options, answer) => {
    const noop = appOf(options).remote<(...args: Arguments) => number>('bench.noop');
    const perSecond = await timeCalls(options, () => noop.delay(...(ARGUMENTS as Arguments)));
    answer({ perSecond });
  },
  worker: async (options, answer) => {
    const { startWorker } = await import('lovage/worker');
    const app = appOf(options);
    const ran = counter(options.count, answer);
    app.task('bench.noop', (_id: string, _order: Arguments[1]) => {
      ran();
      return work(options);
    });
    app.task('bench.late', lateness(options, answer));
    app.task('bench.step', (n: number) => n + 1);
    app.task('bench.total', (list: number[]) => list.reduce((sum, n) => sum + n, 0));
    // Several of one run are on one broker.
    await startWorker(app, { concurrency: options.concurrency ?? 100, hostname: `bench-${process.pid}@%h` });
    answer({ ready: true });
  },
  get: async (options, answer) => {
    const noop = appOf(options).remote<(...args: Arguments) => number>('bench.noop');
    const get = async (): Promise<number> => (await noop.delay(...(ARGUMENTS as Arguments))).get({ timeout: 10 });
    answer(await timeGets(options.count, get));
  },
  // Tasks that are due in two hours.
  park: async (options, answer) => {
    const noop = appOf(options).remote<(...args: Arguments) => number>('bench.noop');
    const park = () => noop.applyAsync(ARGUMENTS as Arguments, { countdown: 7200, ignoreResult: true });
    answer({ perSecond: await timeCalls({ ...options, mode: 'bulk', count: (options.count * 4) / 5 }, park) });
  },
  // A monitor, which reads every event. It answers once more when it has heard of most of the tasks.
  listen: async (options, answer) => {
    const events = appOf(options).events();
    await events.ready();
    answer({ ready: true });
    let heard = 0;
    for await (const { type } of events) if (type === 'task-succeeded' && ++heard === options.count) answer({ heard });
  },
  // All entries are due in one moment, once everything is at rest.
  beat: async (options, answer) => {
    const { startBeat } = await import('lovage/beat');
    const due = Date.now() + BEAT_STARTS;
    const entry = { task: 'bench.late', schedule: new Date(due), args: [due] };
    const entries = Array.from({ length: options.count }, (_, index) => [`entry ${index}`, entry] as const);
    const app = appOf({ ...options, settings: { ...options.settings, beatSchedule: Object.fromEntries(entries) } });
    const beat = await startBeat(app);
    await beat.ready;
    answer({ left: due - Date.now() });
  },
  canvas: async (options, answer) => {
    const { canvas = 'chain' } = options;
    const app = appOf(options);
    const step = app.remote<(n: number) => number>('bench.step');
    const total = app.remote<(list: number[]) => number>('bench.total');
    const members = () => Array.from({ length: CANVAS_SIZE[canvas] }, () => step.s(0));
    const run = async (): Promise<unknown> => {
      if (canvas === 'group') return await (await group(members()).delay()).get({ timeout: 20 });
      if (canvas === 'chord') return await (await chord(members(), total.s()).delay()).get({ timeout: 20 });
      const steps = Array.from({ length: CANVAS_SIZE.chain }, (_, index) => (index === 0 ? step.s(0) : step.s()));
      return await (await chain(steps).delay()).get({ timeout: 20 });
    };
    answer(await timeCanvas(options.count, run, (result) => isRight(canvas, result)));
  },
});
