// The line to the broker: lost, refused, deaf; and a store that is away.
import { describe, expect, it } from 'vitest';
import { deadLetterQueue } from '../../../src/broker/index.ts';
import { Consumer, type LineState, type WorkerApp } from '../../../src/consumer/index.ts';
import { attemptNumber } from '../../../src/result/index.ts';
import { BackendError, BrokerConnectionError, EncodeError, TopologyMismatchError, uuid } from '../../../src/util/index.ts';
import { cuttable, failingPuts, passThrough } from '../../support/faulty.ts';
import { outcomeOf } from '../../support/jobs.ts';
import { harness, soon, success } from '../../support/worker-app.ts';

const empty = { ready: 0, held: 0, parked: 0, dead: 0 };

describe('a lost line', () => {
  it('is opened again, in the states that the machine knows', async () => {
    const line = cuttable();
    await using h = await harness({ broker: line.wrap });
    h.task('add', (job) => success(job));
    const states: LineState[] = [];
    await h.start({ onState: (state) => states.push(state) });
    line.cut();
    await soon(() => expect(line.opened()).toBe(2));
    const id = await h.call('add');
    await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
    expect(states.join(' ')).toMatch(/^connecting subscribed lost (waiting )?connecting subscribed$/);
  });

  it('a hundred times leaves no deaf worker', async () => {
    const line = cuttable();
    await using h = await harness({ broker: line.wrap });
    h.task('add', (job) => success(job));
    // A clock on which every line was good for long, so that no back-off slows the test.
    let now = 0;
    const clock = { now: () => Date.now() / 1000, monotonic: () => (now += 10_000) };
    await h.start({ clock, watchdog: 1e9 });
    for (let cut = 1; cut <= 100; cut++) {
      line.cut();
      await soon(() => expect(h.consumer.state).toBe('subscribed'));
      await soon(() => expect(line.opened()).toBe(cut + 1));
    }
    const id = await h.call('add');
    await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
    await soon(async () => expect(await h.counts()).toEqual(empty));
  }, 30_000);

  it('that worked comes back quickly, however often it is cut', async () => {
    const line = cuttable();
    await using h = await harness({ broker: line.wrap });
    h.task('add', (job) => success(job));
    await h.start();
    const began = performance.now();
    for (let cut = 1; cut <= 8; cut++) {
      const id = await h.call('add');
      await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
      line.cut();
      await soon(() => expect(line.opened()).toBe(cut + 1));
    }
    // A back-off that went on growing would have come to 25 s or more.
    expect(performance.now() - began).toBeLessThan(20_000);
  }, 60_000);

  it('does not start a running task twice: its message is attached to it when it comes again', async () => {
    const line = cuttable();
    await using h = await harness({ broker: line.wrap });
    const open = Promise.withResolvers<void>();
    h.task('slow', async (job) => {
      await open.promise;
      return success(job);
    });
    const consumer = await h.start();
    const id = await h.call('slow');
    await soon(() => expect(h.started).toEqual([id]));
    line.cut();
    await soon(() => expect(line.opened()).toBe(2));
    await soon(() => expect([...consumer.flow.requests][0]?.delivery?.redelivered).toBe(true));
    open.resolve();
    await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
    await soon(async () => expect(await h.counts()).toEqual(empty));
    expect(h.started).toEqual([id]);
  });

  it('and another worker that held the message for a while without a start cannot refuse the result of the run', async () => {
    await using h = await harness();
    const open = Promise.withResolvers<void>();
    h.task('slow', async (job) => {
      await open.promise;
      return success(job);
    });
    await h.start();
    const id = await h.call('slow');
    await soon(() => expect(h.started).toEqual([id]));
    const [entry] = [...h.consumer.flow.requests];
    const original = entry!.original;
    h.consumer.flow.lineLost();
    // The other one puts up its fence, loses its line before the start, and the message comes back here.
    await h.backend.fence?.(id, attemptNumber(0, 2), undefined);
    h.consumer.flow.receive([{ ...original, redelivered: true, attempts: 2 }]);
    open.resolve();
    await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
    expect(h.started).toEqual([id]);
  });

  it('keeps a result whose message comes back with a lower count than another worker saw', async () => {
    await using h = await harness();
    const open = Promise.withResolvers<void>();
    h.task('slow', async (job) => {
      await open.promise;
      return success(job);
    });
    await h.start();
    const id = await h.call('slow');
    await soon(() => expect(h.started).toEqual([id]));
    const [entry] = [...h.consumer.flow.requests];
    h.consumer.flow.lineLost();
    await h.backend.fence?.(id, attemptNumber(0, 3), undefined);
    h.consumer.flow.receive([{ ...entry!.original, redelivered: true, attempts: 2 }]);
    await soon(() => expect(entry?.number).toBe(attemptNumber(0, 3)));
    open.resolve();
    await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
  });

  it('may leave two copies of one message: the second is acked, not held for ever', async () => {
    await using h = await harness();
    const open = Promise.withResolvers<void>();
    h.task('slow', async (job) => {
      await open.promise;
      return success(job);
    });
    await h.start();
    const id = await h.call('slow');
    await soon(() => expect(h.started).toEqual([id]));
    const [first] = [...h.consumer.flow.requests];
    h.consumer.flow.receive([{ ...first!.original, redelivered: true }]);
    expect(first?.delivery).toBe(first?.original);
    open.resolve();
    await soon(async () => expect(await h.counts()).toEqual(empty));
    expect(h.started).toEqual([id]);
  });

  it('lets a task finish meanwhile: its result is stored, and its message is acked when it comes again', async () => {
    const line = cuttable();
    await using h = await harness({ broker: line.wrap });
    const open = Promise.withResolvers<void>();
    h.task('slow', async (job) => {
      await open.promise;
      return success(job);
    });
    await h.start();
    const id = await h.call('slow');
    await soon(() => expect(h.started).toEqual([id]));
    line.refuse();
    line.cut();
    await soon(() => expect(h.consumer.state).toBe('waiting'));
    open.resolve();
    await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
    line.mend();
    await soon(() => expect(line.opened()).toBe(2));
    await soon(async () => expect(await h.counts()).toEqual(empty));
    expect(h.started).toEqual([id]);
  });

  it('lets go of what had not started', async () => {
    const line = cuttable();
    await using h = await harness({ broker: line.wrap });
    h.task('later', (job) => success(job));
    const consumer = await h.start();
    const id = await h.call('later', { eta: new Date(Date.now() + 300).toISOString() });
    await soon(() => expect(consumer.flow.requests.count('held')).toBe(1));
    line.cut();
    await soon(() => expect(line.opened()).toBe(2));
    await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
    expect(h.started).toEqual([id]);
    await soon(async () => expect(await h.counts()).toEqual(empty));
  });

  it('that never comes up is given up, and another one is opened', async () => {
    const line = cuttable();
    await using h = await harness({ broker: line.wrap });
    h.task('add', (job) => success(job));
    await h.start({ watchdog: 0.05 });
    line.hang();
    line.cut();
    await soon(() => expect(line.opened()).toBe(3));
    const id = await h.call('add');
    await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
  });

  it('on which nothing comes is left alone where RabbitMQ feeds another consumer of the queue only', async () => {
    const asked: string[] = [];
    const other = `other-${uuid()}`;
    const sole = `sole-${uuid()}`;
    await using h = await harness({
      broker: (broker) => ({
        ...broker,
        count: (queue) => {
          asked.push(queue);
          return broker.count(queue);
        },
      }),
    });
    const queues = [
      { name: sole, durable: true, arguments: { 'x-single-active-consumer': true } },
      { name: other, durable: true, arguments: {} },
    ];
    const app: WorkerApp = {
      ...h.app,
      queues: () => ({ names: [sole, other], topology: { exchanges: [], queues, bindings: [] } }),
    };
    await using consumer = new Consumer({ app, pool: h.pool, hostname: 'celery@test', watchdog: 0.03 });
    await consumer.ready;
    await soon(() => expect(asked.length).toBeGreaterThan(1));
    expect([consumer.connections, new Set(asked)]).toEqual([1, new Set([other])]);
  });

  it('on which nothing comes because the hand is full of ends that cannot be written is not deaf', async () => {
    const [line, store] = [cuttable(), failingPuts()];
    await using h = await harness({ broker: line.wrap, backend: store.wrap });
    h.task('add', (job) => success(job));
    await h.start({ watchdog: 0.06 });
    const ids = await Promise.all(Array.from({ length: 40 }, () => h.call('add')));
    await soon(() => expect(store.tries()).toBeGreaterThan(5));
    expect([line.opened(), (await h.counts())?.ready]).toEqual([1, expect.toSatisfy((ready: number) => ready > 0)]);
    store.failing = undefined;
    for (const id of ids) await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
    expect(h.started.toSorted()).toEqual(ids.toSorted());
  });

  it('takes from a queue that was added while it was opened, and not from one that was cancelled', async () => {
    const [first, second] = [`first-${uuid()}`, `second-${uuid()}`];
    let names = [first];
    const changes: string[] = [];
    await using h = await harness({
      broker: (broker) => ({
        ...broker,
        subscribe: async (queues, options) => {
          const subscription = await broker.subscribe(queues, options);
          names = [second];
          return passThrough(subscription, {
            add: async (queue) => {
              changes.push(`add ${queue}`);
              await subscription.add(queue);
            },
            cancel: async (queue) => {
              changes.push(`cancel ${queue}`);
              await subscription.cancel(queue);
            },
          });
        },
      }),
    });
    const queues = [first, second].map((name) => ({ name, durable: true, arguments: {} }));
    const app: WorkerApp = { ...h.app, queues: () => ({ names, topology: { exchanges: [], queues, bindings: [] } }) };
    await using consumer = new Consumer({ app, pool: h.pool, hostname: 'celery@test' });
    await consumer.ready;
    await soon(() => expect(changes).toEqual([`add ${second}`, `cancel ${first}`]));
  });

  it('goes on with the queues that can be declared when somebody made one of them anew in another way', async () => {
    const line = cuttable();
    const changed = `changed-${uuid()}`;
    let isChanged = false;
    await using h = await harness({
      broker: (broker) =>
        line.wrap({
          ...broker,
          declare: async (topology) => {
            const [queue] = topology.queues.filter(({ name }) => name === changed);
            if (isChanged && queue !== undefined)
              throw new TopologyMismatchError(`The queue "${changed}" is there in another form.`);
            await broker.declare(topology);
          },
        }),
    });
    h.task('add', (job) => success(job));
    const names = [h.queue, changed];
    const queues = names.map((name) => ({ name, durable: true, arguments: {} }));
    const app: WorkerApp = { ...h.app, queues: () => ({ names, topology: { exchanges: [], queues, bindings: [] } }) };
    await using consumer = new Consumer({ app, pool: h.pool, hostname: 'celery@test', watchdog: 0.05 });
    await consumer.ready;
    isChanged = true;
    line.cut();
    await soon(() => expect(line.opened()).toBe(2));
    const id = await h.call('add');
    await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
    isChanged = false;
    const late = uuid();
    await h.publish({ routingKey: changed, headers: { lang: 'py', task: 'add', id: late, root_id: late, retries: 0 } });
    await soon(async () => expect(await h.state(late)).toBe('SUCCESS'));
    expect(line.opened()).toBe(2);
  });

  it('that is deaf is noticed: slots are free, tasks wait, and nothing comes', async () => {
    const line = cuttable();
    await using h = await harness({ broker: line.wrap });
    h.task('add', (job) => success(job));
    await h.start({ watchdog: 0.06 });
    const first = await h.call('add');
    await soon(async () => expect(await h.state(first)).toBe('SUCCESS'));
    line.deafen();
    const id = await h.call('add');
    await h.call('add');
    // The deaf line swallows one batch; what waits behind it makes the watchdog look.
    for (let index = 0; index < 20; index++) await h.call('add');
    await soon(() => expect(line.opened()).toBeGreaterThan(1));
    line.mend();
    await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
  });
});

