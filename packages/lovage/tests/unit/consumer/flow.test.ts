// What happens to usable messages between the broker and the pool.
import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Delivery, deadLetterQueue } from '../../../src/broker/index.ts';
import { attemptNumber } from '../../../src/result/index.ts';
import type { Clock } from '../../../src/util/index.ts';
import { outcomeOf } from '../../support/jobs.ts';
import { type Body, type Harness, harness, soon, storedOf, success } from '../../support/worker-app.ts';

afterEach(() => void vi.useRealTimers());

const iso = (seconds: number): string => new Date(Date.now() + seconds * 1000).toISOString();
const empty = { ready: 0, held: 0, parked: 0, dead: 0 };

/** A task whose runs end when the test says so. */
function gate(h: Harness, name: string, options = {}): { running: () => number; most: () => number; open: () => void } {
  let running = 0;
  let most = 0;
  let opened = Promise.withResolvers<void>();
  h.task(
    name,
    async (job) => {
      most = Math.max(most, ++running);
      await opened.promise;
      running--;
      return success(job);
    },
    options,
  );
  return {
    running: () => running,
    most: () => most,
    open: () => {
      opened.resolve();
      opened = Promise.withResolvers<void>();
    },
  };
}

/** A clock that stands still until it is told how many milliseconds have passed. */
function stopped(): { readonly clock: Clock; pass(milliseconds: number): void } {
  let at = 0;
  return {
    clock: { now: () => Date.now() / 1000, monotonic: () => at },
    pass: (milliseconds) => {
      at += milliseconds;
    },
  };
}

/** As many tasks as there are slots, which take no time at all. */
async function quickly(h: Harness, tasks: ReturnType<typeof gate>, slots: number): Promise<void> {
  for (let index = 0; index < slots; index++) await h.call('quick');
  await soon(() => expect(tasks.running()).toBe(slots));
  tasks.open();
  await soon(async () => expect(await h.counts()).toEqual(empty));
}

/** Leaves what is in the queue as a worker that died would: started so often already. */
async function started(h: Harness, times: number): Promise<void> {
  const { ready } = await h.counts();
  for (let count = 0; count < times; count++) {
    const dead = await h.broker.subscribe([h.queue], { prefetch: ready, node: 'dead@test' });
    const { value } = await dead[Symbol.asyncIterator]().next();
    await dead.settle((value as readonly Delivery[]).map((delivery) => ({ verdict: 'requeue', delivery, counted: true })));
    await dead[Symbol.asyncDispose]();
  }
}

describe('acks', () => {
  it('come after the result when late', async () => {
    await using h = await harness();
    const tasks = gate(h, 'slow');
    await h.start();
    const id = await h.call('slow');
    await soon(() => expect(tasks.running()).toBe(1));
    expect(await h.counts()).toEqual({ ...empty, held: 1 });
    tasks.open();
    await soon(async () => expect(await h.counts()).toEqual(empty));
    expect(await h.state(id)).toBe('SUCCESS');
  });

  it('come at the start when early', async () => {
    await using h = await harness();
    const tasks = gate(h, 'slow', { acksLate: false });
    await h.start();
    const id = await h.call('slow');
    await soon(async () => expect([tasks.running(), await h.counts()]).toEqual([1, empty]));
    tasks.open();
    await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
  });

  it('store WorkerLostError for an early-acked task whose slot was lost', async () => {
    await using h = await harness();
    h.task('dies', () => outcomeOf('LOST'), { acksLate: false });
    await h.start();
    const id = await h.call('dies');
    await soon(async () => expect(await h.state(id)).toBe('FAILURE'));
    const stored = (await h.backend.get([id])).get(id);
    expect(new TextDecoder().decode(stored?.body)).toContain('WorkerLostError');
  });

  it('send what follows a task before its message is gone', async () => {
    await using h = await harness();
    h.task('first', (job) =>
      success(job, {
        next: [
          {
            exchange: '',
            routingKey: h.queue,
            headers: { task: 'second', id: 'follower' },
            properties: { contentType: 'application/json', contentEncoding: 'utf-8' },
            body: job.body,
          },
        ],
      }),
    );
    h.task('second', (job) => success(job));
    await h.start();
    await h.call('first');
    await soon(async () => expect(await h.state('follower')).toBe('SUCCESS'));
    await soon(async () => expect(await h.counts()).toEqual(empty));
  });
});

