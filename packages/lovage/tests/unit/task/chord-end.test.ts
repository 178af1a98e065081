// What a complete chord leads to.
import { describe, expect, test } from 'vitest';
import type { ResultTuple, WireSignature } from '../../../src/protocol/index.ts';
import type { CompleteChord } from '../../../src/result/index.ts';
import { endChord } from '../../../src/task/index.ts';
import type { Aftermath } from '../../../src/task/job.ts';
import { type World, wire, world } from './world.ts';

const ERROR = { exc_type: 'ValueError', exc_message: ['boom', 3], exc_module: 'builtins' };

type Member = readonly [id: string, result: unknown, state?: 'SUCCESS' | 'FAILURE' | 'REVOKED'];

function complete(
  w: World,
  body: WireSignature,
  members: readonly Member[],
  more: { rootId?: string; nested?: ResultTuple } = {},
): CompleteChord {
  const { chords } = w.environment.results;
  const callback = { body };
  const [first] = members;
  const parts = members.map(([id, result, state = 'SUCCESS'], index) =>
    chords.part({ groupId: 'g', index, id, state, result, callback }),
  );
  return {
    groupId: 'g',
    parts: parts.map((part) => part.body),
    callback: chords.callback(callback),
    structure: more.nested === undefined ? undefined : chords.structure(more.nested),
    root: more.rootId === undefined || first === undefined ? undefined : { id: first[0], rootId: more.rootId },
  };
}

const body = (fields: Partial<WireSignature> = {}): WireSignature =>
  wire('sum', { ...fields, options: { task_id: 'body', group_id: 'g', ...fields.options } });

function look(w: World, after: Aftermath) {
  return {
    sent: w.read({ next: after.next } as never).map(({ request, body: sent }) => ({
      task: request.task,
      id: request.id,
      args: sent.args,
      rootId: request.rootId,
      parentId: request.parentId,
      chain: sent.embed.chain?.length ?? 0,
    })),
    metas: w.metas({ results: after.results } as never),
    parts: after.parts.map((part) => ({
      ...w.environment.results.chords.readPart(part.body),
      groupId: part.groupId,
      index: part.index,
    })),
  };
}