describe('the first connection', () => {
  it('is tried again until the broker is there', async () => {
    const line = cuttable();
    await using h = await harness({ broker: line.wrap });
    line.refuse();
    const starting = h.start();
    await new Promise((resolve) => setTimeout(resolve, 20));
    line.mend();
    await starting;
    expect(line.opened()).toBe(1);
  });

  it('is given up after the attempts that the setting allows', async () => {
    const line = cuttable();
    await using h = await harness({ broker: line.wrap, settings: { brokerConnectionMaxRetries: 1 } });
    line.refuse();
    await expect(h.start()).rejects.toThrow('could not be reached in 1 attempts');
    expect(await h.consumer.closed).toBeInstanceOf(BrokerConnectionError);
  });

  it('is not tried again when the setting says so', async () => {
    const line = cuttable();
    await using h = await harness({ broker: line.wrap, settings: { brokerConnectionRetryOnStartup: false } });
    line.refuse();
    await expect(h.start()).rejects.toThrow('The line was cut');
  });

  it('is not opened again after a loss when brokerConnectionRetry is off', async () => {
    const line = cuttable();
    await using h = await harness({ broker: line.wrap, settings: { brokerConnectionRetry: false } });
    const consumer = await h.start();
    line.cut();
    expect(String(await consumer.closed)).toContain('brokerConnectionRetry is off');
    expect(line.opened()).toBe(1);
  });

  it('is given up at once when trying again cannot help', async () => {
    await using h = await harness();
    await h.broker.remove(h.queue);
    await h.broker.declare({
      exchanges: [],
      queues: [{ name: h.queue, durable: true, arguments: { 'x-max-priority': 3 } }],
      bindings: [],
    });
    await expect(h.start()).rejects.toThrow(TopologyMismatchError);
  });
});