describe('prefetch', () => {
  it('takes as many messages as there are slots and leaves the rest to others', async () => {
    await using h = await harness({ concurrency: 3 });
    const tasks = gate(h, 'slow');
    const { clock, pass } = stopped();
    await h.start({ clock });
    for (let index = 0; index < 8; index++) await h.call('slow');
    await soon(() => expect(tasks.running()).toBe(3));
    expect(await h.counts()).toEqual({ ...empty, held: 3, ready: 5 });
    for (let left = 3; left > 0; left--) {
      pass(1000);
      tasks.open();
      const next = [Math.max(0, 3 * left - 7), Math.max(0, Math.min(3, 3 * left - 4))];
      await soon(async () => expect([(await h.counts()).ready, tasks.running()]).toEqual(next));
    }
    await soon(async () => expect(await h.counts()).toEqual(empty));
    expect(tasks.most()).toBe(3);
  });

  it('takes as many again, for when these are over, where tasks are quick', async () => {
    await using h = await harness({ concurrency: 3 });
    const tasks = gate(h, 'quick');
    await h.start({ clock: stopped().clock });
    await quickly(h, tasks, 3);
    for (let index = 0; index < 8; index++) await h.call('quick');
    await soon(async () => expect(await h.counts()).toEqual({ ...empty, held: 6, ready: 2 }));
    expect(tasks.running()).toBe(3);
    await soon(async () => {
      tasks.open();
      expect(await h.counts()).toEqual(empty);
    });
    expect(tasks.most()).toBe(3);
  });

  it('takes nothing ahead of free slots with workerDisablePrefetch, however quick the tasks are', async () => {
    await using h = await harness({ concurrency: 3, settings: { workerDisablePrefetch: true } });
    const tasks = gate(h, 'quick');
    await h.start({ clock: stopped().clock });
    await quickly(h, tasks, 3);
    for (let index = 0; index < 8; index++) await h.call('quick');
    await soon(() => expect(tasks.running()).toBe(3));
    expect(await h.counts()).toEqual({ ...empty, held: 3, ready: 5 });
    await soon(async () => {
      tasks.open();
      expect(await h.counts()).toEqual(empty);
    });
  });
});

describe('an eta', () => {
  it('that is far away waits in the broker', async () => {
    await using h = await harness();
    h.task('later', (job) => success(job));
    await h.start();
    await h.call('later', { eta: iso(60) });
    await soon(async () => expect(await h.counts()).toEqual({ ...empty, parked: 1 }));
    expect(h.started).toEqual([]);
  });

  it('that is near waits here, holds no slot, and runs in time', async () => {
    await using h = await harness({ concurrency: 1 });
    h.task('later', (job) => success(job));
    h.task('now', (job) => success(job));
    const consumer = await h.start();
    const at = Date.now() + 1000;
    const id = await h.call('later', { eta: new Date(at).toISOString() });
    await soon(() => expect(consumer.flow.prefetch).toBe(2));
    const other = await h.call('now');
    await soon(async () => expect(await h.state(other)).toBe('SUCCESS'));
    expect(h.started).toEqual([other]);
    await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
    expect(Date.now()).toBeGreaterThanOrEqual(at - 2);
    await soon(() => expect(consumer.flow.prefetch).toBe(1));
  });

  it('in the past runs at once', async () => {
    await using h = await harness();
    h.task('later', (job) => success(job));
    await h.start();
    const id = await h.call('later', { eta: '2020-01-01T00:00:00' });
    await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
  });
});

