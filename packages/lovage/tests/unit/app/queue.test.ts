// What a cancelled task leaves behind, on the memory drivers.
import { describe, expect, it } from 'vitest';
import { chord } from '../../../src/canvas/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { soon } from '../../support/worker-app.ts';
import { setup } from './support.ts';

describe('a cancelled task', () => {
  it('fails what was to follow it in its chain', async () => {
    await using app = setup({ resultBackend: `memory://${uuid()}` });
    const add = app.task('add', (x: number, y: number) => x + y);
    const result = await add.s(1, 2).pipe(add.s(3)).delay();
    const [waiting] = await app.queue().peek();
    expect(await app.queue().cancel(waiting?.id ?? '')).toHaveLength(1);
    await expect(result.get({ timeout: 5 })).rejects.toThrow(/revoked/i);
    expect(await app.queue().count()).toMatchObject({ ready: 0 });
  });

  it('that is a member of a chord ends its chord, through a worker, and does not run', async () => {
    await using app = setup({ resultBackend: `memory://${uuid()}` });
    const ran: number[] = [];
    const one = app.task('one', (x: number) => {
      ran.push(x);
      return x;
    });
    const sum = app.task('sum', (all: readonly number[]) => all.reduce((total, x) => total + x, 0));
    const result = await chord([one.s(1), one.s(2)], sum.s()).delay();
    const [first] = await app.queue().peek();
    await app.queue().cancel(first?.id ?? '');
    await using _worker = await startWorker(app);
    await expect(result.get({ timeout: 5 })).rejects.toThrow();
    await soon(() => expect(ran).toEqual([2]));
  });

  it('that ignores its result stores none', async () => {
    await using app = setup({ resultBackend: `memory://${uuid()}` });
    const quiet = app.task('quiet', { ignoreResult: true }, () => undefined);
    const { id } = await quiet.delay();
    await app.queue().cancel(id);
    expect(await app.result(id).state()).toBe('PENDING');
  });

  it('is no longer there when a worker has it', async () => {
    await using app = setup({ resultBackend: `memory://${uuid()}` });
    const open = Promise.withResolvers<string>();
    const slow = app.task('slow', () => open.promise);
    await using _worker = await startWorker(app);
    const result = await slow.delay();
    await soon(async () => expect(await app.queue().count()).toMatchObject({ held: 1 }));
    expect(await app.queue().cancel(result.id)).toEqual([]);
    open.resolve('done');
    expect(await result.get({ timeout: 5 })).toBe('done');
  });
});
