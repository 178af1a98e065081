// Several results as one, over the memory backend.
import { describe, expect, it } from 'vitest';
import { type AnyResult, ResultSet } from '../../../src/result/index.ts';
import { ConfigurationError, inScope, JoinInTaskError, ResultTimeoutError } from '../../../src/util/index.ts';
import { world } from './support.ts';

const ids = (results: Iterable<AnyResult>): string[] => Array.from(results, ({ id }) => id);
const never = (): never => {
  throw new Error('this was never to be called');
};

describe('membership', () => {
  it('keeps each result once, in the order of adding', () => {
    const { store } = world();
    const set = store.set(['a', 'b', 'a']);
    set
      .add(store.result('c'))
      .add(store.result('b'))
      .update([store.result('d'), store.result('a')]);
    expect(ids(set)).toEqual(['a', 'b', 'c', 'd']);
    expect([set.size, set.at(1)?.id, set.at(-1)?.id, set.has('c'), set.has(store.result('x'))]).toEqual([
      4,
      'b',
      'd',
      true,
      false,
    ]);
  });

  it('takes results out: remove complains of one that is not in, discard does not', () => {
    const { store } = world();
    const set = store.set(['a', 'b', 'c']);
    set.remove('a');
    expect([set.discard(store.result('b')), set.discard('b')]).toEqual([true, false]);
    expect(() => set.remove('b')).toThrow(ConfigurationError);
    expect(ids(set)).toEqual(['c']);
    set.clear();
    expect([set.size, ids(set)]).toEqual([0, []]);
  });
});

