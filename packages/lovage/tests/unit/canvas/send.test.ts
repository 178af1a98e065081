// Canvases on their way out of an app: chords are opened first, all messages leave together, a running task is their parent.
import { describe, expect, test } from 'vitest';
import type { Outgoing } from '../../../src/broker/index.ts';
import { chain, chord, group, map } from '../../../src/index.ts';
import type { SignatureLike } from '../../../src/task/index.ts';
import { waiting } from '../app/support.ts';
import { type Project, project } from './support.ts';

/** Remembers what the broker was given, publish by publish. */
async function watched(tasks: Project): Promise<(readonly Outgoing[])[]> {
  const broker = await tasks.app.openBroker('write');
  const publishes: (readonly Outgoing[])[] = [];
  const publish = broker.publish.bind(broker);
  broker.publish = (messages, options) => {
    publishes.push(messages);
    return publish(messages, options);
  };
  return publishes;
}

test('a group leaves in publishes of one turn, none of which waits for another', async () => {
  const tasks = project();
  const publishes = await watched(tasks);
  const result = await group(Array.from({ length: 1000 }, (_, n) => tasks.add.s(n, n))).delay();
  expect(publishes.map((messages) => messages.length)).toEqual([250, 250, 250, 250]);
  expect(result.members.map(({ id }) => id)).toEqual(publishes.flat().map(({ headers }) => headers.id));
});

test('the result of a chord knows its header, and what was before it', async () => {
  const { add, xsum } = project();
  const result = await chain(add.s(1, 1), group(add.s(1), add.s(2)), xsum.s()).delay();
  const header = result.parent;
  expect((header?.node().members ?? []).length).toBe(2);
  expect(header?.parent?.id).toBeDefined();
  expect(header?.parent?.parent).toBeUndefined();
});

test('a chain of fifty thousand steps is sent, and its result knows them all', async () => {
  const { add } = project();
  const result = await chain(Array.from({ length: 50_000 }, (_, n) => (n === 0 ? add.s(1, 1) : add.s(1)))).delay();
  let steps = 1;
  for (let before = result.parent; before !== undefined; before = before.parent) steps++;
  expect(steps).toBe(50_000);
});

test('a chord is open before its header is sent', async () => {
  const tasks = project();
  const publishes = await watched(tasks);
  const backend = await tasks.app.openBackend();
  const opened: [string, number, number][] = [];
  const { chords } = backend;
  const open = chords!.open.bind(chords);
  chords!.open = async (openings) => {
    for (const { groupId, size } of openings) opened.push([groupId, size, publishes.length]);
    await open(openings);
  };
  const result = await chord([tasks.add.s(1, 1), tasks.add.s(2, 2)], tasks.xsum.s()).delay();
  expect(opened).toEqual([[result.parent?.id, 2, 0]]);
  expect(publishes).toHaveLength(1);
});

test('a result store that keeps nothing refuses a chord before anything is sent', async () => {
  const { app, add, xsum } = project({ resultBackend: 'disabled://' });
  await expect(chord([add.s(1, 1)], xsum.s()).delay()).rejects.toThrow(/chord/);
  expect(await waiting(app)).toEqual([]);
});

test('options of the sending hold for all messages of a canvas', async () => {
  const { add } = project();
  const aborted = AbortSignal.abort(new Error('not now'));
  await expect(group(add.s(1, 1), add.s(2, 2)).applyAsync([], { signal: aborted })).rejects.toThrow(/not now/);
});

test('arguments of what starts at once are checked', async () => {
  const { app, add } = project();
  await expect(group(add.s(1, 1), (add.s as never as (...all: number[]) => never)(1, 2, 3)).delay()).rejects.toThrow(/add/);
  expect(await waiting(app)).toEqual([]);
});

test('an empty chain sends nothing and gives nothing', async () => {
  const { app, add } = project();
  expect(
    await chain([add.s(1, 1)].slice(1))
      .delay()
      .catch((error: Error) => error.message),
  ).toMatch(/no member that knows an app/);
  expect(await app.signature(chain() as SignatureLike).delay()).toBeUndefined();
  const empty = await app.signature(group() as SignatureLike).delay();
  expect(await empty.get()).toEqual([]);
  expect(await waiting(app)).toEqual([]);
});

describe('where it goes', () => {
  test('a map goes where its task goes', async () => {
    const { app, identity } = project({ taskRoutes: { 'proj.identity': { queue: 'own' } } });
    await map(identity, [1, 2]).delay();
    expect((await waiting(app, 'own')).map(({ headers }) => headers.task)).toEqual(['celery.map']);
  });

  test('a word as priority is the number of the broker, wherever it stands', async () => {
    const { app, add, mul } = project();
    await chain(add.s(1, 1), mul.s(2).set({ priority: 'high' })).applyAsync([], { priority: 'low' });
    const [message] = await waiting(app);
    const [, , { chain: rest }] = JSON.parse(new TextDecoder().decode(message!.body)) as [
      unknown,
      unknown,
      { chain: { options: object }[] },
    ];
    expect([typeof message!.properties.priority, rest[0]!.options]).toEqual([
      'number',
      expect.objectContaining({ priority: expect.any(Number) as unknown }),
    ]);
  });
});

test('in a running task, what starts is its child, and the body of a chord is not', async () => {
  const { app, add, xsum } = project();
  const parent = app.task('proj.parent', { bind: true }, async (ctx) => {
    const result = await chord([add.s(1, 1), add.s(2, 2)], xsum.s()).delay();
    return [ctx.request.id, result.parent?.id];
  });
  const result = await parent.apply([]);
  const [id, header] = (await result.get()) as [string, string];
  expect((await waiting(app)).map(({ headers }) => [headers.parent_id, headers.root_id])).toEqual([
    [id, id],
    [id, id],
  ]);
  expect((await result.record()).children.map((child) => [child.id, child.members?.length])).toEqual([[header, 2]]);
});
