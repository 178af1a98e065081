// An execution from bytes to outcome.
import { afterEach, describe, expect, test, vi } from 'vitest';
import { currentTask, declareRemote, executeEnd, Ignore, Reject, type TaskContext } from '../../../src/task/index.ts';
import { TaskRevokedError, TimeLimitExceededError } from '../../../src/util/index.ts';
import { wire, world } from './world.ts';

describe('a task that returns', () => {
  test('is stored as SUCCESS with its value', async () => {
    const { task, run, metas } = world();
    task('add', (x: number, y: number) => x + y);
    const outcome = await run('add', [2, 3], { id: 't-1' });
    expect(outcome).toMatchObject({ state: 'SUCCESS', next: [], repr: '5' });
    expect(metas(outcome)).toMatchObject([
      { taskId: 't-1', status: 'SUCCESS', result: 5, children: [], dateDone: '2026-01-02T03:04:05.678000+00:00' },
    ]);
  });

  test('stores name, arguments, worker, retries and queue when results are extended', async () => {
    const { task, run, metas } = world({ settings: { resultExtended: true } });
    task('add', (x: number, y: number) => x + y);
    const outcome = await run('add', [2], { kwargs: { y: 3 } });
    const [meta] = metas(outcome);
    expect(meta).toMatchObject({ name: 'add', args: [2], kwargs: { y: 3 }, worker: 'celery@test', retries: 0, queue: 'celery' });
  });

  test('stores nothing when its result is ignored, but the message has the last word', async () => {
    const { task, run } = world();
    task('quiet', { ignoreResult: true }, () => 1);
    expect((await run('quiet')).results).toEqual([]);
    expect((await run('quiet', [], { request: { ignoreResult: false } })).results).toHaveLength(1);
  });

  test('fails with EncodeError when its value cannot be written', async () => {
    const { task, run, results } = world();
    task('odd', () => () => 1);
    const outcome = await run('odd', [], { id: 't-2' });
    expect(outcome.state).toBe('FAILURE');
    const meta = await results.meta('t-2');
    expect(meta).toMatchObject({ status: 'FAILURE', result: { exc_type: 'EncodeError', exc_module: 'kombu.exceptions' } });
  });

  test('gives the children that its body sent, in the order of the calls', async () => {
    const { task, run, sent, metas } = world();
    const child = task('child', (n: number) => n);
    task('parent', async () => {
      await Promise.all([child.applyAsync([1], { taskId: 'c-1' }), child.applyAsync([2], { taskId: 'c-2' })]);
    });
    const outcome = await run('parent', [], { id: 'p', request: { rootId: 'root' } });
    expect(metas(outcome)[0]?.children).toEqual([{ id: 'c-1' }, { id: 'c-2' }]);
    expect(sent.map(({ request }) => [request.parentId, request.rootId])).toEqual([
      ['p', 'root'],
      ['p', 'root'],
    ]);
  });
});

describe('what a body sends', () => {
  const deliveryInfo = { exchange: '', routingKey: 'q', priority: 6, redelivered: false };

  test('has the priority of its parent only when the app wants that', async () => {
    const priorities = async (inheritParentPriority: boolean) => {
      const { task, run, sent, read } = world({ settings: { inheritParentPriority } });
      const child = task('child', () => 1);
      task('parent', () =>
        child
          .delay()
          .then(() => child.applyAsync([], { priority: 2 }))
          .then(() => 'done'),
      );
      const outcome = await run('parent', [], { request: { deliveryInfo }, callbacks: [wire('next')] });
      return [...sent, ...read(outcome)].map(({ message }) => message.properties.priority);
    };
    expect(await priorities(true)).toEqual([6, 2, 6]);
    expect(await priorities(false)).toEqual([undefined, 2, undefined]);
  });

  test('is no child when it, its task or the broker says so', async () => {
    const { task, run, metas, environment, port } = world();
    const child = task('child', () => 1);
    task('one', () => child.applyAsync([], { addToParent: false }).then(() => 1));
    task('all', { trail: false }, () => child.delay().then(() => 1));
    expect(metas(await run('one'))[0]?.children).toEqual([]);
    expect(metas(await run('all'))[0]?.children).toEqual([]);
    const lost = { ...environment.publisher, send: () => Promise.reject(new Error('the broker is gone')) };
    const elsewhere = declareRemote({ ...port, environment: () => ({ ...environment, publisher: lost }) })('far');
    task('none', () => elsewhere.delay().catch(() => 'nothing was sent'));
    expect(metas(await run('none'))[0]).toMatchObject({ children: [], result: 'nothing was sent' });
  });

  test('from a handler has the task as its parent, too', async () => {
    const { task, run, sent } = world();
    const child = task('child', () => 1);
    task('parent', { onSuccess: () => child.delay().then(() => undefined) }, () => 1);
    await run('parent', [], { id: 'p' });
    expect(sent[0]?.request.parentId).toBe('p');
  });
});

