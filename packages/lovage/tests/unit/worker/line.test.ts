// Steps that live as long as a line to the broker, in whole workers on the memory drivers.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Lovage } from '../../../src/app/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { type Bootstep, type ConsumerHost, describeBlueprints, startWorker, type WorkerHost } from '../../../src/worker/index.ts';
import { createLine, orderConsumerSteps } from '../../../src/worker/line.ts';

afterEach(() => void vi.useRealTimers());

function appOf(): Lovage {
  const name = uuid();
  const url = `memory://${name}`;
  return new Lovage('shop', { brokerUrl: url, resultBackend: url, taskDefaultQueue: `q-${name}` }, { environment: {} });
}

function step(log: string[], name: string, requires: readonly string[] = []): Bootstep<ConsumerHost> {
  return {
    name,
    requires,
    start: async ({ line }) => {
      log.push(`start ${name} ${line}`);
      return {
        drain: async () => void log.push(`drain ${name}`),
        info: () => ({ [name]: line }),
        [Symbol.asyncDispose]: async () => void log.push(`stop ${name}`),
      };
    },
  };
}

describe('the order of the steps of a consumer', () => {
  const names = (...steps: readonly Bootstep<ConsumerHost>[]): string[] => orderConsumerSteps(steps).map(({ name }) => name);

  it('puts what does not require the taking of tasks before it', () => {
    const log: string[] = [];
    expect(names(step(log, 'a'), step(log, 'b'))).toEqual(['connection', 'a', 'b', 'tasks']);
    expect(names(step(log, 'late', ['tasks']), step(log, 'early'), step(log, 'later', ['late']))).toEqual([
      'connection',
      'early',
      'tasks',
      'late',
      'later',
    ]);
  });

  it('refuses a step that requires what is not there', () => {
    expect(() => names(step([], 'a', ['conection']))).toThrow("Did you mean 'connection'");
  });
});

it('a step that hangs with its line does not keep the next one from being opened', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const log: string[] = [];
  const hangs: Bootstep<ConsumerHost> = {
    name: 'hangs',
    start: async () => ({ [Symbol.asyncDispose]: () => new Promise(() => undefined) }),
  };
  const line = createLine([step(log, 'a'), hangs, step(log, 'b')], { hostname: 'w1@box' } as WorkerHost);
  await line?.connected(new AbortController().signal);
  const lost = line?.lost();
  await vi.advanceTimersByTimeAsync(6000);
  await lost;
  await line?.connected(new AbortController().signal);
  expect(log).toEqual(['start a 1', 'start b 1', 'stop b', 'stop a', 'start a 2', 'start b 2']);
});

describe('steps of a consumer', () => {
  it('start around the first take, drain and stop in reverse, and count in the statistics', async () => {
    const log: string[] = [];
    await using app = appOf();
    app.steps.consumer.push(step(log, 'late', ['tasks']), step(log, 'cache'));
    const worker = await startWorker(app);
    expect(log).toEqual(['start cache 1', 'start late 1']);
    expect(worker.info()).toMatchObject({ cache: 1, late: 1 });
    await worker.stop();
    expect(log.slice(2)).toEqual(['drain late', 'drain cache', 'stop late', 'stop cache']);
  });

  it('keep messages waiting until they have started', async () => {
    const log: string[] = [];
    await using app = appOf();
    const task = app.task('note', () => void log.push('task'));
    const gate = Promise.withResolvers<void>();
    const waits: Bootstep<ConsumerHost> = {
      name: 'gate',
      start: async () => {
        log.push('gate');
        await gate.promise;
        log.push('open');
      },
    };
    app.steps.consumer.push(waits);
    const starting = startWorker(app);
    const result = await task.delay();
    gate.resolve();
    await using _worker = await starting;
    await result.get({ timeout: 5 });
    expect(log).toEqual(['gate', 'open', 'task']);
  });

  it.each([
    ['before the first take', []],
    ['after it', ['tasks']],
  ])('that fail %s end the worker, and undo in reverse what had started', async (_, requires) => {
    const log: string[] = [];
    await using app = appOf();
    const fails: Bootstep<ConsumerHost> = { name: 'fails', requires, start: () => Promise.reject(new Error('no port')) };
    app.steps.consumer.push(step(log, 'a', requires), step(log, 'b', requires), fails);
    app.steps.worker.push(step(log, 'own') as unknown);
    await expect(startWorker(app)).rejects.toThrow('no port');
    expect(log).toEqual(['start own undefined', 'start a 1', 'start b 1', 'stop b', 'stop a', 'stop own']);
  });

  it('belong to their worker: two of one process have their own', async () => {
    const log: string[] = [];
    await using app = appOf();
    const one = await startWorker(app, { hostname: 'one@h', consumerSteps: [step(log, 'first')] });
    await using two = await startWorker(app, { hostname: 'two@h', consumerSteps: [step(log, 'second')] });
    await one.stop();
    expect(log).toEqual(['start first 1', 'start second 1', 'drain first', 'stop first']);
    expect(two.info()).toMatchObject({ second: 1 });
    expect(two.info()).not.toHaveProperty('first');
  });
});

it('both blueprints can be looked at before anything runs', () => {
  const app = appOf();
  app.steps.worker.push(step([], 'audit', ['pool']) as unknown);
  app.steps.consumer.push(step([], 'cache'));
  const { worker, consumer } = describeBlueprints(app);
  expect(worker.map(({ name }) => name)).toEqual([
    'state',
    'health',
    'revokes',
    'parked',
    'pool',
    'loop',
    'autoscaler',
    'cleanup',
    'chords',
    'pauses',
    'purge',
    'control',
    'events',
    'audit',
    'consumer',
  ]);
  expect(worker.at(-1)).toEqual({ name: 'consumer', requires: ['pool'], conditional: false, last: true });
  expect(worker.find(({ name }) => name === 'autoscaler')).toMatchObject({ conditional: true, requires: ['pool'] });
  expect(consumer.map(({ name }) => name)).toEqual(['connection', 'cache', 'tasks', 'heart', 'gossip']);
});
