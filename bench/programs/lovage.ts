// Lovage on any broker: the built package, as its users import it.
import { Lovage } from 'lovage';
import { ARGUMENTS, counter, type Options, serve, timeCalls, timeGets } from './protocol.ts';

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
      return 1;
    });
    await startWorker(app, { concurrency: options.concurrency ?? 100 });
    answer({ ready: true });
  },
  get: async (options, answer) => {
    const noop = appOf(options).remote<(...args: Arguments) => number>('bench.noop');
    const get = async (): Promise<number> => (await noop.delay(...(ARGUMENTS as Arguments))).get({ timeout: 10 });
    answer(await timeGets(options.count, get));
  },
});
