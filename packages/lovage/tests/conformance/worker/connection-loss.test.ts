// The settings about a lost connection, and about what comes again after it, with a whole worker on real brokers behind a wire that is cut.
import { describe, expect, it } from 'vitest';
import type { SettingsInput } from '../../../src/app/index.ts';
import { startOf } from '../../../src/broker/amqp/marks.ts';
import type { Delivery } from '../../../src/broker/index.ts';
import { chain } from '../../../src/canvas/index.ts';
import { parseTask } from '../../../src/protocol/index.ts';
import { attemptNumber } from '../../../src/result/index.ts';
import { execute, Reject } from '../../../src/task/index.ts';
import { openRedis, parseRedisUrl } from '../../../src/util/index.ts';
import { startWorker, type Worker } from '../../../src/worker/index.ts';
import { startProxy, type Proxy as Wire } from '../../support/proxy.ts';
import { amqpUrl, redisUrl } from '../../support/servers.ts';
import { soon } from '../../support/worker-app.ts';
import { empty, type Setup, setup } from './places.ts';

const WAIT = 20_000;

interface World extends AsyncDisposable {
  readonly s: Setup;
  readonly wire: Wire;
}

/** The worker takes through the wire; senders and results have lines of their own. */
async function world(url: string, settings: SettingsInput): Promise<World> {
  const wire = await startProxy(url);
  const place = () => ({ brokerUrl: url, brokerReadUrl: wire.url(url), resultBackend: redisUrl() });
  const s = await setup(place, settings);
  return {
    s,
    wire,
    [Symbol.asyncDispose]: async () => {
      await s[Symbol.asyncDispose]();
      await wire[Symbol.asyncDispose]();
    },
  };
}

/** A task that runs until it is told to end or aborted; the second time it ends at once. */
function slowTask(s: Setup) {
  const open = Promise.withResolvers<string>();
  const reasons: string[] = [];
  let starts = 0;
  const task = s.app.task('slow', { bind: true, params: [] }, (ctx) => {
    starts++;
    if (starts === 2) return 'the second time';
    return new Promise<string>((resolve, reject) => {
      void open.promise.then(resolve);
      ctx.signal.addEventListener('abort', () => {
        reasons.push(String(ctx.signal.reason));
        reject(ctx.signal.reason);
      });
    });
  });
  return { task, reasons, starts: () => starts, end: () => open.resolve('the first time') };
}

async function loseLeases(): Promise<void> {
  await using admin = openRedis({ target: parseRedisUrl(redisUrl()), connectTimeout: 5, name: 'admin' });
  const leases = (await admin.call('KEYS', ['*lease*'])) as string[];
  await admin.call('DEL', leases);
}

const lines = (worker: Worker): unknown => (worker.info().line as { readonly connections: number }).connections;
const setting = 'workerCancelLongRunningTasksOnConnectionLoss';

describe.each([true, false])(`${setting} %s`, (cancel) => {
  const loseBy = async (w: World, lose: () => unknown): Promise<void> => {
    const slow = slowTask(w.s);
    await using worker = await startWorker(w.s.app, { concurrency: 2 });
    const result = await slow.task.delay();
    await soon(() => expect(slow.starts()).toBe(1), WAIT);
    await lose();
    await soon(() => expect([lines(worker), slow.reasons]).toEqual([2, cancel ? [expect.stringContaining(setting)] : []]), WAIT);
    slow.end();
    expect(await result.get({ timeout: 20 })).toBe(cancel ? 'the second time' : 'the first time');
    await soon(async () => expect(await w.s.counts()).toEqual(empty), WAIT);
    expect(slow.starts()).toBe(cancel ? 2 : 1);
  };

  it('decides whether running tasks are aborted when RabbitMQ is lost', async () => {
    await using w = await world(amqpUrl(), { [setting]: cancel });
    await loseBy(w, () => w.wire.cut());
  });

  it('decides whether running tasks are aborted when a lease on Redis is lost', async () => {
    await using w = await world(redisUrl(), { [setting]: cancel });
    await loseBy(w, loseLeases);
  });

  it('aborts nothing when a line to Redis is mended before its lease is over', async () => {
    await using w = await world(redisUrl(), { [setting]: cancel });
    const slow = slowTask(w.s);
    const quick = w.s.app.task('quick', () => 'quick');
    await using worker = await startWorker(w.s.app, { concurrency: 2 });
    const result = await slow.task.delay();
    await soon(() => expect(slow.starts()).toBe(1), WAIT);
    expect(w.wire.cut()).toBeGreaterThan(0);
    expect(await (await quick.delay()).get({ timeout: 20 })).toBe('quick');
    expect([lines(worker), slow.reasons]).toEqual([1, []]);
    slow.end();
    expect(await result.get({ timeout: 20 })).toBe('the first time');
  });
});