describe('a rate limit', () => {
  it('spaces the starts of one task and leaves others alone', async () => {
    await using h = await harness();
    const starts: number[] = [];
    h.task(
      'limited',
      (job) => {
        starts.push(performance.now());
        return success(job);
      },
      { rateLimit: 20 },
    );
    h.task('free', (job) => success(job));
    await h.start();
    const began = performance.now();
    for (let index = 0; index < 5; index++) await h.call('limited');
    const free = await h.call('free');
    await soon(async () => expect(await h.state(free)).toBe('SUCCESS'));
    await soon(() => expect(starts).toHaveLength(5));
    // Each against the beginning: on a busy machine one start may be late, and the next one in time.
    expect(starts.map((at, index) => at - began >= 50 * index - 5)).toEqual([true, true, true, true, true]);
  });

  it('lets a message that was started before run in its turn, although it waits for that in the broker', async () => {
    await using h = await harness();
    h.task('limited', (job) => success(job), { rateLimit: 4 });
    await h.start();
    const first = await h.call('limited');
    await soon(async () => expect(await h.state(first)).toBe('SUCCESS'));
    const suspect = await h.call('limited', { 'x-lovage-attempts': 1 });
    await soon(async () => expect(await h.state(suspect)).toBe('SUCCESS'));
    await soon(async () => expect(await h.counts()).toEqual(empty));
  });

  it('is none with workerDisableRateLimits, whatever a command says', async () => {
    await using h = await harness({ settings: { workerDisableRateLimits: true } });
    h.task('limited', (job) => success(job), { rateLimit: '1/h' });
    const consumer = await h.start();
    consumer.flow.change('limited', { rate: 1 / 3600 });
    const ids = [await h.call('limited'), await h.call('limited'), await h.call('limited')];
    for (const id of ids) await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
  });

  it('parks what is far from its turn, so that memory and slots stay free', async () => {
    await using h = await harness();
    h.task('limited', (job) => success(job), { rateLimit: '1/m' });
    await h.start();
    for (let index = 0; index < 20; index++) await h.call('limited');
    await soon(async () => expect(await h.counts()).toEqual({ ...empty, parked: 19 }));
    expect(h.started).toHaveLength(1);
  });

  it('says that a task was received when it stays, however often it comes by before', async () => {
    await using h = await harness();
    h.task('limited', (job) => success(job), { rateLimit: '1/m' });
    let came = 0;
    const find = (task: string): ReturnType<typeof h.app.find> => {
      came++;
      return h.app.find(task);
    };
    const { flow } = await h.start({ app: { ...h.app, find }, rounds: { least: 0.01, most: 0.01 } });
    const late = await h.call('limited');
    await soon(async () => expect(await h.state(late)).toBe('SUCCESS'));
    const away = await h.call('limited');
    await soon(() => expect(came).toBeGreaterThan(5));
    expect(h.told).toEqual(['taskReceived']);
    flow.change('limited', { rate: undefined });
    await soon(async () => expect(await h.state(away)).toBe('SUCCESS'));
    expect(h.told).toEqual(['taskReceived', 'taskReceived']);
  });
});

