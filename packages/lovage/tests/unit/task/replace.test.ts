// Replacing a running task: what takes its place, and what goes over to it.
import { describe, expect, test } from 'vitest';
import type { WireSignature } from '../../../src/protocol/index.ts';
import type { CurrentRequest, ExpandInput, TaskContext } from '../../../src/task/index.ts';
import { replacement } from '../../../src/task/replace.ts';
import { wire, world } from './world.ts';

const chainOf = (...tasks: WireSignature[]): WireSignature => wire('celery.chain', { subtask_type: 'chain', kwargs: { tasks } });
const groupOf = (...tasks: WireSignature[]): WireSignature => wire('celery.group', { subtask_type: 'group', kwargs: { tasks } });
const chordOf = (header: unknown, body: WireSignature): WireSignature =>
  wire('celery.chord', { subtask_type: 'chord', kwargs: { kwargs: {}, header, body } });

const request = {
  id: 'me',
  rootId: 'root',
  group: 'g',
  groupIndex: 2,
  chord: wire('sum', { options: { task_id: 'body' } }),
  replyTo: 'q',
  replacedTaskNesting: 1,
  callbacks: [wire('next')],
  errbacks: [wire('told')],
} as unknown as CurrentRequest;

const END = { task_id: 'me', group_id: 'g', group_index: 2, reply_to: 'q', replaced_task_nesting: 2 };

describe('what takes the place of a task', () => {
  test('a task ends under its id, in its chord, with its callbacks and errbacks', () => {
    const made = replacement(request, wire('other', { args: [1], options: { queue: 'z', link: [wire('own')] } }));
    expect(made).toMatchObject({ task: 'other', args: [1], options: { ...END, chord: request.chord, queue: 'z' } });
    expect(made.options.link).toEqual([wire('own'), wire('next')]);
    expect(made.options.link_error).toEqual([wire('told')]);
  });

  test('of a chain the last step; every step has the errbacks', () => {
    const made = replacement(request, chainOf(wire('a'), wire('b')));
    const [a, b] = made.kwargs.tasks as WireSignature[];
    expect(b?.options).toMatchObject({ ...END, link: [wire('next')], link_error: [wire('told')] });
    expect(a?.options).toEqual({ link_error: [wire('told')], replaced_task_nesting: 2 });
  });

  test('of a chord the body; its header has errbacks only where the setting says so', () => {
    const chord = chordOf([wire('h')], wire('b'));
    const [plain, strict] = [replacement(request, chord), replacement(request, chord, true)];
    expect((plain.kwargs.body as WireSignature).options).toMatchObject({ ...END, link_error: [wire('told')] });
    expect(plain.kwargs.header).toEqual([wire('h', { options: { replaced_task_nesting: 2 } })]);
    expect(strict.kwargs.header).toMatchObject([{ options: { link_error: [wire('told')] } }]);
  });

  test('of a group the list of its results, also at the end of a chain', () => {
    const group = groupOf(wire('x'), wire('y'));
    for (const made of [
      replacement(request, group),
      (replacement(request, chainOf(wire('a'), group)).kwargs.tasks as WireSignature[])[1],
    ]) {
      expect(made?.subtask_type).toBe('chord');
      expect(made?.kwargs.body).toMatchObject({ task: 'celery.accumulate', kwargs: { index: 0 }, options: END });
    }
  });

  test('refuses an empty chain, and a member of another chord', () => {
    expect(() => replacement(request, chainOf())).toThrow(/empty chain/);
    expect(() => replacement(request, wire('x', { options: { chord: wire('y') } }))).toThrow(/must not be a member of a chord/);
  });
});