describe('a task that asks to run again, when its message came again while it ran', () => {
  const attemptsOf = async (url: string, lose: (w: World) => unknown): Promise<readonly number[]> => {
    await using w = await world(url, {});
    const open = Promise.withResolvers<void>();
    const attempts: number[] = [];
    const twice = w.s.app.task('twice', { bind: true, params: [] }, async (ctx) => {
      attempts.push(ctx.request.attempts);
      if (attempts.length > 1) return;
      await open.promise;
      throw new Reject('once more', { requeue: true });
    });
    await using worker = await startWorker(w.s.app, { concurrency: 2 });
    const result = await twice.delay();
    await soon(() => expect(attempts).toEqual([1]), WAIT);
    await lose(w);
    // The slot of a running task takes no message until its own has come again.
    await soon(() => expect([lines(worker), worker.info().prefetch_count]).toEqual([2, 2]), WAIT);
    open.resolve();
    await result.get({ timeout: 20 });
    return attempts;
  };

  it('is counted once on RabbitMQ', async () => {
    expect(await attemptsOf(amqpUrl(), (w) => w.wire.cut())).toEqual([1, 2]);
  });

  it('is counted once on Redis', async () => {
    expect(await attemptsOf(redisUrl(), loseLeases)).toEqual([1, 2]);
  });
});

it('a task runs to its end, and what follows it too, when RabbitMQ counts fewer starts than another worker saw', async () => {
  await using w = await world(amqpUrl(), {});
  const { app, queue } = w.s;
  const add = app.task('add', (x: number, y: number) => x + y);
  const reader = await app.openBroker('read');
  await reader.declare({ exchanges: [], queues: [{ name: queue, durable: true, arguments: {} }], bindings: [] });
  const result = await chain([add.s(1, 2), add.s(4)]).delay();
  // Two that die: the second after it has said that it starts.
  for (const attempts of [1, 2]) {
    const dead = await reader.subscribe([queue], { prefetch: 1, node: 'dead@h' });
    const [delivery] = (await dead[Symbol.asyncIterator]().next()).value as readonly Delivery[];
    expect(delivery?.attempts).toBe(attempts);
    if (attempts === 2) await dead.starting?.(delivery!);
    w.wire.cut();
    await dead[Symbol.asyncDispose]();
    if (attempts < 2) continue;
    // The third sees that, puts up its fence, and is gone before it starts; then the mark is lost.
    await (await app.openBackend()).fence?.(String(delivery!.headers.id), attemptNumber(0, 3), 60);
    const { key, number } = startOf(delivery!);
    await (await app.openBroker('write')).remove(`lovage.start.${key}.${number}`);
  }
  await using _worker = await startWorker(app, { concurrency: 1 });
  expect(await result.get({ timeout: 20 })).toBe(7);
  expect(await w.s.counts()).toEqual(empty);
});