describe('a task that must not run', () => {
  it('because it is too late is REVOKED as expired', async () => {
    await using h = await harness();
    h.task('old', (job) => success(job));
    await h.start();
    const id = await h.call('old', { expires: iso(-1) });
    await soon(async () => expect(await h.state(id)).toBe('REVOKED'));
    await soon(async () => expect(await h.counts()).toEqual(empty));
    expect(h.told).toEqual(['taskExpired']);
    expect(h.started).toEqual([]);
  });

  it('because it expired while it waited for a slot is REVOKED, too', async () => {
    await using h = await harness({ concurrency: 1, settings: { workerPrefetchMultiplier: 2 } });
    const tasks = gate(h, 'slow');
    h.task('old', (job) => success(job));
    await h.start();
    await h.call('slow');
    await soon(() => expect(tasks.running()).toBe(1));
    const id = await h.call('old', { expires: iso(0.05) });
    await soon(async () => expect((await h.counts()).held).toBe(2));
    await soon(() => expect(Date.now()).toBeGreaterThan(Date.parse(iso(0)) - 1));
    await new Promise((resolve) => setTimeout(resolve, 60));
    tasks.open();
    await soon(async () => expect(await h.state(id)).toBe('REVOKED'));
    expect(h.started).not.toContain(id);
  });

  it('because it was revoked is REVOKED and says so', async () => {
    await using h = await harness();
    h.task('unwanted', (job) => success(job));
    const consumer = await h.start();
    consumer.flow.revoked.add('r1');
    await h.call('unwanted', { id: 'r1' });
    await soon(() => expect(h.told).toEqual(['taskRevoked']));
    expect(await h.state('r1')).toBe('REVOKED');
  });

  it('because it was revoked while it waited for its eta', async () => {
    await using h = await harness();
    h.task('unwanted', (job) => success(job));
    const consumer = await h.start();
    await h.call('unwanted', { id: 'r1', eta: iso(0.15) });
    await soon(() => expect(consumer.flow.requests.count('held')).toBe(1));
    consumer.flow.revoked.add('r1');
    await soon(async () => expect(await h.state('r1')).toBe('REVOKED'));
    expect(h.started).toEqual([]);
  });
});