describe('ctx.replace', () => {
  const other = { toWire: () => wire('other', { args: [1] }) };

  test('stores nothing, and sends the other with the rest of the chain', async () => {
    const w = world();
    w.task('one', { bind: true }, (context: TaskContext) => context.replace(other));
    const outcome = await w.run('one', [], {
      id: 'me',
      chain: [wire('z', { options: { task_id: 'z' } })],
      callbacks: [wire('next')],
    });
    expect(outcome).toMatchObject({ state: 'IGNORED', results: [] });
    expect(w.read(outcome)).toMatchObject([
      {
        request: { id: 'me', task: 'other', parentId: 'me', rootId: 'me', replacedTaskNesting: 1 },
        body: {
          args: [1],
          embed: { callbacks: [{ task: 'next' }], chain: [{ options: { task_id: 'z', replaced_task_nesting: 1 } }] },
        },
      },
    ]);
  });

  test('starts a canvas with ids that an attempt that runs again has too', async () => {
    const seeds: string[] = [];
    const w = world({
      expand: (_, input: ExpandInput) => {
        seeds.push(input.seed);
        return { calls: [], openings: [], result: undefined, children: [] };
      },
    });
    w.task('one', { bind: true }, (context: TaskContext) => context.replace({ toWire: () => groupOf(wire('x')) }));
    await w.run('one', [], { id: 'me' });
    await w.run('one', [], { id: 'me', request: { attempts: 2 } });
    expect(seeds[0]).toBe(seeds[1]);
  });

  test('has a priority of its own, or that of the task where the setting says so', async () => {
    const priorities = [false, true].map(async (inheritParentPriority) => {
      const w = world({ settings: { inheritParentPriority } });
      w.task('one', { bind: true }, (context: TaskContext) => context.replace(other));
      const deliveryInfo = { exchange: '', routingKey: 'celery', priority: 5, redelivered: false };
      const [sent] = w.read(await w.run('one', [], { request: { deliveryInfo } }));
      return sent?.call.options.priority;
    });
    expect(await Promise.all(priorities)).toEqual([undefined, 5]);
  });

  test('a signature that cannot take its place fails the task', async () => {
    const w = world();
    w.task('one', { bind: true }, (context: TaskContext) => context.replace({ toWire: () => chainOf() }));
    expect(await w.run('one')).toMatchObject({ state: 'FAILURE', error: { type: 'ConfigurationError' } });
  });

  test('in place the other runs at once, and its value is the result', async () => {
    const w = world();
    const add = w.task('add', (x: number, y: number) => x + y);
    const one = w.task('one', { bind: true }, (context: TaskContext, x: number) => context.replace(add.s(x, 10)));
    expect(await (await one.apply([5])).get()).toBe(15);
  });
});

describe('ctx.addToChord', () => {
  const body = wire('sum', { options: { task_id: 'body' } });

  test('makes the chord wait for one more, which counts in it', async () => {
    const w = world();
    w.task(
      'adds',
      { bind: true },
      async (context: TaskContext) => (await context.addToChord({ toWire: () => wire('more', { args: [9] }) })).id,
    );
    const { chords } = w.results;
    const store = (await w.results.backend()).chords;
    await w.results.openChords([{ groupId: 'g', size: 1, body, header: [['g', null], []], nested: false, expires: 60 }]);
    const outcome = await w.run('adds', [], { id: 'me', chord: body, request: { group: 'g', groupIndex: 0, rootId: 'root' } });
    const [sent] = w.sent;
    expect(sent).toMatchObject({
      request: { task: 'more', group: 'g', groupIndex: 0, rootId: 'root', parentId: 'me' },
      body: { args: [9], embed: { chord: body } },
    });
    expect(await store?.join(outcome.parts ?? [])).toEqual([]);
    const more = chords.part({
      groupId: 'g',
      index: 0,
      id: sent?.request.id ?? '',
      state: 'SUCCESS',
      result: 1,
      callback: undefined,
    });
    expect(await store?.join([more])).toHaveLength(1);
  });

  test('adds the same member when its attempt runs again', async () => {
    const w = world();
    w.task(
      'adds',
      { bind: true },
      async (context: TaskContext) => void (await context.addToChord({ toWire: () => wire('more') }, { lazy: true })),
    );
    const store = (await w.results.backend()).chords;
    await w.results.openChords([{ groupId: 'g', size: 1, body, header: [['g', null], []], nested: false, expires: 60 }]);
    for (const attempts of [1, 2])
      await w.run('adds', [], { id: 'me', chord: body, request: { group: 'g', groupIndex: 0, attempts } });
    expect(w.sent).toEqual([]);
    const part = (id: string) =>
      w.results.chords.part({ groupId: 'g', index: 0, id, state: 'SUCCESS', result: 1, callback: undefined });
    expect(await store?.join([part('me')])).toEqual([]);
    expect(await store?.join([part('any')])).toHaveLength(1);
  });

  test('with lazy sends it when it is told to', async () => {
    const w = world();
    w.task('adds', { bind: true }, async (context: TaskContext) => {
      const member = await context.addToChord({ toWire: () => wire('more', { args: [9] }) }, { lazy: true });
      const before = w.sent.length;
      return [before, (await member.delay()).id];
    });
    await w.results.openChords([{ groupId: 'g', size: 1, body, header: [['g', null], []], nested: false, expires: 60 }]);
    const outcome = await w.run('adds', [], { id: 'me', chord: body, request: { group: 'g', groupIndex: 0, rootId: 'root' } });
    expect(w.sent).toMatchObject([{ request: { task: 'more', group: 'g', groupIndex: 0, rootId: 'root', parentId: 'me' } }]);
    expect(w.metas(outcome)).toMatchObject([{ status: 'SUCCESS', result: [0, w.sent[0]?.request.id] }]);
  });

  test('fails outside of a header', async () => {
    const w = world();
    w.task('adds', { bind: true }, (context: TaskContext) => context.addToChord({ toWire: () => wire('more') }));
    expect(await w.run('adds')).toMatchObject({ state: 'FAILURE', error: { type: 'ConfigurationError' } });
  });
});
