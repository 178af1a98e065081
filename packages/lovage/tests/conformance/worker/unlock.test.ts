// Chords where results are kept but not counted: celery.chord_unlock looks until all members have ended, or until it is no use any more.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { Lovage } from '../../../src/app/index.ts';
import { chain, chord } from '../../../src/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { type Place, setup } from './places.ts';

const files: Place = async (stack) => {
  const folder = await mkdtemp(join(tmpdir(), 'lovage-unlock-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  return { brokerUrl: `memory://${uuid()}`, resultBackend: `file://${folder}`, resultChordRetryInterval: 0.05 };
};

function tasksOf(app: Lovage) {
  return {
    add: app.task('add', (x: number, y: number) => x + y),
    sum: app.task('sum', (numbers: number[]) => numbers.reduce((all, each) => all + each, 0)),
    fail: app.task('fail', (): number => {
      throw new RangeError('boom');
    }),
  };
}

const stack = new AsyncDisposableStack();
let app: Lovage;
let tasks: ReturnType<typeof tasksOf>;
beforeAll(async () => {
  app = stack.use(await setup(files)).app;
  tasks = tasksOf(app);
  stack.use(await startWorker(app, { concurrency: 10 }));
});
afterAll(() => stack.disposeAsync());

it('sends the body when all have ended', async () => {
  const { add, sum } = tasks;
  expect(await (await chord([add.s(1, 1), add.s(2, 2)], sum.s()).delay()).get({ timeout: 20 })).toBe(6);
});

it('joins a chord in a chain, which a worker starts', async () => {
  const { add, sum } = tasks;
  const canvas = chain(add.s(1, 1), chord([add.s(1), add.s(2)], sum.s()), add.s(10));
  expect(await (await canvas.delay()).get({ timeout: 20 })).toBe(17);
});

it('fails the body, and the steps behind it, with the cause of a member', async () => {
  const { add, sum, fail } = tasks;
  const result = await chain(chord([add.s(1, 1), fail.s()], sum.s()), add.s(1)).delay();
  const error = await app
    .result(result.id)
    .get({ timeout: 20 })
    .catch((thrown: unknown) => String(thrown));
  expect(error).toMatch(/^ChordError: Dependency \S+ raised ValueError\('boom'\)/);
});

it('gives up when a member can no longer come, and fails the body', async () => {
  const bodyId = uuid();
  const body = { task: 'sum', args: [], kwargs: {}, options: { task_id: bodyId }, subtask_type: null, immutable: false };
  await app.sendTask('celery.chord_unlock', {
    args: [uuid(), body],
    kwargs: { interval: 0.05, max_retries: 3, result: [[[uuid(), null], null]] },
  });
  const error = await app
    .result(bodyId)
    .get({ timeout: 20 })
    .catch((thrown: unknown) => String(thrown));
  expect(error).toMatch(/^ChordError: Join error: \S+ has not ended after 3 looks/);
});

it('is a task of every app that no list shows', async () => {
  expect([...app.tasks].map(({ name }) => name)).toEqual(['add', 'sum', 'fail']);
  for (const name of ['accumulate', 'backend_cleanup', 'chain', 'chord', 'chord_unlock', 'chunks', 'group', 'map', 'starmap'])
    expect(app.tasks.find(`celery.${name}`)?.name).toBe(`celery.${name}`);
  await vi.waitFor(
    async () => expect(await (await app.sendTask('celery.backend_cleanup')).get({ timeout: 10 })).toBeNull(),
    20_000,
  );
  await expect((await app.sendTask('celery.chain')).get({ timeout: 10 })).rejects.toThrow(/A chain is no task/);
});

it('runs what is written by hand as a message: map, starmap, chunks, group, chord, accumulate', async () => {
  const value = async (name: string, kwargs: Record<string, unknown>, args: readonly unknown[] = []): Promise<unknown> =>
    (await app.sendTask(name, { args, kwargs })).get({ timeout: 20 });
  const add = { task: 'add', args: [9], kwargs: {}, options: {}, subtask_type: null, immutable: false };
  const sum = { ...add, task: 'sum', args: [] };
  expect(await value('celery.starmap', { task: add, it: [[1, 2], [3, 4]] })).toEqual([3, 7]); // biome-ignore format: pairs
  expect(await value('celery.map', { task: sum, it: [[1, 2], [3]] })).toEqual([3, 3]); // biome-ignore format: pairs
  expect(await value('celery.accumulate', { index: 1 }, ['a', 'b'])).toBe('b');
  expect(await value('celery.accumulate', {}, ['a', 'b'])).toEqual(['a', 'b']);
  const [[bodyId]] = (await value('celery.chord', { header: [{ ...add, args: [1, 1] }], body: sum })) as [[string]];
  expect(await app.result(bodyId).get({ timeout: 20 })).toBe(2);
  const chunks = (await value('celery.chunks', { task: add, it: [[1, 1], [2, 2], [3, 3]], n: 2 })) as [unknown, [[string]][]]; // biome-ignore format: pairs
  const results = await Promise.all(chunks[1].map(([[id]]) => app.result(id).get({ timeout: 20 })));
  expect(results).toEqual([[2, 4], [6]]);
  const group = (await value('celery.group', { tasks: [{ ...add, args: [1] }], partial_args: [5] })) as [unknown, [[string]][]];
  expect(await app.result(group[1][0]?.[0][0] ?? '').get({ timeout: 20 })).toBe(6);
});