describe('a store that is away', () => {
  it('keeps the message held until the result is stored', async () => {
    const store = failingPuts();
    await using h = await harness({ backend: store.wrap });
    h.task('add', (job) => success(job));
    await h.start();
    const id = await h.call('add');
    await soon(() => expect(store.tries()).toBeGreaterThan(1));
    expect(await h.counts()).toEqual({ ...empty, held: 1 });
    store.failing = undefined;
    await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
    await soon(async () => expect(await h.counts()).toEqual(empty));
    expect(h.started).toEqual([id]);
  });

  it('until the worker ends leaves the end of a task unwritten, which counts as broken off', async () => {
    const store = failingPuts();
    await using h = await harness({ backend: store.wrap });
    h.task('add', (job) => success(job));
    await h.start();
    await h.call('add');
    await soon(() => expect(store.tries()).toBeGreaterThan(1));
    expect(h.consumer.flow.interrupted).toBe(0);
    await expect(h.consumer.drain(AbortSignal.abort(new Error('late')))).rejects.toThrow('late');
    await h.consumer[Symbol.asyncDispose]();
    expect(h.consumer.flow.interrupted).toBe(1);
    expect(await h.counts()).toEqual({ ...empty, ready: 1 });
  });

  it('or that refuses one result for good sends its message to the dead letters and lets the others through', async () => {
    const store = failingPuts();
    store.failing = undefined;
    await using h = await harness({
      backend: (backend) => ({
        ...backend,
        put: async (results) => {
          if (results.some(({ id }) => id === 'bad')) throw new EncodeError('This result cannot be kept.');
          return backend.put(results);
        },
        [Symbol.asyncDispose]: () => backend[Symbol.asyncDispose](),
      }),
    });
    h.task('add', (job) => success(job));
    await h.start();
    await h.call('add', { id: 'bad' });
    await h.call('add', { id: 'good' });
    await soon(async () => expect(await h.state('good')).toBe('SUCCESS'));
    await soon(async () => expect(await h.counts()).toEqual({ ...empty, dead: 1 }));
    const [dead] = await h.broker.peek(deadLetterQueue(h.queue), 1);
    expect(dead?.headers['x-lovage-death']).toMatchObject({ reason: 'failed' });
  });

  it('does not hold up the end of the worker for ever', async () => {
    const store = failingPuts();
    store.failing = new BackendError('The store is away.');
    await using h = await harness({ backend: store.wrap });
    h.task('add', (job) => success(job));
    await h.start();
    await h.call('add');
    await soon(() => expect(store.tries()).toBeGreaterThan(0));
    await h.consumer[Symbol.asyncDispose]();
    expect(await h.counts()).toEqual({ ...empty, ready: 1 });
  });
});

