// Remote control on every kind of broker: who is asked, what comes back, and what a command does to a worker.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { WorkerOptions } from '../../../src/worker/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { soon } from '../../support/worker-app.ts';
import { places, type Setup, setup } from './places.ts';

const somewhere = places.filter(([name]) => !name.includes('two files') && !name.includes('unacked'));

async function workers(s: Setup, names: readonly string[], options: WorkerOptions = {}): Promise<AsyncDisposableStack> {
  const stack = new AsyncDisposableStack();
  for (const hostname of names) stack.use(await startWorker(s.app, { mingle: false, ...options, hostname }));
  return stack;
}

describe.each(somewhere)('workers on %s', (_, place) => {
  it('answer, all of them or those that are named or match', async () => {
    await using s = await setup(place);
    await using _workers = await workers(s, ['w1@h', 'w2@h']);
    const pong = { ok: 'pong' };
    expect(await s.app.control.ping({ limit: 2 })).toEqual({ 'w1@h': pong, 'w2@h': pong });
    expect(await s.app.control.ping({ destination: ['w2@h'] })).toEqual({ 'w2@h': pong });
    expect(await s.app.control.ping({ pattern: 'w1*', limit: 1 })).toEqual({ 'w1@h': pong });
    expect(await s.app.control.ping({ destination: ['w3@h'], timeout: 0.1 })).toEqual({});
  });

  it('end a question when all who heard it have answered, where the broker counts them', async () => {
    await using s = await setup(place);
    const seconds = async (timeout: number): Promise<readonly [number, number]> => {
      const began = performance.now();
      const answers = await s.app.control.ping({ timeout });
      return [Object.keys(answers).length, (performance.now() - began) / 1000];
    };
    const [nobody, inVain] = await seconds(60);
    await using _workers = await workers(s, ['w1@h', 'w2@h']);
    // RabbitMQ tells that nobody hears, and not how many do.
    const [both, answered] = await seconds((await s.app.openBroker('write')).name === 'amqp' ? 0.5 : 60);
    expect([nobody, both]).toEqual([0, 2]);
    expect(Math.max(inVain, answered)).toBeLessThan(30);
  });

  it('say what they know', async () => {
    await using s = await setup(place);
    s.app.task('shop.slow', { rateLimit: '10/s' }, async (seconds: number) => seconds);
    await using _workers = await workers(s, ['w1@h']);
    const asked = s.app.control.inspect({ destination: ['w1@h'] });
    expect(await asked.registered()).toEqual({ 'w1@h': ['shop.slow [rate_limit=10/s]'] });
    expect((await asked.activeQueues())['w1@h']?.map(({ name }) => name)).toEqual([s.queue]);
    expect((await asked.stats())['w1@h']).toMatchObject({ pid: process.pid, clock: expect.any(String) as unknown, total: {} });
    expect((await asked.conf())['w1@h']).toMatchObject({ task_default_queue: s.queue });
    expect(await asked.call('nosuch')).toEqual({ 'w1@h': { error: "KeyError('nosuch')" } });
    expect(await asked.call('clock', { zz: 1 })).toMatchObject({ 'w1@h': { clock: expect.any(Number) as unknown } });
    expect(await asked.call('active_queues', { zz: 1 })).toEqual({
      'w1@h': { error: `TypeError("active_queues() got an unexpected keyword argument 'zz'")` },
    });
  });

  it('revoke what waits, stop what runs, and leave one final state', async () => {
    await using s = await setup(place);
    let heeded = 0;
    const endless = s.app.task('shop.endless', { bind: true, params: [] }, async (ctx) => {
      await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve));
      heeded++;
      return 'done all the same';
    });
    const ends: boolean[] = [];
    s.app.signals.taskRevoked.connect(({ terminated, expired }) => void ends.push(terminated && !expired));
    await using _workers = await workers(s, ['w1@h'], { concurrency: 1 });
    const running = await endless.delay();
    const asked = s.app.control.inspect({ destination: ['w1@h'] });
    await soon(async () => expect((await asked.active())['w1@h']?.map(({ id }) => id)).toEqual([running.id]));
    const options = { wait: true, destination: ['w1@h'] };
    const waiting = await endless.delay();
    expect(await s.app.control.revoke(waiting.id, options)).toEqual({
      'w1@h': { ok: `tasks {'${waiting.id}'} flagged as revoked` },
    });
    expect(await s.app.control.terminate(running.id, options)).toEqual({ 'w1@h': { ok: `terminate: ${running.id}` } });
    await expect(running.get({ timeout: 10 })).rejects.toThrow(/terminated/);
    await expect(waiting.get({ timeout: 10 })).rejects.toThrow(/revoked/);
    await soon(() => expect([heeded, ends.toSorted()]).toEqual([1, [false, true]]));
    expect(await s.app.control.terminate('no-such-id', options)).toEqual({ 'w1@h': { ok: 'terminate: tasks unknown' } });
    expect((await asked.revoked())['w1@h']).toEqual([waiting.id, running.id, 'no-such-id']);
  });

  it('take from other queues when told to, and no longer', async () => {
    await using s = await setup(place);
    const add = s.app.task('shop.add', async (a: number, b: number) => a + b);
    await using _workers = await workers(s, ['w1@h']);
    const options = { wait: true, destination: ['w1@h'] };
    const other = `${s.queue}-other`;
    expect(await s.app.control.addConsumer(other, options)).toEqual({ 'w1@h': { ok: `add consumer ${other}` } });
    const result = await add.applyAsync([1, 2], { queue: other });
    expect(await result.get({ timeout: 10 })).toBe(3);
    expect(await s.app.control.cancelConsumer(other, options)).toEqual({ 'w1@h': { ok: `no longer consuming from ${other}` } });
    await add.applyAsync([1, 2], { queue: other });
    const broker = await s.app.openBroker('read');
    expect(await (await add.delay(2, 2)).get({ timeout: 10 })).toBe(4);
    expect(await broker.count(other)).toMatchObject({ ready: 1 });
    await broker.remove(other);
  });

  it('change limits in place', async () => {
    await using s = await setup(place);
    const slow = s.app.task('shop.slow', { rateLimit: '1/h', bind: true, params: [] }, async (ctx) => {
      await delay(60_000, undefined, { signal: ctx.signal });
    });
    await using _workers = await workers(s, ['w1@h']);
    const options = { wait: true, destination: ['w1@h'] };
    expect(await s.app.control.timeLimit('shop.slow', { hard: 0.05 }, options)).toEqual({
      'w1@h': { ok: 'time limits set successfully' },
    });
    expect(await s.app.control.rateLimit('shop.slow', '1000/s', options)).toEqual({
      'w1@h': { ok: 'new rate limit set successfully' },
    });
    const results = await Promise.all([slow.delay(), slow.delay(), slow.delay()]);
    for (const result of results) await expect(result.get({ timeout: 10 })).rejects.toThrow(/0\.05/);
    expect(await s.app.control.rateLimit('nosuch', 1, options)).toEqual({ 'w1@h': { error: 'unknown task' } });
    expect(await s.app.control.rateLimit('shop.slow', 'abc', options)).toEqual({
      'w1@h': { error: `Invalid rate limit string: ValueError("could not convert string to float: 'abc'")` },
    });
  });

  it('of one name cannot be two: the younger ends', async () => {
    await using s = await setup(place);
    await using _workers = await workers(s, ['w1@h']);
    await using younger = await startWorker(s.app, { hostname: 'w1@h', mingle: false });
    expect(await younger.closed).toBe(1);
    expect(younger.failure?.message).toContain("Another worker is called 'w1@h'");
    expect(await s.app.control.ping({ destination: ['w1@h'] })).toEqual({ 'w1@h': { ok: 'pong' } });
  });

  it('of one name hear each command, both of them, and find each other while they mingle', async () => {
    await using s = await setup(place);
    await using _elder = await startWorker(s.app, { hostname: 'w1@h' });
    await using _younger = await startWorker(s.app, { hostname: 'w1@h', allowDuplicateName: true, mingle: false });
    // In memory, where all is one process, they share a queue.
    const ears = s.app.settings.brokerUrl?.toString().startsWith('memory:') === true ? 1 : 2;
    expect(await s.app.control.ask('ping', {}, { limit: ears, timeout: 5 })).toHaveLength(ears);
    await using third = await startWorker(s.app, { hostname: 'w1@h' });
    expect(await third.closed).toBe(1);
  });

  it('grow, shrink, and end when they are told to', async () => {
    await using s = await setup(place);
    await using worker = await startWorker(s.app, { hostname: 'w1@h', mingle: false, concurrency: 2 });
    const options = { wait: true, destination: ['w1@h'] };
    expect(await s.app.control.poolGrow(3, options)).toEqual({ 'w1@h': { ok: 'pool will grow' } });
    expect(await s.app.control.poolShrink(1, options)).toEqual({ 'w1@h': { ok: 'pool will shrink' } });
    expect((await s.app.control.inspect({ destination: ['w1@h'] }).stats())['w1@h']?.pool).toMatchObject({
      'max-concurrency': 4,
    });
    expect(await s.app.control.autoscale(3, 1, options)).toEqual({ 'w1@h': { error: "ValueError('Autoscale not enabled')" } });
    expect(await s.app.control.poolRestart(options)).toEqual({ 'w1@h': { error: "ValueError('Pool restarts not enabled')" } });
    expect(await s.app.control.shutdown(options)).toEqual({ 'w1@h': { ok: 'shutting down' } });
    expect(await worker.closed).toBe(0);
  });
});
