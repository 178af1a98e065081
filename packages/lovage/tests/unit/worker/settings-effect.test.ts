// Settings of tasks, results and queues, each with a whole worker: what changes when it is set, beside what is there when it is not.
import { describe, expect, it } from 'vitest';
import type { Lovage, SettingsInput } from '../../../src/app/index.ts';
import { deadLetterQueue } from '../../../src/broker/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { harness, soon, success } from '../../support/worker-app.ts';
import { setup as make, waiting } from '../app/support.ts';

const setup = (settings: SettingsInput = {}): Lovage => make({ resultBackend: `memory://${uuid()}`, ...settings });
const bad = (): never => {
  throw new TypeError('bad value');
};

async function stateOf(app: Lovage, name: string): Promise<string> {
  const result = await app.sendTask(name);
  const broker = await app.openBroker('read');
  await soon(async () => expect(await broker.count('celery')).toMatchObject({ ready: 0, held: 0 }));
  return result.state();
}

describe('results', () => {
  it.each([
    [{}, 'FAILURE'],
    [{ taskIgnoreResult: true }, 'PENDING'],
    [{ taskIgnoreResult: true, taskStoreErrorsEvenIfIgnored: true }, 'FAILURE'],
  ] as const)('with %o the state of a failed task is %s', async (settings, state) => {
    await using app = setup(settings);
    app.task('bad', { params: [] }, bad);
    await using _worker = await startWorker(app);
    expect(await stateOf(app, 'bad')).toBe(state);
  });

  it.each([true, false])('taskTrackStarted %s decides whether a running task is seen', async (taskTrackStarted) => {
    await using app = setup({ taskTrackStarted });
    const open = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const slow = app.task('slow', async () => {
      started.resolve();
      await open.promise;
    });
    await using _worker = await startWorker(app);
    const result = await slow.delay();
    await started.promise;
    if (taskTrackStarted) await soon(async () => expect(await result.state()).toBe('STARTED'));
    else expect(await result.state()).toBe('PENDING');
    open.resolve();
    await result.get({ timeout: 5 });
  });

  it('resultSerializer writes them, and resultAcceptContent says which may be read', async () => {
    await using app = setup({ resultSerializer: 'msgpack', resultAcceptContent: ['msgpack'] });
    const add = app.task('add', (a: number, b: number) => a + b);
    await using _worker = await startWorker(app);
    const result = await add.delay(1, 2);
    expect(await result.get({ timeout: 5 })).toBe(3);
    expect((await app.results.stored(result.id))?.contentType).toBe('application/x-msgpack');
    await using other = make({ resultBackend: app.settings.resultBackend ?? '' });
    await expect(other.result(result.id).get({ timeout: 5 })).rejects.toThrow(/msgpack/);
  });
});

describe('ends', () => {
  it.each([true, false])(
    'taskAcksOnFailure %s decides whether a failed message goes to the dead letters',
    async (taskAcksOnFailure) => {
      await using app = setup({ taskAcksOnFailure });
      app.task('bad', { params: [] }, bad);
      await using _worker = await startWorker(app);
      expect(await stateOf(app, 'bad')).toBe('FAILURE');
      expect(await waiting(app, deadLetterQueue('celery'))).toHaveLength(taskAcksOnFailure ? 0 : 1);
    },
  );

  it.each([true, false])(
    'taskAcksOnTimeout %s decides whether a task that hit its limit runs again',
    async (taskAcksOnTimeout) => {
      await using app = setup({ taskAcksOnTimeout, taskTimeLimit: 0.05 });
      let runs = 0;
      const slow = app.task('slow', { bind: true, params: [] }, (ctx) => {
        if (++runs === 2) return 'in time';
        return new Promise((_, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason)));
      });
      await using _worker = await startWorker(app);
      const ended = (await slow.delay()).get({ timeout: 5, propagate: false });
      if (taskAcksOnTimeout) expect(String(await ended)).toMatch(/TimeLimitExceeded/);
      else expect(await ended).toBe('in time');
      expect(runs).toBe(taskAcksOnTimeout ? 1 : 2);
    },
  );
});

describe('eager tasks', () => {
  it.each([true, false])('taskEagerPropagates %s decides where their error is thrown', async (taskEagerPropagates) => {
    await using app = setup({ taskAlwaysEager: true, taskEagerPropagates });
    const fails = app.task('bad', { params: [] }, bad);
    const call = fails.delay();
    if (taskEagerPropagates) await expect(call).rejects.toThrow('bad value');
    else expect(await (await call).state()).toBe('FAILURE');
  });

  it.each([true, false])(
    'taskStoreEagerResult %s decides whether others can read their results',
    async (taskStoreEagerResult) => {
      await using app = setup({ taskAlwaysEager: true, taskStoreEagerResult });
      const fine = app.task('fine', () => 'fine');
      const { id } = await fine.delay();
      expect(await app.result(id).state()).toBe(taskStoreEagerResult ? 'SUCCESS' : 'PENDING');
    },
  );
});

