// Rate limits where many wait, on every kind of broker: another limit, a worker that comes later, and what the limit is worth then.
import { describe, expect, it } from 'vitest';
import { Consumer, type ConsumerOptions } from '../../../src/consumer/index.ts';
import { openPool } from '../../../src/pool/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { type Harness, harness, soon as promptly, success } from '../../support/worker-app.ts';
import { places } from './places.ts';

const somewhere = places.filter(([name]) => ['memory', 'sqlite, one file', 'redis', 'amqp with redis'].includes(name));
/** What is far from its turn comes by again after half a second, on RabbitMQ after a whole one. A minute would be too long for a test. */
const BRISK = { least: 0.5, most: 2 };

/** Milliseconds. RabbitMQ makes its levels for delayed messages in the first test, which takes a busy machine long. */
const PATIENCE = 45_000;
const soon = (check: () => void): Promise<void> => promptly(check, PATIENCE);

interface Started {
  readonly worker: string;
  readonly id: string;
  /** Seconds. */
  readonly at: number;
}

interface Line extends AsyncDisposable {
  readonly h: Harness;
  /** In the order in which they started. */
  readonly started: readonly Started[];
  by(worker: string): number;
  /** Starts a worker with a pool of its own. */
  join(worker: string, rounds?: ConsumerOptions['rounds']): Promise<Consumer>;
}

async function line(place: (typeof places)[number][1], rateLimit: string): Promise<Line> {
  const stack = new AsyncDisposableStack();
  const { brokerUrl } = await place(stack);
  const url = String(brokerUrl);
  const store = url.startsWith('amqp') ? { backendUrl: `memory://${uuid()}` } : {};
  const h = stack.use(await harness({ url, connectTimeout: 30, ...store }));
  stack.defer(() => h.broker.remove(h.queue));
  h.task('limited', (job) => success(job), { rateLimit });
  h.task('free', (job) => success(job));
  const started: Started[] = [];
  return {
    h,
    started,
    by: (worker) => started.filter((start) => start.worker === worker).length,
    join: async (worker, rounds = BRISK) => {
      const pool = await openPool('async', {
        concurrency: 10,
        grace: 0.05,
        execute: async (job, options) => {
          started.push({ worker, id: job.request.id, at: performance.now() / 1000 });
          options.onStart?.({ pid: process.pid, name: 'slot' });
          return success(job);
        },
      });
      stack.use(pool);
      const consumer = stack.use(new Consumer({ app: h.app, pool, hostname: `${worker}@test`, rounds }));
      await consumer.ready;
      return consumer;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function send(h: Harness, count: number): Promise<readonly string[]> {
  const ids = Array.from({ length: count }, () => uuid());
  for (const id of ids) await h.call('limited', { id });
  return ids;
}

/** Leaves nothing parked: RabbitMQ's levels stop for minutes over messages whose queue is gone. */
function finish(flows: readonly Consumer['flow'][], check: () => void): Promise<void> {
  for (const flow of flows) flow.change('limited', { rate: undefined });
  return soon(check);
}

/** Each against a moment before the first turn: on a busy machine one may start late, the first too, and the next one in time. */
function expectSpaced(starts: readonly Started[], since: number, interval: number): void {
  expect(starts.map(({ at }, index) => at - since >= interval * index - 0.01)).toEqual(starts.map(() => true));
}

describe.each(somewhere)('a rate limit on %s', { timeout: 2 * PATIENCE }, (_, place) => {
  it('that is raised while many wait is heeded by all of them, and kept', async () => {
    await using s = await line(place, '1/h');
    const ids = await send(s.h, 60);
    const { flow } = await s.join('w1');
    await soon(() => expect([s.started.length, flow.requests.size]).toEqual([1, 0]));
    const since = performance.now() / 1000;
    flow.change('limited', { rate: 50 });
    await soon(() => expect(s.started).toHaveLength(60));
    expectSpaced(s.started.slice(1), since, 1 / 50);
    expect(new Set(s.started.map(({ id }) => id))).toEqual(new Set(ids));
  });

  it('that goes while many wait lets all of them start', async () => {
    await using s = await line(place, '1/h');
    await send(s.h, 60);
    const { flow } = await s.join('w1');
    await soon(() => expect([s.started.length, flow.requests.size]).toEqual([1, 0]));
    flow.change('limited', { rate: undefined });
    await soon(() => expect(s.started).toHaveLength(60));
  });

  it('that falls sends back what is in hand, and holds', async () => {
    await using s = await line(place, '10/s');
    await send(s.h, 40);
    const { flow } = await s.join('w1');
    await soon(() => expect(s.started.length).toBeGreaterThan(2));
    flow.change('limited', { rate: 1 / 3600 });
    const count = s.started.length;
    await soon(() => expect(flow.requests.size).toBe(0));
    const free = await s.h.call('free');
    await soon(() => expect(s.started.map(({ id }) => id)).toContain(free));
    expect(s.by('w1')).toBe(count + 1);
    await finish([flow], () => expect(s.started).toHaveLength(41));
  });

  it('is each worker’s own: those that come later have their share of what waits', async () => {
    await using s = await line(place, '1/h');
    await send(s.h, 30);
    const first = await s.join('w1');
    await soon(() => expect([s.started.length, first.flow.requests.size]).toEqual([1, 0]));
    const second = await s.join('w2');
    await soon(() => expect(s.by('w2')).toBe(1));
    const third = await s.join('w3');
    await soon(() => expect(s.by('w3')).toBe(1));
    expect(s.started).toHaveLength(3);
    await finish([first.flow, second.flow, third.flow], () => expect(s.started).toHaveLength(30));
  });

  it('is kept by what was away for its turn, in the order in which it came, while others start at once', async () => {
    await using s = await line(place, '10/s');
    const ids = await send(s.h, 70);
    const since = performance.now() / 1000;
    await s.join('w1', { least: 60, most: 600 });
    await soon(() => expect(s.started.length).toBeGreaterThan(0));
    const free = await s.h.call('free');
    await soon(() => expect(s.started.map(({ id }) => id)).toContain(free));
    expect(s.started.length).toBeLessThan(60);
    await soon(() => expect(s.started).toHaveLength(71));
    const limited = s.started.filter(({ id }) => id !== free);
    expectSpaced(limited, since, 1 / 10);
    // RabbitMQ keeps the order of what is away for as many whole seconds.
    if (s.h.broker.name !== 'amqp') expect(limited.map(({ id }) => id)).toEqual(ids);
  });
});
