// Retries: asked for by the body, or made of errors.
import { describe, expect, test } from 'vitest';
import { Ignore, Reject } from '../../../src/task/index.ts';
import { MaxRetriesExceededError } from '../../../src/util/index.ts';
import { wire, world } from './world.ts';

/** What RabbitMQ's delay queues leave before the routing key. */
const DELAY = `${'0.'.repeat(27)}1.`;

describe('ctx.retry', () => {
  test('sends the same task again and stores RETRY with the error', async () => {
    const { task, run, read, metas } = world();
    task('flaky', { bind: true }, (ctx, n: number) => ctx.retry({ error: new RangeError(`no ${n}`), countdown: 7 }));
    const outcome = await run('flaky', [1], { id: 'x' });
    const [sent] = read(outcome);
    expect(outcome.state).toBe('RETRY');
    expect(metas(outcome)).toMatchObject([
      {
        taskId: 'x',
        status: 'RETRY',
        result: { exc_type: 'ValueError', exc_message: ['no 1'] },
        children: [],
        dateDone: undefined,
      },
    ]);
    expect(sent?.request).toMatchObject({ id: 'x', task: 'flaky', retries: 1, parentId: undefined, rootId: 'x' });
    expect(sent?.call.options.countdown).toBe(7);
    expect(sent?.body.args).toEqual([1]);
  });

  test('keeps everything that the message carried', async () => {
    const { task, run, read } = world();
    task('flaky', { bind: true }, (ctx, _secret: string) => ctx.retry());
    const request = {
      rootId: 'root',
      parentId: 'parent',
      group: 'g',
      groupIndex: 2,
      shadow: 'other name',
      expires: '2026-02-01T00:00:00+00:00',
      timeLimit: 30,
      softTimeLimit: 20,
      ignoreResult: true,
      replyTo: 'me',
      origin: 'gen1@here',
      stampedHeaders: ['mon'],
      stamps: { mon: 'abc' },
      argsRepr: "('***',)",
      headers: { mine: 1, 'x-death': [], 'x-first-death-queue': 'q', redelivered: true, 'x-delivery-count': 1 },
      deliveryInfo: { exchange: '', routingKey: 'slow', priority: 7, redelivered: true },
    };
    const outcome = await run('flaky', ['secret'], {
      request,
      callbacks: [wire('after')],
      errbacks: [wire('oops')],
      chain: [wire('next')],
    });
    const [sent] = read(outcome);
    const { deliveryInfo: _info, headers: _headers, ...same } = request;
    expect(sent?.request).toMatchObject(same);
    expect(sent?.request.headers).toEqual({ mine: 1 });
    expect(sent?.message).toMatchObject({ exchange: '', routingKey: 'slow', properties: { priority: 7 } });
    expect(sent?.body.embed).toMatchObject({
      callbacks: [{ task: 'after' }],
      errbacks: [{ task: 'oops' }],
      chain: [{ task: 'next' }],
    });
    expect(outcome.results).toEqual([]);
  });

  test.each([
    ['a direct queue', { exchange: '', routingKey: 'q', queue: 'q' }, { queue: 'q', exchange: '', routingKey: 'q' }],
    [
      'a topic exchange',
      { exchange: 'media', routingKey: 'media.video', queue: 'v' },
      { exchange: 'media', routingKey: 'media.video' },
    ],
    [
      'the queue behind the delay queues',
      { exchange: 'celery_delayed_delivery', routingKey: `${DELAY}media.video`, queue: 'v' },
      { queue: 'v', exchange: '', routingKey: 'v' },
    ],
    ['the queue that the delay was for', { exchange: 'celery_delayed_delivery', routingKey: `${DELAY}q` }, { queue: 'q' }],
  ])('goes back to %s', async (_, from, expected) => {
    const { task, run, read } = world();
    task('flaky', { bind: true }, (ctx) => ctx.retry());
    const deliveryInfo = { ...from, priority: undefined, redelivered: false };
    const [sent] = read(await run('flaky', [], { request: { deliveryInfo } }));
    expect(sent?.call.options).toMatchObject(expected);
  });

  test('takes new arguments and another queue', async () => {
    const { task, run, read } = world();
    task('flaky', { bind: true }, (ctx, n: number) =>
      ctx.retry({ args: [n + 1], queue: 'slow', eta: '2027-01-01T00:00:00+00:00' }),
    );
    const [sent] = read(await run('flaky', [1]));
    expect(sent?.body.args).toEqual([2]);
    expect(sent?.message.routingKey).toBe('slow');
    expect(sent?.call.options).toMatchObject({ eta: '2027-01-01T00:00:00+00:00' });
    expect(sent?.call.options.countdown).toBeUndefined();
  });

  test('waits the default delay when told nothing, and not at all for 0', async () => {
    const { task, run, read } = world();
    task('slow', { bind: true, defaultRetryDelay: 9 }, (ctx) => ctx.retry());
    task('fast', { bind: true }, (ctx) => ctx.retry({ countdown: 0 }));
    expect(read(await run('slow'))[0]?.call.options.countdown).toBe(9);
    expect(read(await run('fast'))[0]?.call.options.countdown).toBe(0);
  });

  test('ends after maxRetries with the error, or with MaxRetriesExceededError', async () => {
    const { task, run, metas } = world();
    task('mine', { bind: true, maxRetries: 2 }, (ctx) => ctx.retry({ error: new RangeError('mine') }));
    task('none', { bind: true, maxRetries: 2 }, (ctx) => ctx.retry());
    expect((await run('mine', [], { request: { retries: 1 } })).state).toBe('RETRY');
    expect((await run('mine', [], { request: { retries: 2 } })).error).toMatchObject({ type: 'RangeError', message: 'mine' });
    const outcome = await run('none', [], { request: { retries: 2 } });
    expect(outcome.error?.type).toBe(MaxRetriesExceededError.name);
    expect(metas(outcome)[0]?.result).toMatchObject({ exc_type: 'MaxRetriesExceededError', exc_module: 'celery.exceptions' });
  });

  test('never ends with maxRetries: null', async () => {
    const { task, run } = world();
    task('for ever', { bind: true, maxRetries: null }, (ctx) => ctx.retry());
    expect((await run('for ever', [], { request: { retries: 1000 } })).state).toBe('RETRY');
  });

  test('with throw: false lets the body go on', async () => {
    const { task, run, read } = world();
    task('both', { bind: true }, (ctx) => {
      ctx.retry({ throw: false });
      return 'now';
    });
    const outcome = await run('both', [], { id: 'x' });
    expect(outcome.state).toBe('SUCCESS');
    expect(read(outcome).map(({ request }) => [request.id, request.retries])).toEqual([['x', 1]]);
  });
});

