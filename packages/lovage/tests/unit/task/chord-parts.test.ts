// What the end of a task counts for in the chords that wait for it.
import { describe, expect, test } from 'vitest';
import { casualties } from '../../../src/task/casualties.ts';
import { aftermath } from '../../../src/task/index.ts';
import { TaskRevokedError } from '../../../src/util/index.ts';
import { type World, wire, world } from './world.ts';

const BODY = wire('sum', { options: { task_id: 'body' } });
const MEMBER = { chord: BODY, request: { group: 'g', groupIndex: 3 } };

function partsOf(
  { environment }: World,
  parts: readonly { readonly body: Uint8Array; readonly groupId: string; readonly index: number | undefined }[] = [],
) {
  const { chords } = environment.results;
  return parts.map(({ body, groupId, index }) => ({ ...chords.readPart(body), groupId, index }));
}

describe('a member of a chord counts', () => {
  test('its value, and tells which body waits and whose root it has', async () => {
    const w = world();
    w.task('add', (x: number, y: number) => x + y);
    const outcome = await w.run('add', [1, 2], { ...MEMBER, id: 'a', request: { ...MEMBER.request, rootId: 'root' } });
    expect(partsOf(w, outcome.parts)).toEqual([{ id: 'a', state: 'SUCCESS', result: 3, groupId: 'g', index: 3 }]);
    const [part] = outcome.parts ?? [];
    expect(Buffer.from(part?.body ?? []).toString()).toBe('[1,"a","SUCCESS",3]');
    expect(w.environment.results.chords.readCallback(part?.callback ?? '')).toEqual({ body: BODY });
    expect(part?.rootId).toBe('root');
    expect(part?.expires).toBe(3600);
  });

  test('its failure as Celery writes it', async () => {
    const w = world();
    w.task('fail', () => {
      throw new RangeError('boom');
    });
    const outcome = await w.run('fail', [], { ...MEMBER, id: 'a' });
    const result = { exc_type: 'ValueError', exc_message: ['boom'], exc_module: 'builtins' };
    expect(partsOf(w, outcome.parts)).toEqual([{ id: 'a', state: 'FAILURE', result, groupId: 'g', index: 3 }]);
  });

  test('also when its result is ignored, and when its value cannot be written', async () => {
    const w = world();
    w.task('quiet', { ignoreResult: true }, () => 1);
    w.task('strange', { ignoreResult: true }, () => () => 1);
    expect(partsOf(w, (await w.run('quiet', [], MEMBER)).parts)).toMatchObject([{ state: 'SUCCESS', result: 1 }]);
    expect(partsOf(w, (await w.run('strange', [], MEMBER)).parts)).toMatchObject([
      { state: 'FAILURE', result: { exc_type: 'EncodeError' } },
    ]);
  });

  test('an ignored, rejected or revoked end, so that nobody waits for ever', async () => {
    const w = world();
    w.task('ignored', { bind: true }, (context) => context.ignore('why not'));
    w.task('rejected', { bind: true }, (context) => context.reject('no'));
    w.task('stopped', () => 1);
    expect(partsOf(w, (await w.run('ignored', [], MEMBER)).parts)).toMatchObject([{ result: { exc_type: 'Ignore' } }]);
    expect(partsOf(w, (await w.run('rejected', [], MEMBER)).parts)).toMatchObject([{ result: { exc_type: 'Reject' } }]);
    const signal = AbortSignal.abort(new TaskRevokedError('terminated'));
    const outcome = await w.run('stopped', [], { ...MEMBER, signal, interrupted: true } as never);
    expect(partsOf(w, outcome.parts)).toMatchObject([{ state: 'REVOKED', result: { exc_message: ['terminated'] } }]);
  });

  test('nothing when it is retried, requeued or replaced', async () => {
    const w = world();
    w.task('again', { bind: true }, (context) => context.retry());
    w.task('back', { bind: true }, (context) => context.reject('later', { requeue: true }));
    w.task('other', { bind: true }, (context) => context.replace({ toWire: () => wire('add', { args: [1, 1] }) }));
    for (const name of ['again', 'back', 'other']) expect((await w.run(name, [], MEMBER)).parts).toBeUndefined();
  });

  test('nothing without a group, and no task without a chord has parts at all', async () => {
    const w = world();
    w.task('one', () => 1);
    expect(await w.run('one', [], { chord: BODY })).not.toHaveProperty('parts');
    expect(await w.run('one', [], { request: { group: 'g', groupIndex: 0 } })).not.toHaveProperty('parts');
  });

  test('a failure of a message that cannot be read, whatever its body would have said', async () => {
    const w = world();
    w.task('one', () => 1);
    const job = { body: Buffer.from('{{{') };
    const [part] = (await w.run('one', [], { ...MEMBER, id: 'a', job })).parts ?? [];
    expect(part).toMatchObject({ groupId: 'g', id: 'a', state: 'FAILURE', callback: undefined });
  });
});

