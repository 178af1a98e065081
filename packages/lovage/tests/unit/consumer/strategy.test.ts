// A custom strategy decides about the messages of its task; request hooks look on.
import { describe, expect, it } from 'vitest';
import type { Strategy, StrategyMessage } from '../../../src/task/index.ts';
import { outcomeOf } from '../../support/jobs.ts';
import { harness, soon, success } from '../../support/worker-app.ts';

const EMPTY = { ready: 0, held: 0, parked: 0, dead: 0 };

describe('a strategy', () => {
  it('is made once for each worker, and gets every message of its task with its request and its body', async () => {
    await using h = await harness();
    const made: unknown[] = [];
    const seen: unknown[] = [];
    const strategy: Strategy = (task, { hostname }) => {
      made.push([task.name, hostname]);
      return (message) => {
        seen.push([message.request.id, message.body(), message.delivery.queue === h.queue]);
        message.run();
      };
    };
    h.task('add', (job) => success(job), { strategy });
    h.task('plain', (job) => success(job));
    const consumer = await h.start();
    const ids = [await h.call('add'), await h.call('add')];
    await h.call('plain');
    await soon(() => expect(h.started).toHaveLength(3));
    expect(seen.map((one) => (one as unknown[])[0])).toEqual(ids);
    expect(seen[0]).toMatchObject([ids[0], [expect.any(Array), {}, expect.anything()], true]);
    expect(made).toEqual([['add', expect.stringContaining('@')]]);
    await soon(async () => expect(await h.counts()).toEqual(EMPTY));
    expect(consumer.state).toBe('subscribed');
  });

  it('acks without a run, and nothing is stored', async () => {
    await using h = await harness();
    h.task('skip', (job) => success(job), { strategy: () => (message) => message.ack() });
    await h.start();
    const id = await h.call('skip');
    await soon(async () => expect(await h.counts()).toEqual(EMPTY));
    expect([h.started, await h.state(id)]).toEqual([[], undefined]);
  });

  it('rejects: FAILURE and a dead letter, or the queue once more', async () => {
    await using h = await harness();
    let seen = 0;
    const strategy: Strategy = () => (message) => {
      seen++;
      if (seen === 1) message.reject({ requeue: true });
      else if (seen === 2) message.reject({ reason: 'not on Sundays' });
      else message.run();
    };
    h.task('odd', (job) => success(job), { strategy });
    await h.start();
    const id = await h.call('odd');
    await soon(async () => expect(await h.state(id)).toBe('FAILURE'));
    await soon(async () => expect(await h.counts()).toEqual({ ...EMPTY, dead: 1 }));
    expect([seen, h.started]).toEqual([2, []]);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    ['rejects', () => Promise.reject(new Error('broken'))],
  ] as const)('that %s makes its message a dead letter with FAILURE, and the worker goes on', async (_, broken) => {
    await using h = await harness();
    h.task('bad', (job) => success(job), { strategy: () => broken });
    h.task('good', (job) => success(job));
    await h.start();
    const id = await h.call('bad');
    await soon(async () => expect(await h.state(id)).toBe('FAILURE'));
    await soon(async () => expect(await h.counts()).toEqual({ ...EMPTY, dead: 1 }));
    const next = await h.call('good');
    await soon(async () => expect(await h.state(next)).toBe('SUCCESS'));
  });

  it('that cannot be made fails each message, not the worker', async () => {
    await using h = await harness();
    h.task('bad', (job) => success(job), {
      strategy: () => {
        throw new Error('no strategy today');
      },
    });
    await h.start();
    const ids = [await h.call('bad'), await h.call('bad')];
    for (const id of ids) await soon(async () => expect(await h.state(id)).toBe('FAILURE'));
  });

  it('may gather more messages than there are slots, and decide later', async () => {
    await using h = await harness({ concurrency: 2 });
    const batch: StrategyMessage[] = [];
    const strategy: Strategy = () => (message) => {
      batch.push(message);
      if (batch.length === 10) for (const one of batch) one.run();
    };
    h.task('gather', (job) => success(job), { strategy });
    const consumer = await h.start();
    for (let count = 0; count < 10; count++) await h.call('gather');
    await soon(() => expect(h.started).toHaveLength(10));
    await soon(async () => expect(await h.counts()).toEqual(EMPTY));
    await soon(() => expect(consumer.flow.prefetch).toBeLessThan(10));
    expect(batch.some(({ undecided }) => undecided)).toBe(false);
  });

  it('has its say once: what comes after changes nothing', async () => {
    await using h = await harness();
    h.task('twice', (job) => success(job), {
      strategy: () => (message) => {
        message.run();
        message.reject();
        message.ack();
        message.run();
      },
    });
    await h.start();
    const id = await h.call('twice');
    await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
    await soon(async () => expect(await h.counts()).toEqual(EMPTY));
    expect(h.started).toEqual([id]);
  });

  it('leaves what is undecided to the next worker', async () => {
    await using h = await harness();
    let held: StrategyMessage | undefined;
    h.task('slow', (job) => success(job), {
      strategy: () => (message) => {
        held = message;
      },
    });
    const consumer = await h.start();
    const id = await h.call('slow');
    await soon(() => expect(held?.undecided).toBe(true));
    await consumer.drain(AbortSignal.timeout(5000));
    expect(held?.undecided).toBe(false);
    held?.run();
    expect(await h.counts()).toEqual({ ...EMPTY, ready: 1 });
    expect([h.started, await h.state(id)]).toEqual([[], undefined]);
  });

  it('runs through the gates: an expired message is not run', async () => {
    await using h = await harness();
    h.task('late', (job) => success(job), { strategy: () => (message) => message.run() });
    await h.start();
    const id = await h.call('late', { expires: '2020-01-01T00:00:00+00:00' });
    await soon(async () => expect(await h.state(id)).toBe('REVOKED'));
    expect(h.started).toEqual([]);
  });
});

describe('request hooks', () => {
  it('are told the start and the end of each request, and what they throw hurts nobody', async () => {
    await using h = await harness();
    const told: string[] = [];
    const tell =
      (word: string) =>
      ({ id }: { readonly id: string }): void => {
        told.push(`${word} ${id}`);
        throw new Error('a hook is broken');
      };
    const requestFactory = () => ({
      onAccepted: tell('accepted'),
      onSuccess: tell('success'),
      onFailure: tell('failure'),
      onRetry: tell('retry'),
      onTimeout: tell('timeout'),
    });
    h.task('good', (job) => success(job), { requestFactory });
    h.task('bad', () => outcomeOf('FAILURE'), { requestFactory });
    h.task('again', () => outcomeOf('RETRY'), { requestFactory });
    const error = { type: 'TimeLimitExceeded', message: '1', traceback: undefined, expected: false, timedOut: true };
    h.task('long', () => outcomeOf('FAILURE', { error }), { requestFactory });
    await h.start();
    for (const [task, words] of [
      ['good', ['success']],
      ['bad', ['failure']],
      ['again', ['retry']],
      ['long', ['timeout', 'failure']],
    ] as const) {
      told.length = 0;
      const id = await h.call(task);
      await soon(() => expect(told).toEqual(['accepted', ...words].map((word) => `${word} ${id}`)));
    }
    await soon(async () => expect(await h.counts()).toEqual(EMPTY));
  });
});