describe('the body of a chord', () => {
  test('gets the list of results first, under its id', async () => {
    const w = world();
    const after = await endChord(
      complete(w, body({ args: [7] }), [
        ['a', 1],
        ['b', [2]],
      ]),
      w.environment,
    );
    expect(look(w, after)).toEqual({
      sent: [{ task: 'sum', id: 'body', args: [[1, [2]], 7], rootId: 'a', parentId: 'a', chain: 0 }],
      metas: [],
      parts: [],
    });
  });

  test('is the same whoever ends the chord, but for nothing', async () => {
    const w = world();
    const chord = complete(w, wire('sum'), [['a', 1]]);
    const [one, two] = [await endChord(chord, w.environment), await endChord(chord, w.environment)];
    expect(one.next.map(({ headers }) => headers)).toEqual(two.next.map(({ headers }) => headers));
    expect(one.next[0]?.headers.id).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('has the root of its own options, else that of the first member', async () => {
    const w = world();
    const own = body({ options: { root_id: 'r', parent_id: 'p' } });
    const sent = async (chord: CompleteChord) => look(w, await endChord(chord, w.environment)).sent;
    expect(await sent(complete(w, own, [['a', 1]], { rootId: 'shared' }))).toMatchObject([{ rootId: 'r', parentId: 'p' }]);
    expect(await sent(complete(w, body(), [['a', 1]], { rootId: 'shared' }))).toMatchObject([
      { rootId: 'shared', parentId: 'a' },
    ]);
    const ofAnother = { ...complete(w, body(), [['a', 1]]), root: { id: 'b', rootId: 'of b' } };
    expect(await sent(ofAnother)).toMatchObject([{ rootId: 'a', parentId: 'a' }]);
    const looked = await endChord(ofAnother, w.environment, { rootId: 'looker', parentId: 'look' });
    expect(look(w, looked).sent).toMatchObject([{ rootId: 'looker', parentId: 'look' }]);
  });

  test('goes on with the chain behind the chord', async () => {
    const w = world();
    const chain = [wire('z', { options: { task_id: 'z' } })];
    expect(look(w, await endChord(complete(w, body({ options: { chain } }), [['a', 1]]), w.environment)).sent).toMatchObject([
      { id: 'body', chain: 1 },
    ]);
  });

  test('ignores the results when it is immutable', async () => {
    const w = world();
    const after = await endChord(complete(w, body({ args: [7], immutable: true }), [['a', 1]]), w.environment);
    expect(look(w, after).sent).toMatchObject([{ args: [7] }]);
  });

  test('gets results nested as the header is, those that were not counted from their records', async () => {
    const w = world();
    await w.results.put([w.results.encode({ taskId: 'c', status: 'SUCCESS', result: 'stored' }, { attempt: 1 })]);
    const nested: ResultTuple = [
      ['g', null],
      [
        [
          ['inner', null],
          [
            [['a', null], null],
            [['c', null], null],
          ],
        ],
        [['b', null], null],
      ],
    ];
    const after = await endChord(
      complete(
        w,
        body(),
        [
          ['b', 2],
          ['a', 1],
        ],
        { nested },
      ),
      w.environment,
    );
    expect(look(w, after).sent).toMatchObject([{ args: [[[1, 'stored'], 2]] }]);
  });
});

describe('a failing member fails', () => {
  const failed: readonly Member[] = [
    ['a', 1],
    ['b', ERROR, 'FAILURE'],
    ['c', ERROR, 'REVOKED'],
  ];

  test('the body, naming the first by index', async () => {
    const w = world();
    expect(look(w, await endChord(complete(w, body(), failed), w.environment))).toMatchObject({
      sent: [],
      metas: [
        {
          taskId: 'body',
          status: 'FAILURE',
          groupId: 'g',
          result: {
            exc_type: 'ChordError',
            exc_module: 'celery.exceptions',
            exc_message: ["Dependency b raised ValueError('boom', 3)"],
          },
        },
      ],
    });
  });

  test('every step of a body that is a chain, and the steps behind the chord', async () => {
    const w = world();
    const tasks = [wire('x', { options: { task_id: 'x' } }), wire('y', { options: { task_id: 'y' } })];
    const chain = [wire('z', { options: { task_id: 'z' } })];
    const after = await endChord(
      complete(w, wire('celery.chain', { subtask_type: 'chain', kwargs: { tasks }, options: { chain } }), failed),
      w.environment,
    );
    expect(look(w, after).metas.map(({ taskId, status }) => [taskId, status])).toEqual([
      ['x', 'FAILURE'],
      ['y', 'FAILURE'],
      ['z', 'FAILURE'],
    ]);
  });

  test('the members of a body that is a group with the cause itself, and the group', async () => {
    const w = world();
    const tasks = [wire('x', { options: { task_id: 'x', link_error: [wire('one')] } }), wire('y', { options: { task_id: 'y' } })];
    const group = wire('celery.group', {
      subtask_type: 'group',
      kwargs: { tasks },
      options: { task_id: 'G', link_error: [wire('both')] },
    });
    const { metas, sent } = look(w, await endChord(complete(w, group, failed), w.environment));
    expect(metas.map(({ taskId, result }) => [taskId, result])).toEqual([
      ['x', ERROR],
      ['y', ERROR],
      ['G', ERROR],
    ]);
    expect(sent.map(({ task, args }) => [task, args])).toEqual([
      ['both', ['x']],
      ['one', ['x']],
      ['both', ['y']],
    ]);
  });

  test('the chord around it', async () => {
    const w = world();
    const outer = { chord: wire('all', { options: { task_id: 'end' } }), group_id: 'outer', group_index: 4 };
    const { parts } = look(w, await endChord(complete(w, body({ options: outer }), failed), w.environment));
    expect(parts).toMatchObject([
      { id: 'body', state: 'FAILURE', groupId: 'outer', index: 4, result: { exc_type: 'ChordError' } },
    ]);
  });

  test('and calls the errbacks of the body once: here with request and error, elsewhere with the id', async () => {
    const w = world();
    const seen: unknown[] = [];
    w.task(
      'here',
      (request: { id: string }, error: Error, traceback: unknown) => void seen.push([request.id, error.message, traceback]),
    );
    const links = [wire('there', { args: ['more'] }), wire('here'), wire('there', { args: ['more'] })];
    const { sent } = look(w, await endChord(complete(w, body({ options: { link_error: links } }), failed), w.environment));
    expect(seen).toEqual([['body', "Dependency b raised ValueError('boom', 3)", undefined]]);
    expect(sent).toMatchObject([{ task: 'there', args: ['body', 'more'], rootId: 'body', parentId: 'body' }]);
  });

  test('and waits for an errback that does not end no longer than its time limit', async () => {
    const w = world();
    w.task('stuck', { timeLimit: 0.02, params: ['request', 'error'] }, () => new Promise<never>(() => undefined));
    const after = await endChord(complete(w, body({ options: { link_error: [wire('stuck')] } }), failed), w.environment);
    expect(look(w, after).metas).toMatchObject([{ taskId: 'body', status: 'FAILURE' }]);
  });

  test('a body that nothing here can start fails as well', async () => {
    const w = world();
    const chain = wire('celery.chain', { subtask_type: 'chain', kwargs: { tasks: [wire('x', { options: { task_id: 'x' } })] } });
    const { metas } = look(w, await endChord(complete(w, chain, [['a', 1]]), w.environment));
    expect(metas).toMatchObject([
      { taskId: 'x', result: { exc_type: 'ChordError', exc_message: [expect.stringMatching(/^Callback error: /)] } },
    ]);
  });

  test('parts that cannot be read fail the body', async () => {
    const w = world();
    const chord = { ...complete(w, body(), [['a', 1]]), parts: [Buffer.from('nonsense')] };
    expect(look(w, await endChord(chord, w.environment)).metas).toMatchObject([
      { taskId: 'body', result: { exc_message: [expect.stringMatching(/^Join error: /)] } },
    ]);
  });

  test('a chord of which nobody knows the body just ends', async () => {
    const w = world();
    const after = await endChord({ ...complete(w, body(), [['a', 1]]), callback: undefined }, w.environment);
    expect(after).toEqual({ results: [], next: [], openings: [], parts: [] });
  });
});
