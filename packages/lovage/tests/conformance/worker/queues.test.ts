// Queues as whoever looks after them sees them, with whole workers: paused and resumed, tasks cancelled, run now and put off, dead letters
// sent again and deleted. What a broker cannot do is refused in words.
import { describe, expect, test } from 'vitest';
import { BrokerError, TaskRevokedError } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { soon } from '../../support/worker-app.ts';
import { places, setup } from './places.ts';

const WAIT = 20_000;
const here = places.filter(([name]) => ['memory', 'sqlite, one file', 'redis', 'amqp with redis'].includes(name));
const looksInside = (name: string): boolean => !name.startsWith('amqp');

describe.concurrent.each(here)('queues on %s', (name, place) => {
  test('a paused queue starts nothing, on workers that run and on those that come later, until it is resumed', async () => {
    await using s = await setup(place);
    const open = Promise.withResolvers<void>();
    const ran: string[] = [];
    const task = s.app.task('t', { params: ['name'] }, async (label: string) => {
      ran.push(label);
      if (label === 'running') await open.promise;
      return label;
    });
    const queue = s.app.queue();
    // No look of its own: it is told.
    const options = { concurrency: 1, prefetchMultiplier: 4, pausePoll: 3600, mingle: false };
    await using first = await startWorker(s.app, options);
    const running = await task.delay('running');
    await soon(() => expect(ran).toEqual(['running']), WAIT);
    const held = await task.delay('held');
    await queue.pause();
    expect(await queue.isPaused()).toBe(true);
    await soon(() => expect(first.info()).toMatchObject({ paused: [s.queue] }), WAIT);
    await using later = await startWorker(s.app, { ...options, hostname: 'later@box' });
    expect(later.info()).toMatchObject({ paused: [s.queue] });
    const waiting = await task.delay('waiting');
    open.resolve();
    expect(await running.get({ timeout: 10 })).toBe('running');
    await soon(async () => expect((await queue.count())?.ready).toBe(2), WAIT);
    expect(ran).toEqual(['running']);
    await queue.resume();
    expect(await held.get({ timeout: 10 })).toBe('held');
    expect(await waiting.get({ timeout: 10 })).toBe('waiting');
    expect(await queue.isPaused()).toBe(false);
  });

  test('a paused queue that a worker is told to take from is taken from once it is resumed', async () => {
    await using s = await setup(place);
    const ran: string[] = [];
    const task = s.app.task('t', { params: ['name'] }, (label: string) => {
      ran.push(label);
      return label;
    });
    const other = s.app.queue(`${s.queue}-other`);
    await other.pause();
    const waits = await task.applyAsync(['waits'], { queue: other.name });
    // Without remote control nobody tells it: it looks.
    s.app.conf.update({ workerEnableRemoteControl: false });
    await using worker = await startWorker(s.app, { pausePoll: 0.05 });
    await worker.host?.consumer?.addQueue({ name: other.name });
    expect(await (await task.delay('first')).get({ timeout: 10 })).toBe('first');
    expect(ran).toEqual(['first']);
    await other.resume();
    expect(await waits.get({ timeout: 10 })).toBe('waits');
    await worker.host?.consumer?.cancelQueue(other.name);
    await (await s.app.openBroker('write')).remove(other.name);
  });

  test('the dead letters of a queue are looked at, sent again and deleted, all or some', async () => {
    await using s = await setup(place);
    let broken = true;
    const task = s.app.task('fragile', { params: ['n'], acksOnFailure: false }, (n: number) => {
      if (broken) throw new TypeError(`no ${n}`);
      return n;
    });
    await using _worker = await startWorker(s.app);
    const results = await Promise.all([1, 2, 3].map((n) => task.delay(n)));
    const letters = s.app.deadLetters();
    await soon(async () => expect((await s.counts()).dead).toBe(3), WAIT);
    expect((await letters.list()).map(({ death }) => death?.reason)).toEqual(['failed', 'failed', 'failed']);
    broken = false;
    const [one, two] = results;
    expect(await letters.resend({ where: ({ id }) => id === one?.id })).toMatchObject([{ id: one?.id }]);
    expect(await one?.get({ timeout: 10 })).toBe(1);
    expect(await letters.discard({ where: ({ id }) => id === two?.id })).toMatchObject([{ id: two?.id }]);
    await soon(async () => expect((await s.counts()).dead).toBe(1), WAIT);
    expect(await letters.purge()).toBe(1);
    expect(await letters.purge()).toBe(0);
    expect(await letters.list()).toEqual([]);
  });

  if (looksInside(name)) {
    test('a task that waits is looked at and cancelled, and whoever waits for it is told', async () => {
      await using s = await setup(place);
      const task = s.app.task('t', (label: string) => label);
      // Workers make the queue, and park what is due later.
      const gone = await task.delay('gone');
      const stays = await task.delay('stays');
      const queue = s.app.queue();
      expect(await queue.peek()).toMatchObject([
        { id: gone.id, task: 't', args: expect.stringContaining('gone') as unknown, state: 'ready', eta: undefined },
        { id: stays.id },
      ]);
      expect(await queue.peek({ ids: [stays.id] })).toMatchObject([{ id: stays.id }]);
      expect(await queue.cancel(gone.id)).toMatchObject([{ id: gone.id }]);
      expect(await queue.cancel([gone.id])).toEqual([]);
      await expect(gone.get({ timeout: 10 })).rejects.toThrow(TaskRevokedError);
      await using _worker = await startWorker(s.app);
      expect(await stays.get({ timeout: 10 })).toBe('stays');
      expect(await s.counts()).toEqual({ ready: 0, parked: 0, dead: 0 });
    });

    test('a task that is parked runs now, and one of two is put off further', async () => {
      await using s = await setup(place);
      const task = s.app.task('t', (label: string) => label);
      await using _worker = await startWorker(s.app);
      const soonest = await task.applyAsync(['now'], { countdown: 3600 });
      const later = await task.applyAsync(['later'], { countdown: 7200 });
      const queue = s.app.queue();
      await soon(async () => expect((await queue.count())?.parked).toBe(2), WAIT);
      expect(await queue.peek({ state: 'parked' })).toMatchObject([
        { id: soonest.id, state: 'parked', eta: expect.any(Date) as unknown },
        { id: later.id },
      ]);
      const eta = new Date(Date.now() + 3 * 3600_000);
      expect(await queue.reschedule(later.id, { eta })).toMatchObject([{ id: later.id, eta }]);
      expect(await queue.runNow(soonest.id)).toMatchObject([{ id: soonest.id, state: 'ready' }]);
      expect(await soonest.get({ timeout: 10 })).toBe('now');
      expect(await queue.peek()).toMatchObject([{ id: later.id, state: 'parked' }]);
      expect(await queue.reschedule(later.id, { countdown: 1 })).toHaveLength(1);
      expect(await later.get({ timeout: 15 })).toBe('later');
      expect(await queue.reschedule('unknown', { countdown: 1 })).toEqual([]);
    });
  } else {
    test('what RabbitMQ cannot do inside of a queue is refused with a way out', async () => {
      await using s = await setup(place);
      const task = s.app.task('t', () => undefined);
      const { id } = await task.delay();
      const queue = s.app.queue();
      for (const work of [
        queue.cancel(id),
        queue.runNow(id),
        queue.reschedule(id, { countdown: 5 }),
        queue.peek({ state: 'parked' }),
        queue.peek({ ids: [id] }),
      ]) {
        await expect(work).rejects.toThrow(BrokerError);
        await expect(work).rejects.toThrow(/RabbitMQ gives out only the first.*Revoke the task/);
      }
      expect(await queue.peek()).toMatchObject([{ id, task: 't', state: 'ready' }]);
      expect(await queue.purge()).toBe(1);
    });
  }
});
