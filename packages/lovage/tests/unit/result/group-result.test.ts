// Groups over the memory backend: their handle, their tuple, and the record that Celery saves of one.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseResultTuple } from '../../../src/protocol/index.ts';
import { type AsyncResult, eagerGroup, eagerResult, GroupResult, pendingRecord } from '../../../src/result/index.ts';
import { readResultOptions, resultKeys } from '../../../src/result/redis-keys.ts';
import { ConfigurationError, DecodeError } from '../../../src/util/index.ts';
import { codec, world } from './support.ts';

describe('a group', () => {
  it('gives the values of its members as they were typed', async () => {
    const { store, succeed } = world();
    const group = store.group<[number, string]>('g', [store.result<number>('a'), store.result<string>('b')]);
    await succeed('a', 1);
    await succeed('b', 'two');
    const [number, text] = await group.get();
    expect([number.toFixed(1), text.toUpperCase()]).toEqual(['1.0', 'TWO']);
    expect([group.length, [...group].map(({ id }) => id)]).toEqual([2, ['a', 'b']]);
  });

  it('ends with the error of the step before it', async () => {
    const { store, fail, succeed } = world();
    const group = store.group('g', [store.result('a')], { parent: store.result('before') });
    const waits = [group.get(), group.join()];
    await fail('before', 'broken');
    for (const wait of waits) await expect(wait).rejects.toThrow('broken');
    await succeed('a', 1);
    expect(await group.get({ followParents: false })).toEqual([1]);
    expect(await store.group('g', [store.result('a')], { parent: store.result('before') }).get({ propagate: false })).toEqual([
      1,
    ]);
  });

  it('is followed by its body, which throws its own error if one is stored soon, else that of the member', async () => {
    const { store, fail } = world();
    const body = (id: string): AsyncResult =>
      store.result(id, { parent: store.group('g', [store.result('a'), store.result('b')]) });
    const after = store.result('after', { parent: body('body') });
    expect(after.asList()).toEqual(['after', 'body', 'g']);
    const waits = Promise.allSettled([body('body').get(), after.get(), body('lost').get()]);
    await fail('b', 'second');
    await fail('body', 'Dependency b raised second');
    const ends = (await waits).map((end) => (end.status === 'rejected' ? String((end.reason as Error).message) : end));
    expect(ends).toEqual(['Dependency b raised second', 'Dependency b raised second', 'second']);
  });

  it('tells how its members stand, and stops at the first error in their order', async () => {
    const { store, succeed, fail } = world();
    const group = store.group('g', [store.result('a'), store.result('b'), store.result('c')]);
    const called: string[] = [];
    await succeed('a', 1);
    expect([await group.waiting(), await group.ready(), await group.completedCount()]).toEqual([true, false, 1]);
    await fail('c', 'third');
    await fail('b', 'second');
    expect([await group.waiting(), await group.failed(), await group.successful()]).toEqual([false, true, false]);
    await expect(group.maybeThrow({ callback: (id) => called.push(id) })).rejects.toThrow('second');
    expect(called).toEqual(['a']);
    expect(await (await group.whenReady()).failed()).toBe(true);
  });

  it('stays as it is when its set changes', () => {
    const { store } = world();
    const group = store.group('g', [store.result('a'), store.result('b')]);
    const set = group.toSet();
    set.remove('a');
    expect([set.size, group.length]).toEqual([1, 2]);
  });

  it('needs an id', () => {
    const { store } = world();
    expect(() => store.group('', [])).toThrow(ConfigurationError);
  });

  it('is read from inside a task when it ran in place, and is saved nowhere', async () => {
    const member = (id: string, value: number): AsyncResult<number> =>
      eagerResult<number>({ ...pendingRecord(id), state: 'SUCCESS', value });
    const group = eagerGroup<[number, number]>('g', [member('a', 1), member('b', 2)]);
    expect(await group.get()).toEqual([1, 2]);
    await expect(group.save()).rejects.toBeInstanceOf(ConfigurationError);
  });
});

describe('tuples', () => {
  const forms = {
    'a task': [['T', null], null],
    'a chain of two': [['T2', [['T1', null], null]], null],
    'a group': [
      ['G', null],
      [
        [['A', null], null],
        [['B', null], null],
      ],
    ],
    'the body of a chord': [
      [
        'BODY',
        [
          ['G', null],
          [
            [['A', null], null],
            [['B', null], null],
          ],
        ],
      ],
      null,
    ],
    'an empty group': [['G', null], []],
  };

  it.each(Object.entries(forms))('%s is read and written as Celery writes it', (_, tuple) => {
    const { store } = world();
    expect(store.fromTuple(tuple).asTuple()).toEqual(tuple);
    expect(JSON.parse(JSON.stringify(store.fromTuple(tuple)))).toEqual(tuple);
  });

  it('are groups exactly when they have members', () => {
    const { store } = world();
    expect(store.fromTuple(forms['an empty group'])).toBeInstanceOf(GroupResult);
    expect(store.fromTuple(forms['the body of a chord']).parent).toBeInstanceOf(GroupResult);
    expect(store.fromTuple(forms['a task'])).not.toBeInstanceOf(GroupResult);
  });

  it('may be a bare id, also in place of the first part', () => {
    const { store } = world();
    expect(store.fromTuple('T').asTuple()).toEqual([['T', null], null]);
    expect(store.fromTuple(['T', null]).asTuple()).toEqual([['T', null], null]);
  });

  it.each([42, {}, [], [[null, null], null]])('that are none (%j) are refused', (tuple) => {
    const { store } = world();
    expect(() => store.fromTuple(tuple)).toThrow(DecodeError);
  });

  it('are what a task stores that returns a group', async () => {
    const { store, succeed } = world();
    await succeed('t', store.group('G', [store.result('A'), store.result('B')]));
    expect(await store.result('t').get()).toEqual(forms['a group']);
  });
});

describe('the saved group of Celery (canvas-group-saved)', () => {
  const vector = JSON.parse(readFileSync(new URL('../../vectors/canvas-group-saved.json', import.meta.url), 'utf8')) as {
    readonly results: readonly { readonly key: string; readonly value: string; readonly ttl_seconds: number }[];
  };
  const [saved] = vector.results;
  const { result: tuple } = JSON.parse(saved!.value) as { readonly result: unknown };
  const id = parseResultTuple(tuple).id;

  it('is read, and written again as it was', () => {
    const group = codec.decodeGroup({ id, body: Buffer.from(saved!.value), contentType: '', contentEncoding: '' });
    expect(group.members?.map((member) => member.id)).toHaveLength(2);
    expect(JSON.parse(Buffer.from(codec.encodeGroup(group).body).toString())).toEqual(JSON.parse(saved!.value));
  });

  it('lies at the key where we look for it', () => {
    expect(resultKeys(readResultOptions({})).group(id)).toBe(saved!.key);
  });

  it('is refused when it is no group', () => {
    const broken = { id, body: Buffer.from('{"status": "SUCCESS"}'), contentType: '', contentEncoding: '' };
    expect(() => codec.decodeGroup(broken)).toThrow(DecodeError);
  });
});
