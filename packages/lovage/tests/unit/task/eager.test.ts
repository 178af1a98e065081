// Running calls in place.
import { describe, expect, test } from 'vitest';
import { EncodeError } from '../../../src/util/index.ts';
import { world } from './world.ts';

describe('apply', () => {
  test('gives the value and sends nothing', async () => {
    const { task, sent, results } = world();
    const add = task('add', (x: number, y: number) => x + y);
    const result = await add.apply([1, 2]);
    expect([await result.get(), await result.state()]).toEqual([3, 'SUCCESS']);
    expect(sent).toEqual([]);
    expect((await results.meta(result.id)).status).toBe('PENDING');
  });

  test('keeps the error in the result, as the object that was thrown', async () => {
    const { task } = world();
    const error = new RangeError('no');
    const boom = task('boom', () => {
      throw error;
    });
    const result = await boom.apply([]);
    expect(await result.state()).toBe('FAILURE');
    await expect(result.get()).rejects.toBe(error);
    expect(await result.get({ propagate: false })).toBe(error);
  });

  test('with throw throws it, and still retries first', async () => {
    const { task } = world();
    let runs = 0;
    const flaky = task('flaky', { bind: true, maxRetries: 2 }, (ctx) => {
      runs++;
      return ctx.retry({ error: new RangeError(`run ${runs}`) });
    });
    await expect(flaky.apply([], { throw: true })).rejects.toThrow('run 3');
    expect(runs).toBe(3);
  });

  test('retries at once under the same id and gives the last result', async () => {
    const { task } = world();
    const ids = new Set<string>();
    const flaky = task('flaky', { bind: true }, (ctx) => {
      ids.add(ctx.request.id);
      expect(ctx.request).toMatchObject({ isEager: true, calledDirectly: false });
      return ctx.request.retries < 2 ? ctx.retry({ countdown: 100 }) : ctx.request.retries;
    });
    expect(await (await flaky.apply([])).get()).toBe(2);
    expect(ids.size).toBe(1);
  });

  test('shows in its request where it would be sent and what limits it would have', async () => {
    const { task } = world();
    const seen = task(
      'seen',
      { bind: true, exchange: 'e', routingKey: 'r', timeLimit: 9, softTimeLimit: 8 },
      (ctx) => ctx.request,
    );
    expect(await (await seen.apply([])).get()).toMatchObject({
      deliveryInfo: { exchange: 'e', routingKey: 'r', redelivered: false },
      timeLimit: 9,
      softTimeLimit: 8,
      isEager: true,
    });
    const plain = task('plain', { bind: true }, (ctx) => ctx.request.deliveryInfo);
    expect(await (await plain.apply([])).get()).toMatchObject({ exchange: '', routingKey: '' });
  });

  test('knows IGNORED and REJECTED', async () => {
    const { task } = world();
    const ignored = task('ignored', { bind: true }, (ctx) => ctx.ignore());
    const rejected = task('rejected', { bind: true }, (ctx) => ctx.reject('no'));
    expect(await (await ignored.apply([])).state()).toBe('IGNORED');
    expect(await (await rejected.apply([])).state()).toBe('REJECTED');
  });

  test('sends callbacks for real', async () => {
    const { task, sent } = world();
    const add = task('add', (x: number, y: number) => x + y);
    await add.apply([1, 2], { link: add.s(10) });
    expect(sent.map(({ body }) => body.args)).toEqual([[3, 10]]);
  });

  test('stores what it leaves only when told to', async () => {
    const { task, results } = world();
    const kept = task('kept', { storeEagerResult: true }, () => 'here');
    const result = await kept.apply([]);
    expect(await results.meta(result.id)).toMatchObject({ status: 'SUCCESS', result: 'here' });
  });

  test('tells prerun, success and postrun', async () => {
    const { task, environment } = world();
    const told: string[] = [];
    for (const name of ['taskPrerun', 'taskSuccess', 'taskPostrun'] as const)
      environment.signals.on(name, () => void told.push(name));
    await task('one', () => 1).apply([]);
    expect(told).toEqual(['taskPrerun', 'taskSuccess', 'taskPostrun']);
  });
});

describe('an app that is always eager', () => {
  const eager = () => world({ settings: { alwaysEager: true } });

  test('runs calls in place, arguments as a worker would see them', async () => {
    const { task, sent } = eager();
    const echo = task('echo', (value: unknown) => value);
    expect(await (await echo.delay({ when: new Set([1]).size, list: Object.freeze([1]) })).get()).toEqual({ when: 1, list: [1] });
    await expect(echo.delay(() => 1)).rejects.toThrow(EncodeError);
    expect(sent).toEqual([]);
  });

  test('runs callbacks in place too, and results may be read inside tasks', async () => {
    const { task, sent } = eager();
    const seen: number[] = [];
    const note = task('note', (n: number) => void seen.push(n));
    const inner = task('inner', (n: number) => n + 1);
    const outer = task('outer', async (n: number) => (await inner.delay(n)).get());
    await outer.applyAsync([1], { link: note.s() });
    expect(seen).toEqual([2]);
    expect(sent).toEqual([]);
  });

  test('still sends tasks whose code is elsewhere', async () => {
    const { remote, sent } = eager();
    await remote('py.task').delay(1);
    expect(sent).toHaveLength(1);
  });
});