describe('messages', () => {
  it('taskDefaultExchange, its type and taskDefaultRoutingKey are those of the default queue', async () => {
    const names = { taskDefaultExchange: 'shop', taskDefaultExchangeType: 'topic', taskDefaultRoutingKey: 'shop.all' } as const;
    await using app = setup(names);
    await app.sendTask('t');
    expect(app.queues.get('celery')).toMatchObject({ exchange: { name: 'shop', type: 'topic' }, routingKey: 'shop.all' });
    expect(await waiting(app)).toMatchObject([{ exchange: 'shop', routingKey: 'shop.all' }]);
  });

  it.each([
    [{}, 2],
    [{ taskDefaultDeliveryMode: 1 }, 1],
    [{ taskDefaultDeliveryMode: 'transient' }, 1],
  ] as const)('with %o they have the delivery mode %i', async (settings, deliveryMode) => {
    await using app = setup(settings);
    await app.sendTask('t');
    expect((await waiting(app))[0]?.properties.deliveryMode).toBe(deliveryMode);
  });

  it('taskDefaultPriority is that of tasks that have none', async () => {
    await using app = setup({ taskDefaultPriority: 7 });
    await app.sendTask('t');
    await app.sendTask('t', { priority: 2 });
    expect((await waiting(app)).map(({ properties }) => properties.priority).toSorted()).toEqual([2, 7]);
  });

  it.each([true, false])(
    'taskInheritParentPriority %s decides whether a sent task has the priority of its sender',
    async (inherit) => {
      await using app = setup({ taskInheritParentPriority: inherit });
      app.task('parent', { params: [] }, async () => {
        await app.sendTask('child', { queue: 'elsewhere' });
      });
      await using _worker = await startWorker(app, { queues: ['celery'] });
      await app.sendTask('parent', { priority: 6 });
      await soon(async () => expect(await waiting(app, 'elsewhere')).toHaveLength(1));
      expect((await waiting(app, 'elsewhere'))[0]?.properties.priority).toBe(inherit ? 6 : 0);
    },
  );

  it('brokerWriteUrl and brokerReadUrl are where they go and where they come from', async () => {
    const [write, read] = [`memory://${uuid()}`, `memory://${uuid()}`];
    await using app = setup({ brokerWriteUrl: write, brokerReadUrl: read });
    await app.sendTask('t');
    expect(await waiting(app)).toEqual([]);
    await using other = make({ brokerUrl: write });
    expect(await waiting(other)).toHaveLength(1);
  });
});

describe('a worker', () => {
  it.each([false, true])(
    'limits rates by taskDefaultRateLimit, unless workerDisableRateLimits is %s',
    async (workerDisableRateLimits) => {
      await using app = setup({ taskDefaultRateLimit: '1/h', workerDisableRateLimits });
      let runs = 0;
      const quick = app.task('quick', () => void runs++);
      await using _worker = await startWorker(app);
      await Promise.all([quick.delay(), quick.delay(), quick.delay()]);
      const broker = await app.openBroker('read');
      const counts = async () => ({ runs, parked: (await broker.count('celery'))?.parked });
      await soon(async () =>
        expect(await counts()).toEqual(workerDisableRateLimits ? { runs: 3, parked: 0 } : { runs: 1, parked: 2 }),
      );
    },
  );

  it.each<readonly [{ readonly workerEtaTaskLimit?: number }, number]>([
    [{}, 4],
    [{ workerEtaTaskLimit: 1 }, 3],
  ])('with %o holds %i of four messages that are due soon, in two slots', async (settings, held) => {
    await using h = await harness({ concurrency: 2, settings });
    h.task('later', (job) => success(job));
    for (let call = 0; call < 4; call++) await h.call('later', { eta: new Date(Date.now() + 4000).toISOString() });
    await h.start();
    await soon(async () => expect(await h.counts()).toMatchObject({ held, ready: 4 - held }));
    expect(h.consumer.flow.prefetch).toBe(2 + Math.min(held, settings.workerEtaTaskLimit ?? held));
  });

  it('has the pool of workerPool', async () => {
    await using app = setup({ workerPool: 'solo' });
    await using worker = await startWorker(app);
    expect(worker.facts).toMatchObject({ pool: 'solo', concurrency: 1 });
  });

  it.each([
    [{ workerPool: 'async', workerMaxTasksPerChild: 3 }, "maxTasksPerChild = 3; use the pool 'prefork' or 'threads'"],
    [{ workerPool: 'solo', workerMaxMemoryPerChild: 9 }, "maxMemoryPerChild = 9; use the pool 'prefork' or 'threads'"],
    [{ workerSlotConcurrency: 2 }, "width = 2; use the pool 'prefork' or 'threads'"],
    // Nobody chose a pool, so that they choose the one that keeps them.
    [{ workerMaxTasksPerChild: 3 }, "The pool 'prefork' cannot start."],
    [{ workerMaxMemoryPerChild: 9 }, "The pool 'prefork' cannot start."],
    [{ workerPool: 'prefork' }, 'give startWorker the option module'],
    [
      { taskSerializer: 'auth', securityKey: 'a', securityCertificate: 'b', securityCertStore: 'c' },
      "securityCertStore names 'c'",
    ],
  ] as const)('refuses %o at its start', async (settings, words) => {
    await using app = setup(settings);
    const start = startWorker(app).then(() => app.sendTask('t'));
    await expect(start).rejects.toThrow(words);
  });
});
