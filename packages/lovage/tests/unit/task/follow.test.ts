// What follows a task: callbacks, the next step of a chain, errbacks; and messages that are no good.
import { describe, expect, test } from 'vitest';
import type { ResultTuple } from '../../../src/protocol/index.ts';
import { followUp } from '../../../src/task/index.ts';
import { wire, world } from './world.ts';

describe('callbacks', () => {
  test('get the value first, with the task as their parent', async () => {
    const { task, run, read, metas } = world();
    task('add', (x: number, y: number) => x + y);
    const outcome = await run('add', [2, 2], { id: 'a', request: { rootId: 'r' }, callbacks: [wire('mul', { args: [10] })] });
    const [sent] = read(outcome);
    expect(sent?.request).toMatchObject({ task: 'mul', rootId: 'r', parentId: 'a' });
    expect(sent?.body.args).toEqual([4, 10]);
    expect(metas(outcome)[0]?.children).toEqual([{ id: sent?.request.id }]);
  });

  test('that are immutable get no value', async () => {
    const { task, run, read } = world();
    task('one', () => 1);
    const [sent] = read(await run('one', [], { callbacks: [wire('done', { args: ['x'], immutable: true })] }));
    expect(sent?.body.args).toEqual(['x']);
  });

  test('that are several are one group', async () => {
    const { task, run, read, metas } = world();
    task('one', () => 1);
    const outcome = await run('one', [], { callbacks: [wire('x'), wire('y')] });
    const sent = read(outcome);
    expect(sent.map(({ request }) => request.groupIndex)).toEqual([0, 1]);
    expect(new Set(sent.map(({ request }) => request.group)).size).toBe(1);
    expect(metas(outcome)[0]?.children).toEqual([
      { id: sent[0]?.request.group, members: sent.map(({ request }) => ({ id: request.id })) },
    ]);
  });

  test('of which all but one are groups leave that one in a group of its own, as in Celery', async () => {
    const plan = { calls: [], openings: [], result: undefined, children: [{ id: 'theirs', members: [] }] };
    const { task, run, read, metas } = world({ expand: () => plan });
    task('one', () => 1);
    const outcome = await run('one', [], { callbacks: [wire('x'), wire('celery.group', { subtask_type: 'group' })] });
    const [{ request } = expect.fail()] = read(outcome);
    expect(request).toMatchObject({ task: 'x', groupIndex: 0 });
    expect(metas(outcome)[0]?.children).toEqual([
      { id: 'theirs', members: [] },
      { id: request.group, members: [{ id: request.id }] },
    ]);
  });

  test('with add_to_parent off are sent and not listed, but as members of a group', async () => {
    const { task, run, read, metas } = world();
    task('one', () => 1);
    const quiet = wire('x', { options: { add_to_parent: false } });
    const alone = await run('one', [], { callbacks: [quiet], chain: [wire('z', { options: { add_to_parent: false } })] });
    expect(read(alone)).toHaveLength(2);
    expect(metas(alone)[0]?.children).toEqual([]);
    const two = await run('one', [], { callbacks: [quiet, wire('y')] });
    const ids = read(two).map(({ request }) => ({ id: request.id }));
    expect(metas(two)[0]?.children).toMatchObject([{ members: ids }]);
  });

  test('keep the options that they carry: id, queue, links, stamps, unknown ones', async () => {
    const { task, run, read } = world();
    task('one', () => 1);
    const options = {
      task_id: 'fixed',
      queue: 'other',
      link: [wire('last')],
      stamped_headers: ['mon'],
      mon: 'abc',
      app_id: 'shop',
      immutable: true,
      time_limit: 'nonsense',
    };
    const [sent] = read(await run('one', [], { callbacks: [wire('next', { options })] }));
    expect(sent?.request).toMatchObject({ id: 'fixed', stampedHeaders: ['mon'], stamps: { mon: 'abc' }, timeLimit: undefined });
    expect(sent?.message.routingKey).toBe('other');
    expect(sent?.body.embed.callbacks).toMatchObject([{ task: 'last' }]);
    expect(sent?.call.options.properties).toEqual({ app_id: 'shop' });
  });

  test('have the same ids when the task runs twice', async () => {
    const { task, run, read } = world();
    task('one', () => 1);
    const ids = async () =>
      read(await run('one', [], { id: 'twice', callbacks: [wire('x')], chain: [wire('y')] })).map(({ request }) => request.id);
    const first = await ids();
    expect(await ids()).toEqual(first);
    expect(new Set(first).size).toBe(2);
    for (const id of first) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  test('can be made again from the message alone', async () => {
    const { task, run, read, environment } = world();
    const seen: { request?: unknown; body?: Uint8Array } = {};
    task('one', { bind: true }, (ctx) => {
      seen.request = ctx.request;
      return 1;
    });
    const outcome = await run('one', [], { callbacks: [wire('x', { args: [2] })] });
    const [sent] = read(outcome);
    const body = environment.serialization.encode([[], {}, { callbacks: [wire('x', { args: [2] })] }], 'json').body;
    const again = followUp(seen.request as never, body, 1, environment);
    expect(again.next.map(({ headers }) => headers.id)).toEqual([sent?.request.id]);
  });

  test('that nothing here can start leave the value alone, fail the chain and are told', async () => {
    const { task, run, metas, environment } = world();
    const told: unknown[] = [];
    environment.signals.taskInternalError.connect(({ error }) => void told.push(error));
    task('one', () => 1);
    const outcome = await run('one', [], {
      callbacks: [wire('celery.chord', { subtask_type: 'chord' })],
      chain: [wire('b', { options: { task_id: 'b' } })],
    });
    expect(metas(outcome).map(({ status }) => status)).toEqual(['SUCCESS', 'FAILURE']);
    expect(told).toHaveLength(1);
  });
});

describe('a chain', () => {
  test('with a step of a type that nobody knows fails there, and does not run it as a task', async () => {
    const { task, run, read, metas, environment } = world();
    const told: unknown[] = [];
    environment.signals.taskInternalError.connect(({ error }) => void told.push(error));
    task('one', () => 1);
    const outcome = await run('one', [], { chain: [wire('celery.fork', { subtask_type: 'fork', options: { task_id: 'b' } })] });
    expect(read(outcome)).toEqual([]);
    expect(metas(outcome).map(({ status }) => status)).toEqual(['SUCCESS', 'FAILURE']);
    expect(told).toMatchObject([{ message: expect.stringContaining('fork') }]);
  });

  test('goes on with its last element, which gets the value and the rest', async () => {
    const { task, run, read } = world();
    task('first', () => 'v');
    const rest = [wire('c', { options: { task_id: 'c', chord_size: 3 } }), wire('b', { args: [1], options: { task_id: 'b' } })];
    const sent = read(await run('first', [], { id: 'a', chain: rest }));
    expect(sent).toHaveLength(1);
    expect(sent[0]?.request).toMatchObject({ id: 'b', task: 'b', parentId: 'a', rootId: 'a' });
    expect(sent[0]?.body.args).toEqual(['v', 1]);
    expect(sent[0]?.body.embed.chain).toEqual([rest[0]]);
  });

  test('hands its containers to whoever can start them', async () => {
    const seen: unknown[] = [];
    const header: ResultTuple = [['g', null], []];
    const opening = { groupId: 'g', size: 1, body: wire('sum'), header, nested: false, expires: undefined };
    const { task, run, read, metas } = world({
      expand: (signature, input) => {
        seen.push([signature.subtask_type, input.args, input.chain.length]);
        const call = { task: 'member', args: [...input.args], kwargs: {}, options: { taskId: 'm', groupId: 'g' } };
        const children = [{ id: 'g', members: [{ id: 'm' }] }];
        return { calls: [call], openings: [opening], result: children[0], children };
      },
    });
    task('first', () => 'v');
    const outcome = await run('first', [], { chain: [wire('z'), wire('celery.group', { subtask_type: 'group' })] });
    const sent = read(outcome);
    expect(outcome.openings).toEqual([opening]);
    expect(metas(outcome)[0]?.children).toEqual([{ id: 'g', members: [{ id: 'm' }] }]);
    expect(seen).toEqual([['group', ['v'], 1]]);
    expect(sent.map(({ request }) => request.id)).toEqual(['m']);
  });
});

describe('errbacks', () => {
  const boom = () => {
    throw new Error('boom');
  };

  test('with one parameter get a message with the failed id', async () => {
    const { task, run, read } = world();
    task('boom', boom);
    task('report', (id: string) => id);
    const [sent] = read(await run('boom', [], { id: 'bad', errbacks: [wire('report')] }));
    expect(sent?.request).toMatchObject({ task: 'report', parentId: 'bad', rootId: 'bad' });
    // Celery sends them as a group, even one alone.
    expect(sent?.request).toMatchObject({ group: expect.stringMatching(/^[0-9a-f-]{36}$/), groupIndex: 0 });
    expect(sent?.body.args).toEqual(['bad']);
  });

  test('with more are called here with request, error and traceback', async () => {
    const { task, run } = world();
    const seen: unknown[] = [];
    task('boom', boom);
    task('report', (request: { id: string }, error: Error, traceback: string, extra: string) => {
      seen.push(request.id, error.message, traceback.includes('boom'), extra);
      throw new Error('of the errback');
    });
    const outcome = await run('boom', [], { id: 'bad', errbacks: [wire('report', { args: ['more'] })] });
    expect(seen).toEqual(['bad', 'boom', true, 'more']);
    expect(outcome).toMatchObject({ state: 'FAILURE', next: [], error: { message: 'boom' } });
  });

  test('can be told how to be called', async () => {
    const { task, run, read } = world();
    task('boom', boom);
    task('report', { errback: 'task' }, (id: string, more: string) => id + more);
    expect(read(await run('boom', [], { errbacks: [wire('report')] }))).toHaveLength(1);
  });
});

describe('a message that is no good', () => {
  const body = (text: string): Uint8Array => new TextEncoder().encode(text);

  test.each([
    ['undecodable', '[[1], {', {}],
    ['malformed', '{"odd": 1}', {}],
    ['malformed', '[[1], [2], {}]', {}],
    ['refused-content', 'x', { contentType: 'application/x-python-serialize' }],
  ])('is %s and its task FAILURE', async (reason, text, request) => {
    const { task, run, metas, environment } = world();
    environment.signals.taskPrerun.connect(() => expect.unreachable());
    task('one', { onFailure: () => expect.unreachable() }, () => expect.unreachable());
    const outcome = await run('one', [], { id: 'bad', job: { body: body(text) }, request });
    expect(outcome).toMatchObject({ state: 'FAILURE', unusable: { reason } });
    expect(metas(outcome)).toMatchObject([{ taskId: 'bad', status: 'FAILURE' }]);
  });

  test('of an unknown task fails with NotRegistered, and its chain with it', async () => {
    const { task, run, metas } = world();
    task('resize', () => 1);
    const outcome = await run('rezise', [], { id: 'a', chain: [wire('b', { options: { task_id: 'b' } })] });
    expect(outcome.unusable).toMatchObject({ reason: 'unknown-task' });
    expect(outcome.unusable?.error).toContain("Did you mean 'resize'?");
    expect(metas(outcome).map(({ taskId }) => taskId)).toEqual(['a', 'b']);
    expect(metas(outcome)[0]?.result).toMatchObject({ exc_type: 'NotRegistered' });
  });

  test('never makes execute reject, even when nothing can be encoded', async () => {
    const broken = world();
    const { task, run } = world({
      results: Object.assign(Object.create(broken.results), {
        encode: () => {
          throw new Error('the store is mad');
        },
      }),
    });
    task('one', () => 1);
    expect(await run('one')).toMatchObject({ state: 'FAILURE', results: [], error: { message: 'the store is mad' } });
  });
});
