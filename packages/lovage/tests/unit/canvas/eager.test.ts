// Canvases run in place: `apply`, and every call of an app that is always eager.
import { describe, expect, test } from 'vitest';
import { chain, chord, group } from '../../../src/index.ts';
import { waiting } from '../app/support.ts';
import { project } from './support.ts';

describe('apply', () => {
  const { app, add, mul, xsum, identity, failValue } = project();

  test.each([
    ['a chain', async () => (await chain(add.s(1, 2), mul.s(3)).apply([])).get(), 9],
    ['a chain that lacks its first argument', async () => (await chain(add.s(1), mul.s(3)).apply([2])).get(), 9],
    ['a group', async () => (await group(add.s(1), mul.s(3)).apply([2])).get(), [3, 6]],
    ['a group in a group', async () => (await group(add.s(1, 1), group(add.s(2, 2), add.s(3, 3))).apply([])).get(), [2, 4, 6]],
    ['a chord', async () => (await chord([add.s(1, 1), add.s(2, 2)], xsum.s()).apply([])).get(), 6],
    [
      'a chord in a chain',
      async () => (await chain(add.s(1, 1), group(add.s(1), mul.s(2)), xsum.s(), add.s(1)).apply([])).get(),
      8,
    ],
    ['a chain that ends in a group', async () => (await chain(add.s(1, 1), group(add.s(1), mul.s(2))).apply([])).get(), [3, 4]],
    ['an immutable step', async () => (await chain(add.s(1, 1), add.si(5, 5)).apply([])).get(), 10],
  ])('runs %s', async (_name, run, expected) => expect(await run()).toEqual(expected));

  test('sends nothing', async () => expect(await waiting(app)).toEqual([]));

  test('throws where the value of a failed step is fetched for the next', async () => {
    await expect(chain(failValue.s(), add.s(1)).apply([])).rejects.toThrow('bad value');
    const last = await chain(add.s(1, 1), failValue.si()).apply([]);
    expect(await last.state()).toBe('FAILURE');
  });

  test('of a chord throws when its header fails', async () => {
    await expect(chord([add.s(1, 1), failValue.s()], xsum.s()).apply([])).rejects.toThrow('bad value');
  });

  test('stops where a step is ignored', async () => {
    const quits = app.task('proj.quits', { bind: true }, (ctx): number => ctx.ignore());
    const result = await chain(quits.s(), add.s(1)).apply([]);
    expect(await result.state()).toBe('IGNORED');
  });

  test('knows the steps before', async () => {
    const result = await chain(add.s(1, 1), group(identity.s()), identity.s()).apply([]);
    expect(await result.get()).toBe(2);
  });
});

describe('callbacks of a task that runs in place', () => {
  test('are sent, a chord among them with its parts counted', async () => {
    const { app, add, mul, xsum } = project();
    const result = await add
      .s(1, 2)
      .link(chord([add.s(1), mul.s(2)], xsum.s()))
      .link(mul.s(5))
      .apply([]);
    expect(await result.get()).toBe(3);
    const sent = await waiting(app);
    expect(sent.map(({ headers }) => [headers.task, headers.parent_id])).toEqual(
      ['proj.add', 'proj.mul', 'proj.mul'].map((task) => [task, result.id]),
    );
  });
});

describe('an app that is always eager', () => {
  test('says that nobody would count a chord that is linked', async () => {
    const { add, xsum } = project({ taskAlwaysEager: true });
    await expect(
      add
        .s(1, 2)
        .link(chord([add.s(1)], xsum.s()))
        .delay(),
    ).rejects.toThrow(/pipe the task into the chord/);
  });

  test('runs canvases in place of sending them', async () => {
    const { app, add, mul, xsum } = project({ taskAlwaysEager: true });
    expect(await (await chain(add.s(1, 2), group(add.s(1), mul.s(2)), xsum.s()).delay()).get()).toBe(10);
    expect(await waiting(app)).toEqual([]);
  });
});
