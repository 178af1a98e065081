// One suite for a worker on every broker and store: what a message's end looks like there, whichever driver carries it.
import { describe, expect, it, vi } from 'vitest';
import { Ignore, Reject } from '../../../src/task/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { soon } from '../../support/worker-app.ts';
import { brokers, death, empty, places, setup } from './places.ts';

describe.each(places)('a worker on %s', (name, place) => {
  it('runs 300 tasks, each once, and leaves nothing behind', async () => {
    await using s = await setup(place);
    const runs: number[] = [];
    const square = s.app.task('square', (n: number) => {
      runs.push(n);
      return n * n;
    });
    await using _worker = await startWorker(s.app, { concurrency: 20 });
    const results = await Promise.all(Array.from({ length: 300 }, (_, n) => square.delay(n)));
    const values = await Promise.all(results.map((result) => result.get({ timeout: 30 })));
    expect(values).toEqual(Array.from({ length: 300 }, (_, n) => n * n));
    expect(runs.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, n) => n));
    await soon(async () => expect(await s.counts()).toEqual(empty));
  });

  it.each([true, false])('settles every kind of end (acksLate %s)', async (acksLate) => {
    await using s = await setup(place);
    const options = { acksLate, params: [] };
    const fails = s.app.task('fails', options, () => {
      throw new TypeError('bad value');
    });
    const kept = s.app.task('kept', { ...options, acksOnFailure: false }, () => {
      throw new TypeError('kept value');
    });
    const ignored = s.app.task('ignored', options, () => {
      throw new Ignore('not now');
    });
    const rejected = s.app.task('rejected', options, () => {
      throw new Reject('never');
    });
    const again = s.app.task('again', { ...options, bind: true, maxRetries: 3 }, (ctx) => {
      if (ctx.request.retries < 2) throw ctx.retry({ countdown: 0 });
      return ctx.request.retries;
    });
    await using _worker = await startWorker(s.app);
    await expect((await fails.delay()).get({ timeout: 20 })).rejects.toThrow('bad value');
    await expect((await kept.delay()).get({ timeout: 20 })).rejects.toThrow('kept value');
    await expect((await rejected.delay()).get({ timeout: 20 })).rejects.toThrow();
    await ignored.delay();
    expect(await (await again.delay()).get({ timeout: 20 })).toBe(2);
    await soon(async () => expect(await s.counts()).toEqual({ ...empty, dead: acksLate ? 2 : 0 }));
  });

  it('sends what follows a task', async () => {
    await using s = await setup(place);
    const done = vi.fn();
    const first = s.app.task('first', (n: number) => n + 1);
    const second = s.app.task('second', (n: number) => done(n));
    await using _worker = await startWorker(s.app);
    await first.applyAsync([1], { link: second.s() });
    await soon(() => expect(done).toHaveBeenCalledExactlyOnceWith(2), 20_000);
    await soon(async () => expect(await s.counts()).toEqual(empty));
  });

  it('puts an unknown task and a body that is none in the dead letters, and goes on', async () => {
    await using s = await setup(place);
    const alive = s.app.task('alive', () => 'alive');
    await using _worker = await startWorker(s.app);
    const unknown = await s.app.sendTask('nobody.knows');
    await expect(unknown.get({ timeout: 20 })).rejects.toThrow('nobody.knows');
    await soon(async () => expect(await s.counts()).toEqual({ ...empty, dead: 1 }));
    expect(await death(s)).toMatchObject({ reason: 'unknown-task' });
    const broker = await s.app.openBroker('write');
    const properties = { contentType: 'application/json', contentEncoding: 'utf-8' };
    const bad = { exchange: '', routingKey: s.queue, headers: {}, properties, body: new Uint8Array([1, 2]) };
    await broker.publish([bad], { signal: AbortSignal.timeout(10_000) });
    await soon(async () => expect(await s.counts()).toEqual({ ...empty, dead: 2 }));
    expect(await (await alive.delay()).get({ timeout: 20 })).toBe('alive');
  });

  it('drops a task that it does not know, with a FAILURE for who waits, when the setting says reject', async () => {
    await using s = await setup(place, { unknownTask: 'reject' });
    const known = s.app.task('known', { params: [] }, () => 'fine');
    await using _worker = await startWorker(s.app);
    const unknown = await s.app.sendTask('elsewhere');
    await expect(unknown.get({ timeout: 20 })).rejects.toThrow('elsewhere');
    expect(await (await known.delay()).get({ timeout: 20 })).toBe('fine');
    await soon(async () => expect(await s.counts()).toEqual(empty));
  });

  it('runs a task at its eta, not before', async () => {
    await using s = await setup(place);
    const when = s.app.task('when', () => Date.now());
    await using _worker = await startWorker(s.app);
    const due = Date.now() + 1500;
    const result = await when.applyAsync([], { eta: new Date(due) });
    expect(await result.get({ timeout: 20 })).toBeGreaterThanOrEqual(due - 2);
  });

  it('gives back at a shutdown what has not started, uncounted, and another worker runs it', async () => {
    await using s = await setup(place);
    const open = Promise.withResolvers<void>();
    const attempts: number[] = [];
    const slow = s.app.task('slow', { bind: true }, async (ctx) => {
      attempts.push(ctx.request.attempts);
      await open.promise;
      return ctx.request.hostname;
    });
    const first = await startWorker(s.app, { concurrency: 1, prefetchMultiplier: 3, hostname: 'first@h' });
    const results = await Promise.all([slow.delay(), slow.delay(), slow.delay()]);
    await soon(() => expect(attempts).toEqual([1]));
    const stopping = first.stop();
    open.resolve();
    await stopping;
    await using _second = await startWorker(s.app, { hostname: 'second@h' });
    const hosts = await Promise.all(results.map((result) => result.get({ timeout: 20 })));
    expect(hosts.toSorted()).toEqual(['first@h', 'second@h', 'second@h']);
    expect(attempts).toEqual([1, 1, 1]);
  });

  it('records a task that expired while nobody worked', async () => {
    await using s = await setup(place);
    const task = s.app.task('task', { params: [] }, () => 'fine');
    const late = await task.applyAsync([], { expires: 0 });
    const next = await task.delay();
    await using _worker = await startWorker(s.app);
    expect(await next.get({ timeout: 20 })).toBe('fine');
    await soon(async () => expect(await s.counts()).toEqual(empty));
    // RabbitMQ drops by itself what is too late, as it does for Celery, and tells nobody.
    if (name.startsWith('amqp')) expect(await late.state()).toBe('PENDING');
    else await expect(late.get({ timeout: 20 })).rejects.toThrow('expired');
  });

  it('stops a task that kills whoever runs it at the delivery limit', async () => {
    await using s = await setup(place, { maxDeliveries: 2 });
    const poison = s.app.task('poison', () => undefined);
    const result = await poison.delay();
    const broker = await s.app.openBroker('read');
    for (let deaths = 0; deaths < 2; deaths++) {
      const dead = await broker.subscribe([s.queue], { prefetch: 1, node: 'dead@h' });
      const { value = [] } = await dead[Symbol.asyncIterator]().next();
      await dead.settle((value as readonly never[]).map((delivery) => ({ verdict: 'requeue', delivery, counted: true })));
      await dead[Symbol.asyncDispose]();
    }
    await using _worker = await startWorker(s.app);
    await expect(result.get({ timeout: 20 })).rejects.toThrow('never came to an end');
    await soon(async () => expect(await s.counts()).toEqual({ ...empty, dead: 1 }));
    expect(await death(s)).toMatchObject({ reason: 'delivery-limit', attempts: 3 });
  });
});

describe.each(brokers)('a worker on %s that leaves unknown tasks to others', (_, place) => {
  it('gives them back, and they run where somebody knows them', { timeout: 40_000 }, async () => {
    await using s = await setup(place, { unknownTask: 'requeue' });
    const known = s.app.task('known', { params: [] }, () => 'fine');
    await using _worker = await startWorker(s.app);
    const unknown = await s.app.sendTask('elsewhere');
    expect(await (await known.delay()).get({ timeout: 20 })).toBe('fine');
    await soon(async () => expect(await s.counts()).toMatchObject({ ready: 0, dead: 0 }));
    expect(await unknown.state()).toBe('PENDING');
    // Whoever knows it is this very worker, from now on.
    s.app.task('elsewhere', { params: [] }, () => 'found');
    expect(await unknown.get({ timeout: 20 })).toBe('found');
    await soon(async () => expect(await s.counts()).toEqual(empty));
  });
});