describe('a task that throws', () => {
  test('is stored as FAILURE with the type and message of its error, and its traceback', async () => {
    const { task, run, metas } = world();
    task('boom', () => {
      throw new TypeError('no good');
    });
    const outcome = await run('boom');
    expect(outcome).toMatchObject({
      state: 'FAILURE',
      repr: 'TypeError: no good',
      error: { type: 'TypeError', expected: false },
    });
    const [meta] = metas(outcome);
    expect(meta).toMatchObject({
      status: 'FAILURE',
      result: { exc_type: 'TypeError', exc_message: ['no good'], exc_module: 'builtins' },
    });
    expect(meta?.traceback).toContain('TypeError: no good');
  });

  test('has a name and a message that are texts, whatever they are', async () => {
    const { task, run } = world();
    task('odd', () => {
      throw Object.assign(new Error(), { name: 7n, message: 8n });
    });
    const outcome = await run('odd');
    expect(outcome).toMatchObject({ state: 'FAILURE', error: { type: '7', message: '8' } });
    expect(outcome.results).toHaveLength(1);
  });

  test('is expected when the class is among its throws', async () => {
    const { task, run } = world();
    task('boom', { throws: [RangeError] }, () => {
      throw new RangeError('as always');
    });
    expect((await run('boom')).error).toMatchObject({ expected: true });
  });

  test('stores its failure although ignored, when told to', async () => {
    const { task, run } = world();
    task('boom', { ignoreResult: true, storeErrorsEvenIfIgnored: true }, () => {
      throw new Error('kept');
    });
    expect((await run('boom')).results).toHaveLength(1);
  });

  test.each([['a text'], [undefined], [null], [{ odd: 1 }], [Symbol('s')]])('may throw %s, which is no error', async (thrown) => {
    const { task, run, metas } = world();
    task('boom', () => {
      throw thrown;
    });
    const outcome = await run('boom');
    expect(outcome.state).toBe('FAILURE');
    expect(metas(outcome)[0]?.status).toBe('FAILURE');
  });

  test('fails the rest of its chain with it', async () => {
    const { task, run, metas } = world();
    task('boom', () => {
      throw new Error('stop');
    });
    const group = wire('celery.group', {
      subtask_type: 'group',
      kwargs: { tasks: [wire('c', { options: { task_id: 'c-1' } })] },
      options: { task_id: 'g' },
    });
    const outcome = await run('boom', [], {
      id: 'a',
      chain: [group, wire('b', { options: { task_id: 'b', group_id: 'of-b' } })],
    });
    expect(metas(outcome).map(({ taskId, status, groupId }) => [taskId, status, groupId])).toEqual([
      ['a', 'FAILURE', undefined],
      ['b', 'FAILURE', 'of-b'],
      ['c-1', 'FAILURE', undefined],
    ]);
  });
});

describe('keyword arguments from Python', () => {
  test('find their parameters by name', async () => {
    const { task, run, metas } = world();
    task('join', (first: string, second = 'b', third = 'c') => first + second + third);
    expect(metas(await run('join', ['x'], { kwargs: { third: 'z' } }))[0]?.result).toBe('xbz');
  });

  test('without a place are a FAILURE that lists the names', async () => {
    const { task, run } = world();
    task('join', (first: string) => first);
    const outcome = await run('join', [], { kwargs: { frist: 1, more: 2 } });
    expect(outcome.error).toMatchObject({ type: 'TypeError' });
    expect(outcome.error?.message).toContain('frist, more');
  });
});

describe('steering', () => {
  test('Ignore stores and sends nothing', async () => {
    const { task, run } = world();
    task('skip', () => {
      throw new Ignore();
    });
    expect(await run('skip', [], { callbacks: [wire('next')] })).toMatchObject({ state: 'IGNORED', results: [], next: [] });
  });

  test('Reject with requeue stores nothing', async () => {
    const { task, run } = world();
    task('again', { bind: true }, (ctx) => ctx.reject('busy', { requeue: true }));
    expect(await run('again')).toMatchObject({ state: 'REJECTED', requeue: true, results: [] });
  });

  test('Reject without requeue is stored as a failure named Reject', async () => {
    const { task, run, metas } = world();
    task('no', () => {
      throw new Reject('bad input');
    });
    const outcome = await run('no');
    expect(outcome).toMatchObject({ state: 'REJECTED', requeue: false });
    expect(metas(outcome)[0]).toMatchObject({
      status: 'FAILURE',
      result: { exc_type: 'Reject', exc_message: ['bad input', false], exc_module: 'celery.exceptions' },
    });
  });
});