describe('a failing step of a chain counts for all behind it', () => {
  const outer = { group_id: 'outer', group_index: 1, chord: wire('all', { options: { task_id: 'end' } }) };
  const group = wire('celery.group', {
    subtask_type: 'group',
    kwargs: {
      tasks: [
        wire('x', { options: { task_id: 'x1', ...outer, group_index: 0 } }),
        wire('x', { options: { task_id: 'x2', ...outer, group_index: 1 } }),
      ],
    },
  });
  const chord = wire('celery.chord', {
    subtask_type: 'chord',
    options: { task_id: 'header' },
    kwargs: { header: [wire('h', { options: { task_id: 'h1' } })], body: wire('b', { options: { task_id: 'b1', ...outer } }) },
  });

  test.each([
    ['a task', wire('x', { options: { task_id: 'x1', ...outer } }), ['x1']],
    ['every member of a group', group, ['x1', 'x2']],
    ['the body of a chord', chord, ['b1']],
    [
      'the end of a chain',
      wire('celery.chain', {
        subtask_type: 'chain',
        options: { ...outer, task_id: 'z' },
        kwargs: { tasks: [wire('y', { options: { task_id: 'y' } }), wire('z', { options: { task_id: 'z' } })] },
      }),
      ['z'],
    ],
  ])('%s', async (_, last, ids) => {
    const w = world();
    w.task('fail', () => {
      throw new Error('boom');
    });
    const outcome = await w.run('fail', [], { chain: [last, wire('mid', { options: { task_id: 'mid' } })] });
    const parts = partsOf(w, outcome.parts);
    expect(parts.map(({ id }) => id)).toEqual(ids);
    expect(new Set(parts.map(({ groupId, state }) => `${groupId} ${state}`))).toEqual(new Set(['outer FAILURE']));
    expect(w.metas(outcome).map(({ taskId }) => taskId)).toEqual(expect.arrayContaining(['mid', ...ids]));
  });

  test('however deep it is nested', () => {
    let deep = wire('x', { options: { task_id: 'deepest' } });
    for (let depth = 0; depth < 20_000; depth++)
      deep = wire('celery.chain', { subtask_type: 'chain', kwargs: { tasks: [deep] } });
    expect(casualties([deep])).toMatchObject([{ id: 'deepest' }]);
  });

  test('also what stands behind the body of a chord', () => {
    const body = wire('b', {
      options: {
        task_id: 'b',
        chain: [wire('last', { options: { task_id: 'last' } }), wire('next', { options: { task_id: 'next' } })],
      },
    });
    expect(casualties([body]).map(({ id }) => id)).toEqual(['b', 'next', 'last']);
  });
});

describe('what follows a task that no slot ended', () => {
  async function ended(w: World, end: Parameters<typeof aftermath>[2], more: object = {}) {
    const chain = [wire('z', { options: { task_id: 'z' } })];
    const embed = { chain, chord: BODY, callbacks: null, errbacks: [wire('told')], ...more };
    const { body } = w.environment.serialization.encode([[], {}, embed], 'json');
    const request = {
      id: 'a',
      task: 'gone',
      rootId: 'a',
      group: 'g',
      groupIndex: 0,
      retries: 0,
      attempts: 1,
      replacedTaskNesting: 0,
      deliveryInfo: {},
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      protocol: 2,
    };
    return aftermath(request as never, body, end, w.environment);
  }

  test('a failure: the chain behind it, its chord, its errbacks', async () => {
    const w = world();
    const after = await ended(w, { state: 'FAILURE', error: new Error('lost') });
    expect(partsOf(w, after.parts)).toMatchObject([{ id: 'a', state: 'FAILURE' }]);
    expect(w.metas({ results: after.results } as never)).toMatchObject([{ taskId: 'z', status: 'FAILURE' }]);
    expect(w.read({ next: after.next } as never)).toMatchObject([
      { request: { task: 'told', parentId: 'a' }, body: { args: ['a'] } },
    ]);
  });

  test('a revoke: the same without errbacks', async () => {
    const w = world();
    const after = await ended(w, { state: 'REVOKED', reason: 'expired' });
    expect(partsOf(w, after.parts)).toMatchObject([{ id: 'a', state: 'REVOKED', result: { exc_message: ['expired'] } }]);
    expect(w.metas({ results: after.results } as never)).toMatchObject([
      { taskId: 'z', result: { exc_type: 'TaskRevokedError' } },
    ]);
    expect(after.next).toEqual([]);
  });
});