describe('autoretryFor', () => {
  const failing = (error: Error) => () => {
    throw error;
  };
  const countdown = async (options: object, retries: number, random = 0.5): Promise<number | undefined> => {
    const { task, run, read } = world({ random: () => random });
    task('auto', { autoretryFor: [Error], maxRetries: null, ...options }, failing(new Error('again')));
    return read(await run('auto', [], { request: { retries } }))[0]?.call.options.countdown;
  };

  test('retries the errors of its classes only', async () => {
    const { task, run } = world();
    task('auto', { autoretryFor: [RangeError] }, (kind: string) => {
      throw kind === 'range' ? new RangeError('r') : new TypeError('t');
    });
    expect((await run('auto', ['range'])).state).toBe('RETRY');
    expect((await run('auto', ['type'])).state).toBe('FAILURE');
  });

  test('leaves out dontAutoretryFor', async () => {
    const { task, run } = world();
    task('auto', { autoretryFor: [Error], dontAutoretryFor: [TypeError] }, failing(new TypeError('t')));
    expect((await run('auto')).state).toBe('FAILURE');
  });

  test.each([
    [new Reject('no'), 'REJECTED'],
    [new Ignore(), 'IGNORED'],
  ])('does not retry %s', async (steer, state) => {
    const { task, run } = world();
    task('auto', { autoretryFor: [Error] }, failing(steer));
    expect((await run('auto')).state).toBe(state);
  });

  test('does not retry what was given up at its hard limit', async () => {
    const { task, run } = world();
    task('deaf', { autoretryFor: [Error] }, () => new Promise<never>(() => undefined));
    expect((await run('deaf', [], { job: { timeLimit: 0.01 } })).state).toBe('FAILURE');
  });

  test('backs off by powers of two up to the cap', async () => {
    const options = { retryBackoff: 3, retryBackoffMax: 50, retryJitter: false };
    expect(await Promise.all([0, 1, 2, 3, 4, 5].map((retries) => countdown(options, retries)))).toEqual([3, 6, 12, 24, 48, 50]);
    expect(await countdown({ retryBackoff: true, retryJitter: false }, 0)).toBe(1);
    expect(await countdown({ retryBackoff: 0.2, retryJitter: false }, 1)).toBe(2);
  });

  test('has full integral jitter', async () => {
    const options = { retryBackoff: 10 };
    expect(await countdown(options, 0, 0)).toBe(0);
    expect(await countdown(options, 0, 0.5)).toBe(5);
    expect(await countdown(options, 0, 0.999999)).toBe(10);
  });

  test('without back-off waits what retryKwargs or the task say, and counts their maxRetries', async () => {
    expect(await countdown({ retryKwargs: { countdown: 4 } }, 0)).toBe(4);
    expect(await countdown({}, 0)).toBe(180);
    expect(await countdown({ retryKwargs: { maxRetries: 1 } }, 1)).toBeUndefined();
  });

  test('fails with the last error when no retry is left', async () => {
    const { task, run } = world();
    task('auto', { autoretryFor: [RangeError], maxRetries: 1 }, failing(new RangeError('last')));
    expect((await run('auto', [], { request: { retries: 1 } })).error).toMatchObject({ type: 'RangeError', message: 'last' });
  });
});