describe('draining', () => {
  it('finishes what runs, gives back uncounted what does not, and takes nothing more', async () => {
    await using h = await harness({ concurrency: 1, settings: { workerPrefetchMultiplier: 3 } });
    const open = Promise.withResolvers<void>();
    h.task('slow', async (job) => {
      await open.promise;
      return success(job);
    });
    await h.start();
    const ids = await Promise.all(['a', 'b', 'c', 'd'].map((id) => h.call('slow', { id })));
    await soon(async () => expect((await h.counts()).held).toBe(3));
    const drained = h.consumer.drain(AbortSignal.timeout(5000));
    await soon(async () => expect(await h.counts()).toMatchObject({ held: 1, ready: 3 }));
    open.resolve();
    await drained;
    expect(h.started).toEqual([ids[0]]);
    expect(await h.state('a')).toBe('SUCCESS');
    expect(await h.counts()).toEqual({ ...empty, ready: 3 });
    const next = await h.broker.subscribe([h.queue], { prefetch: 3, node: 'next@test' });
    const { value } = await next[Symbol.asyncIterator]().next();
    expect((value as readonly { attempts: number }[]).map(({ attempts }) => attempts)).toEqual([1, 1, 1]);
    await next[Symbol.asyncDispose]();
  });

  it('past its deadline aborts what runs and gives it back uncounted', async () => {
    await using h = await harness();
    const seen: unknown[] = [];
    h.task('stubborn', async (_, signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      seen.push((signal.reason as Error).message);
      return outcomeOf('FAILURE', { error: { type: 'E', message: 'aborted', traceback: undefined, expected: false } });
    });
    await h.start();
    const id = await h.call('stubborn');
    await soon(() => expect(h.started).toEqual([id]));
    const late = new Error('too late');
    await expect(h.consumer.drain(AbortSignal.abort(late))).rejects.toBe(late);
    await h.consumer.interrupt(late, 1);
    expect(seen).toEqual(['too late']);
    await soon(async () => expect(await h.counts()).toEqual({ ...empty, ready: 1 }));
    expect(await h.state(id)).toBeUndefined();
  });

  it('gives back even what does not listen to its signal', async () => {
    await using h = await harness();
    h.task('deaf', () => new Promise(() => undefined));
    await h.start();
    const id = await h.call('deaf');
    await soon(() => expect(h.started).toEqual([id]));
    const late = new Error('too late');
    await expect(h.consumer.drain(AbortSignal.abort(late))).rejects.toBe(late);
    await h.consumer.interrupt(late, 0.01);
    await soon(async () => expect(await h.counts()).toEqual({ ...empty, ready: 1 }));
  });
});