describe('a message that was started before', () => {
  it('runs alone', async () => {
    await using h = await harness({ concurrency: 5 });
    const beside: number[] = [];
    let running = 0;
    const body: Body = async (job) => {
      running++;
      if (job.request.attempts > 1) beside.push(running);
      // Some turns of the loop, in which others could start.
      for (let turn = 0; turn < 5; turn++) await setImmediate();
      if (job.request.attempts > 1) beside.push(running);
      running--;
      return success(job);
    };
    h.task('suspect', body);
    h.task('plain', body);
    for (let index = 0; index < 3; index++) await h.call('suspect');
    await started(h, 1);
    await h.start();
    for (let index = 0; index < 10; index++) await h.call('plain');
    await soon(async () => expect(await h.counts()).toEqual(empty));
    expect(beside).toEqual([1, 1, 1, 1, 1, 1]);
  });

  it('has nothing beside it in the hand of its worker, which a death would be counted against', async () => {
    await using h = await harness({ concurrency: 20 });
    const held: number[] = [];
    h.task('suspect', async (job) => {
      // Some turns of the loop, in which others could be taken.
      for (let turn = 0; turn < 5; turn++) await setImmediate();
      held.push((await h.counts()).held);
      return success(job);
    });
    h.task('plain', (job) => success(job));
    for (let index = 0; index < 4; index++) await h.call('suspect');
    await started(h, 1);
    for (let index = 0; index < 30; index++) await h.call('plain');
    await h.start();
    await soon(async () => expect(await h.counts()).toEqual(empty));
    expect(held).toEqual([1, 1, 1, 1]);
    expect(new Set(h.started).size).toBe(34);
    expect(h.started).toHaveLength(34);
  });

  it('lets what waits for its time wait in the broker', async () => {
    await using h = await harness();
    const seen: object[] = [];
    h.task('later', (job) => success(job));
    h.task('suspect', async (job) => {
      seen.push(await h.counts());
      return success(job);
    });
    await h.call('suspect');
    await using other = await h.broker.subscribe([h.queue], { prefetch: 1, node: 'other@test' });
    const { value } = await other[Symbol.asyncIterator]().next();
    const consumer = await h.start();
    const later = await h.call('later', { eta: iso(1) });
    await soon(() => expect(consumer.flow.requests.count('held')).toBe(1));
    await other.settle((value as readonly Delivery[]).map((delivery) => ({ verdict: 'requeue', delivery, counted: true })));
    await soon(() => expect(seen).toEqual([{ ready: 0, held: 1, parked: 1, dead: 0 }]));
    await soon(async () => expect(await h.state(later)).toBe('SUCCESS'));
  });

  it('too often goes to the dead letters, and FAILURE is stored', async () => {
    await using h = await harness({ settings: { maxDeliveries: 2 } });
    h.task('poison', (job) => success(job));
    const id = await h.call('poison');
    await started(h, 2);
    await h.start();
    await soon(async () => expect(await h.counts()).toEqual({ ...empty, dead: 1 }));
    const [dead] = await h.broker.peek(deadLetterQueue(h.queue), 1);
    expect(dead?.headers['x-lovage-death']).toMatchObject({ reason: 'delivery-limit', attempts: 3 });
    expect(await h.state(id)).toBe('FAILURE');
    expect(h.started).toEqual([]);
  });

  it('and has its SUCCESS stored does not run again, but what follows it is sent', async () => {
    const followUp = vi.fn();
    await using h = await harness({
      followUp: async (request, body, stored) => {
        followUp(request.id, stored.state);
        const follower = {
          exchange: '',
          routingKey: h.queue,
          headers: { task: 'second', id: 'follower' },
          properties: { contentType: 'application/json', contentEncoding: 'utf-8' },
          body,
        };
        return { next: [follower], openings: [] };
      },
    });
    h.task('first', (job) => success(job));
    h.task('second', (job) => success(job));
    const id = await h.call('first');
    await started(h, 1);
    await h.backend.put([storedOf(id, 'SUCCESS', attemptNumber(0, 1))]);
    await h.start();
    await soon(async () => expect(await h.state('follower')).toBe('SUCCESS'));
    await soon(async () => expect(await h.counts()).toEqual(empty));
    expect(h.started).toEqual(['follower']);
    expect(followUp).toHaveBeenCalledExactlyOnceWith(id, 'SUCCESS');
  });

  it('and has gone on to a later retry is only acked', async () => {
    await using h = await harness();
    h.task('again', (job) => success(job));
    const id = await h.call('again');
    await started(h, 1);
    await h.backend.put([storedOf(id, 'STARTED', attemptNumber(1, 1))]);
    await h.start();
    await soon(async () => expect(await h.counts()).toEqual(empty));
    expect(h.started).toEqual([]);
    expect(await h.state(id)).toBe('STARTED');
  });

  it.each([
    [true, 0],
    [false, 1],
  ])('and has its FAILURE stored does not run again (acksOnFailure %s)', async (acksOnFailure, dead) => {
    await using h = await harness();
    h.task('fails', (job) => success(job), { acksOnFailure });
    const id = await h.call('fails');
    await started(h, 1);
    await h.backend.put([storedOf(id, 'FAILURE', attemptNumber(0, 1))]);
    await h.start();
    await soon(async () => expect(await h.counts()).toEqual({ ...empty, dead }));
    expect(h.started).toEqual([]);
    expect(await h.state(id)).toBe('FAILURE');
  });

  it('writes its number first, so that the attempt before it can write no more', async () => {
    await using h = await harness();
    const tasks = gate(h, 'slow');
    const id = await h.call('slow');
    await started(h, 1);
    await h.start();
    await soon(() => expect(tasks.running()).toBe(1));
    expect(await h.backend.put([storedOf(id, 'SUCCESS', attemptNumber(0, 1))])).toEqual([id]);
    tasks.open();
    await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
    expect((await h.backend.get([id])).get(id)?.attempt).toBe(attemptNumber(0, 2));
  });
});

describe('totals', () => {
  it('count starts by task name', async () => {
    await using h = await harness();
    h.task('add', (job) => success(job));
    const consumer = await h.start();
    await h.call('add');
    await h.call('add');
    await soon(() => expect(consumer.info().total).toEqual({ add: 2 }));
  });
});