describe('get', () => {
  it('gives values in the order of the members, whichever comes first', async () => {
    const { store, succeed } = world();
    await succeed('b', 2);
    const all = store.set<number>(['a', 'b', 'c']).get();
    await succeed('c', 3);
    await succeed('a', 1);
    expect(await all).toEqual([1, 2, 3]);
  });

  it('listens once for all, and reads nothing a second time', async () => {
    const { store, succeed, calls } = world();
    const set = store.set(['a', 'b', 'c']);
    await Promise.all([set.get(), succeed('a', 1), succeed('b', 2), succeed('c', 3)]);
    expect(await set.get()).toEqual([1, 2, 3]);
    expect(calls.filter(([name]) => name === 'listen')).toEqual([['listen', ['a', 'b', 'c']]]);
  });

  it('throws the first error that comes, and stops listening', async () => {
    const { store, fail, calls } = world();
    const wait = store.set(['a', 'b', 'c']).get();
    await fail('c', 'third');
    await expect(wait).rejects.toThrow('third');
    expect(calls.at(-1)?.[0]).toBe('stop');
  });

  it('joined, it throws the first error in the order of the members', async () => {
    const { store, succeed, fail } = world();
    const wait = store.set(['a', 'b', 'c']).join();
    await fail('c', 'third');
    await fail('b', 'second');
    await succeed('a', 1);
    await expect(wait).rejects.toThrow('second');
  });

  it('joined, it waits for the members before one that has failed already', async () => {
    const { store, succeed, fail } = world();
    await fail('b', 'second');
    const set = store.set(['a', 'b']);
    await set.ready();
    let isOver = false;
    const wait = set.join().finally(() => (isOver = true));
    await Promise.resolve(set.ready());
    expect(isOver).toBe(false);
    await succeed('a', 1);
    await expect(wait).rejects.toThrow('second');
  });

  it('gives errors in the places of values when they are not to be thrown', async () => {
    const { store, succeed, fail } = world();
    await succeed('a', 1);
    await fail('b', 'no');
    const [first, second] = await store.set(['a', 'b']).get({ propagate: false });
    expect(first).toBe(1);
    expect(second).toMatchObject({ message: 'no' });
  });

  it('calls back with each value as it comes, joined in the order of the members', async () => {
    const { store, succeed } = world();
    const heard: string[] = [];
    const joined: string[] = [];
    const waits = [
      store.set(['a', 'b']).get({ callback: (id, value) => heard.push(`${id}=${value}`) }),
      store.set(['a', 'b']).join({ callback: (id, value) => joined.push(`${id}=${value}`) }),
    ];
    await succeed('b', 2);
    await succeed('a', 1);
    await Promise.all(waits);
    expect([heard, joined]).toEqual([
      ['b=2', 'a=1'],
      ['a=1', 'b=2'],
    ]);
  });

  it('ends with what a callback throws', async () => {
    const { store, succeed } = world();
    const wait = store.set(['a', 'b']).get({ callback: never });
    await succeed('a', 1);
    await expect(wait).rejects.toThrow('never to be called');
  });

  it('ends with the error of a step before a member, although the member gets no record', async () => {
    const { store, fail, succeed } = world();
    const set = store.set([store.result('a'), store.result('b', { parent: store.result('step') })]);
    const wait = set.get();
    const patient = set.get({ followParents: false });
    await fail('step', 'broken');
    await expect(wait).rejects.toThrow('broken');
    await succeed('a', 1);
    await succeed('b', 2);
    expect(await patient).toEqual([1, 2]);
  });

  it('names who is missing when its time is over, and leaves them alone', async () => {
    const { store, succeed } = world();
    const set = store.set(['a', 'b', 'c', 'd', 'e']);
    await succeed('a', 1);
    const error: unknown = await set.get({ timeout: 0.02 }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ResultTimeoutError);
    expect(error).toMatchObject({ message: expect.stringContaining('4 tasks have no result: b, c, d and 1 more') });
    for (const id of ['b', 'c', 'd', 'e']) await succeed(id, id);
    expect(await set.get()).toEqual([1, 'b', 'c', 'd', 'e']);
  });

  it('ends with the reason of its signal, before and while it waits', async () => {
    const { store } = world();
    await expect(store.set(['a']).get({ signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before');
    const stop = new AbortController();
    const wait = store.set(['a', 'b']).get({ signal: stop.signal });
    stop.abort(new Error('meanwhile'));
    await expect(wait).rejects.toThrow('meanwhile');
  });

  it('is empty at once for no members', async () => {
    const { store, calls } = world();
    expect(await store.set().get()).toEqual([]);
    expect(calls).toEqual([]);
  });

  it('takes ignored results for undefined, and waits for the rest', async () => {
    const { store, succeed } = world();
    await succeed('b', 2);
    expect(await store.set([store.result('a', { ignored: true }), store.result('b')]).get()).toEqual([undefined, 2]);
  });

  it('gives the values of a nested group as a list', async () => {
    const { store, succeed } = world();
    for (const [index, id] of ['a', 'b', 'c'].entries()) await succeed(id, index);
    const group = store.group<[unknown, unknown]>('g', [store.result('a'), store.result('b')]);
    const set = new ResultSet<unknown>([group, store.result('c')]);
    expect(await set.get()).toEqual([[0, 1], 2]);
  });

  it('is refused inside a task, unless that is allowed', async () => {
    const { store, succeed } = world();
    await succeed('a', 1);
    const denied = <T>(body: () => T): T => inScope({ join: 'denied' }, body);
    await expect(denied(() => store.set(['a']).get())).rejects.toBeInstanceOf(JoinInTaskError);
    expect(await denied(() => store.set(['a']).get({ disableSyncSubtasks: false }))).toEqual([1]);
  });
});

describe('as they end', () => {
  it('gives each member when it has ended, well or not', async () => {
    const { store, succeed, fail } = world();
    const order: string[] = [];
    await fail('c', 'no');
    for await (const result of store.set(['a', 'b', 'c'])) {
      order.push(result.id);
      if (result.id === 'c') await succeed('b', 2);
      if (result.id === 'b') await succeed('a', 1);
    }
    expect(order).toEqual(['c', 'b', 'a']);
  });

  it('gives a nested group when the last of its members has ended', async () => {
    const { store, succeed } = world();
    const group = store.group('g', [store.result('a'), store.result('b')]);
    const iterator = new ResultSet<unknown>([group, store.result('c'), store.group('empty', [])]).asCompleted();
    expect((await iterator.next()).value?.id).toBe('empty');
    await succeed('a', 1);
    await succeed('c', 3);
    expect((await iterator.next()).value?.id).toBe('c');
    await succeed('b', 2);
    expect((await iterator.next()).value?.id).toBe('g');
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
  });

  it('throws when its time is over, and listens no more once it is left', async () => {
    const { store, succeed, calls } = world();
    await succeed('a', 1);
    const late = store.set(['a', 'b']).asCompleted({ timeout: 0.02 });
    await late.next();
    await expect(late.next()).rejects.toBeInstanceOf(ResultTimeoutError);
    for await (const _ of store.set(['a', 'b'])) break;
    const stopped = calls.filter(([name]) => name === 'stop');
    expect(stopped).toHaveLength(calls.filter(([name]) => name === 'listen').length);
  });

  it('resolves whenReady when all have ended, whatever they left', async () => {
    const { store, succeed, fail } = world();
    const set = store.set(['a', 'b']);
    const ready = set.whenReady();
    await fail('a', 'no');
    await succeed('b', 2);
    expect(await ready).toBe(set);
    expect([await set.ready(), await set.successful(), await set.failed(), await set.completedCount()]).toEqual([
      true,
      false,
      true,
      1,
    ]);
  });
});

describe('without waiting', () => {
  it('tells how all stand together, in one read', async () => {
    const { store, succeed, write, calls } = world();
    const set = store.set(['a', 'b', 'c']);
    expect([await set.ready(), await set.waiting(), await set.completedCount()]).toEqual([false, true, 0]);
    await succeed('a', 1);
    await write('b', 'REVOKED', { exc_type: 'TaskRevokedError', exc_message: ['revoked'], exc_module: 'celery.exceptions' });
    await succeed('c', 3);
    calls.length = 0;
    expect([await set.ready(), await set.successful(), await set.failed()]).toEqual([true, false, false]);
    expect(calls).toEqual([['get', ['a', 'b', 'c']]]);
    await expect(set.maybeThrow()).rejects.toMatchObject({ name: 'TaskRevokedError' });
  });

  it('forgets all in one call, and the steps before them', async () => {
    const { store, succeed, calls } = world();
    for (const id of ['step', 'a', 'b']) await succeed(id, id);
    const step = store.result('step');
    const set = store.set([store.result('a', { parent: step }), store.result('b', { parent: step })]);
    await set.get();
    await set.forget();
    expect(calls.filter(([name]) => name === 'forget')).toEqual([['forget', ['a', 'b', 'step']]]);
    expect([await set.ready(), await step.state()]).toEqual([false, 'PENDING']);
  });
});