describe.each([true, false])('workerEnablePrefetchCountReduction %s', (reduce) => {
  it('decides whether slots of tasks from before a reconnect to RabbitMQ take messages', async () => {
    await using w = await world(amqpUrl(), { workerEnablePrefetchCountReduction: reduce, workerDisablePrefetch: true });
    const open = Promise.withResolvers<void>();
    const started: number[] = [];
    const slow = w.s.app.task('slow', async (n: number) => {
      started.push(n);
      await open.promise;
    });
    await using worker = await startWorker(w.s.app, { concurrency: 3 });
    for (const n of [1, 2, 3]) await slow.delay(n);
    await soon(() => expect(started).toHaveLength(3), WAIT);
    // Another worker takes over what the lost line gave back, so that it does not come back here.
    const broker = await w.s.app.openBroker('write');
    await using other = await broker.subscribe([w.s.queue], { prefetch: 3, node: 'other@h' });
    const batches = other[Symbol.asyncIterator]();
    w.wire.cut();
    let taken = 0;
    while (taken < 3) taken += ((await batches.next()).value as readonly unknown[]).length;
    await soon(() => expect(lines(worker)).toBe(2), WAIT);
    for (const n of [4, 5, 6, 7]) await slow.delay(n);
    const free = async () => (await broker.count(w.s.queue))?.ready;
    await soon(async () => expect(await free()).toBe(reduce ? 3 : 1), WAIT);
    expect(worker.info().prefetch_count).toBe(reduce ? 1 : 3);
    await other[Symbol.asyncDispose]();
    open.resolve();
    await soon(async () => expect(await w.s.counts()).toEqual(empty), WAIT);
    expect(worker.info().prefetch_count).toBe(3);
  });
});

describe.each([
  ['redis', () => ({ brokerUrl: redisUrl(), resultBackend: redisUrl() })],
  ['amqp with redis', () => ({ brokerUrl: amqpUrl(), resultBackend: redisUrl() })],
] as const)('workerDeduplicateSuccessfulTasks on %s', (_, place) => {
  it.each([true, false])('%s decides whether a task that succeeded runs again when its message does', async (deduplicate) => {
    await using s = await setup(place, { workerDeduplicateSuccessfulTasks: deduplicate });
    let runs = 0;
    const counts = s.app.task('counts', () => ++runs);
    const failed = s.app.task('fails', { params: [] }, (): never => {
      runs += 10;
      throw new TypeError('bad value');
    });
    const results = [await counts.delay(), await failed.delay()];
    // A worker that stores the ends, and dies before it has acknowledged anything.
    const broker = await s.app.openBroker('read');
    const dead = await broker.subscribe([s.queue], { prefetch: 2, node: 'dead@h' });
    const batches = dead[Symbol.asyncIterator]();
    const held: Delivery[] = [];
    while (held.length < 2) held.push(...((await batches.next()).value as readonly Delivery[]));
    // What it gives back must not come to it again.
    await dead.cancel();
    for (const delivery of held) {
      const { request } = parseTask(delivery, { hostname: 'dead@h', decodeBody: () => undefined });
      const job = { request, body: delivery.body, timeLimit: undefined, softTimeLimit: undefined };
      await s.app.results.put((await execute(job, s.app.environment({ hostname: 'dead@h' }))).results);
    }
    await dead.settle(held.map((delivery) => ({ verdict: 'requeue', delivery, counted: true })));
    await dead[Symbol.asyncDispose]();
    expect(runs).toBe(11);
    // An empty queue alone says nothing: what is in hand is not counted. A worker that has stopped has given back what it did not end.
    await soon(async () => {
      await using worker = await startWorker(s.app);
      await soon(async () => expect(await s.counts()).toEqual(empty), WAIT);
      await worker.stop();
      expect(await s.counts()).toEqual(empty);
    }, WAIT);
    // One that failed is over in any case, and the first result stays.
    expect(runs).toBe(deduplicate ? 11 : 12);
    expect(await Promise.all(results.map((result) => result.state()))).toEqual(['SUCCESS', 'FAILURE']);
    expect(await results[0]!.result()).toBe(1);
  });
});