describe('time', () => {
  const untilAborted = (ctx: TaskContext): Promise<never> =>
    new Promise((_, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason), { once: true }));

  test('a soft limit aborts the signal with its own error', async () => {
    const { task, run } = world();
    task('slow', { bind: true }, untilAborted);
    const outcome = await run('slow', [], { job: { softTimeLimit: 0.01 } });
    expect(outcome.error).toMatchObject({ type: 'SoftTimeLimitExceededError', timedOut: true });
  });

  test('a soft limit is the error also where a library wraps what its signal was aborted with', async () => {
    const { task, run } = world();
    const wrapped = (reason: unknown): never => {
      throw new TypeError('fetch failed', { cause: new Error('the line', { cause: reason }) });
    };
    task('wrapped', { bind: true }, (ctx) => untilAborted(ctx).catch(wrapped));
    const outcome = await run('wrapped', [], { job: { softTimeLimit: 0.01 } });
    expect(outcome).toMatchObject({ state: 'FAILURE', error: { type: 'SoftTimeLimitExceededError' } });
  });

  test('a soft limit may be survived', async () => {
    const { task, run } = world();
    task('slow', { bind: true }, (ctx) => untilAborted(ctx).catch(() => 'saved'));
    expect(await run('slow', [], { job: { softTimeLimit: 0.01 } })).toMatchObject({ state: 'SUCCESS', repr: "'saved'" });
  });

  test('a hard limit ends a body that does not listen', async () => {
    const { task, run, metas } = world();
    let signal: AbortSignal | undefined;
    task('deaf', { bind: true }, (ctx) => {
      signal = ctx.signal;
      return new Promise<never>(() => undefined);
    });
    const outcome = await run('deaf', [], { job: { timeLimit: 0.01 } });
    expect(outcome.error).toMatchObject({ type: 'TimeLimitExceededError', timedOut: true });
    expect(metas(outcome)[0]?.result).toMatchObject({ exc_type: 'TimeLimitExceeded' });
    expect(signal?.aborted).toBe(true);
  });

  test('a shutdown is no failure: nothing is written', async () => {
    const { task, run } = world();
    const controller = new AbortController();
    task('slow', { bind: true, onFailure: () => expect.unreachable() }, (ctx) => {
      const ended = untilAborted(ctx);
      controller.abort(new Error('the worker stops'));
      return ended;
    });
    expect(await run('slow', [], { signal: controller.signal })).toMatchObject({ state: 'LOST', results: [], next: [] });
  });

  test('a task whose worker stops before it begins does not begin', async () => {
    const { task, run } = world();
    task('late', () => expect.unreachable());
    expect(await run('late', [], { signal: AbortSignal.abort(new Error('the worker stops')) })).toMatchObject({ state: 'LOST' });
  });

  test('a terminated task is REVOKED, and so is the rest of its chain', async () => {
    const { task, run, metas } = world();
    const controller = new AbortController();
    task('slow', { bind: true }, (ctx) => {
      const ended = untilAborted(ctx);
      controller.abort(new TaskRevokedError('terminated'));
      return ended;
    });
    const outcome = await run('slow', [], { signal: controller.signal, chain: [wire('b', { options: { task_id: 'b' } })] });
    expect(outcome.state).toBe('REVOKED');
    expect(metas(outcome).map(({ status }) => status)).toEqual(['REVOKED', 'FAILURE']);
  });
});

describe('a body in the making', () => {
  test('sees itself as the current task', async () => {
    const { task, run } = world();
    let seen: string | undefined;
    task('me', async () => {
      await Promise.resolve();
      seen = currentTask()?.request.id;
    });
    await run('me', [], { id: 'it-is-me' });
    expect(seen).toBe('it-is-me');
    expect(currentTask()).toBeUndefined();
  });

  test('stores STARTED and states of its own at once', async () => {
    const { task, run, results } = world();
    const seen: unknown[] = [];
    task('work', { bind: true, trackStarted: true }, async (ctx) => {
      seen.push(await results.meta(ctx.request.id));
      await ctx.progress(1, 2);
      seen.push(await results.meta(ctx.request.id));
    });
    await run('work');
    expect(seen).toMatchObject([
      { status: 'STARTED', result: { pid: process.pid, hostname: 'celery@test' } },
      { status: 'PROGRESS', result: { current: 1, total: 2 } },
    ]);
  });

  test('may not wait for another task', async () => {
    const { task, run, results } = world();
    task('wait', () => results.result('other').get());
    expect((await run('wait')).error?.message).toContain('waits for the result');
  });
});

describe('the end of a task that lost its slot', () => {
  afterEach(() => void vi.useRealTimers());

  test('waits for its handlers and errbacks no longer than half a minute each', async () => {
    const w = world();
    const began: string[] = [];
    const stuck = (what: string) => (): Promise<never> => {
      began.push(what);
      return new Promise(() => undefined);
    };
    w.task('errback', { params: ['request', 'error'] }, stuck('errback'));
    const handlers = { onFailure: stuck('onFailure'), afterReturn: stuck('afterReturn') };
    const pay = w.task('pay', handlers, () => undefined);
    await pay.applyAsync([], { linkError: w.remote('errback').s() });
    const { request, message } = w.sent[0]!;
    vi.useFakeTimers();
    const job = { request, body: message.body, timeLimit: 1, softTimeLimit: undefined };
    const ended = executeEnd(job, w.environment, new TimeLimitExceededError('too long', { seconds: 1 }), 1);
    await vi.advanceTimersByTimeAsync(91_000);
    expect(await ended).toMatchObject({ state: 'FAILURE', error: { type: 'TimeLimitExceededError' } });
    expect(began).toEqual(['errback', 'onFailure', 'afterReturn']);
  });
});
