// Results of this process's own tasks: heard under one pattern while somebody waits, whenever they come and whatever is asked of them.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openBackend, type ResultBackend } from '../../../src/result/index.ts';
import { taskUuid } from '../../../src/util/index.ts';
import { redisUrl } from '../../support/servers.ts';
import { plainLine } from '../broker/redis-harness.ts';
import { collect, maker, never, optionsFor, type Pair } from './harness.ts';

let reader: ResultBackend;
let writer: ResultBackend;
let storedResult: Pair['make'];

beforeEach(async () => {
  const options = optionsFor(redisUrl());
  [reader, writer] = [await openBackend(options), await openBackend(options)];
  storedResult = await maker(reader);
  // The first wait makes the pattern; ids made from then on are under it.
  const first = taskUuid();
  await writer.put([storedResult(first, 'SUCCESS')]);
  await collect(reader.watch([first], never));
  await vi.waitFor(() => expect(taskUuid().slice(0, 13)).toBe(taskUuid().slice(0, 13)), 20_000);
});
afterEach(async () => {
  await reader[Symbol.asyncDispose]();
  await writer[Symbol.asyncDispose]();
});

async function commands<T>(name: string, work: () => Promise<T>): Promise<number> {
  await using line = plainLine(redisUrl());
  const calls = async (): Promise<number> =>
    Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(`${await line.call('INFO', ['commandstats'])}`)?.[1] ?? 0);
  const before = await calls();
  await work();
  return (await calls()) - before;
}

test('a wait for a new task asks the server nothing, whether its result comes before or after', async () => {
  const [early, late] = [taskUuid(), taskUuid()];
  const asked = await commands('subscribe', async () => {
    await writer.put([storedResult(early, 'SUCCESS')]);
    const both = collect(reader.watch([early, late], never));
    await writer.put([storedResult(late, 'FAILURE')]);
    expect((await both).map(({ state }) => state).toSorted()).toEqual(['FAILURE', 'SUCCESS']);
  });
  expect(asked).toBe(0);
});

test('who asks again gets the result again', async () => {
  const id = taskUuid();
  await writer.put([storedResult(id, 'SUCCESS')]);
  for (let time = 0; time < 3; time++) expect(await collect(reader.watch([id], never))).toHaveLength(1);
});

test('what was deleted is waited for anew', async () => {
  const id = taskUuid();
  const barrier = taskUuid();
  await writer.put([storedResult(id, 'SUCCESS'), storedResult(barrier, 'SUCCESS')]);
  await collect(reader.watch([barrier], never));
  await reader.forget([id]);
  const again = collect(reader.watch([id], never));
  await writer.put([storedResult(id, 'FAILURE')]);
  expect((await again).map(({ state }) => state)).toEqual(['FAILURE']);
});

test('a flood of results that nobody asks for ends it, and no wait is lost', async () => {
  const waited = taskUuid();
  const wait = collect(reader.watch([waited], never));
  const flood = Array.from({ length: 1500 }, taskUuid);
  await writer.put(flood.map((id) => storedResult(id, 'SUCCESS')));
  await vi.waitFor(() => expect(taskUuid().slice(0, 13)).not.toBe(taskUuid().slice(0, 13)), 20_000);
  await writer.put([storedResult(waited, 'SUCCESS')]);
  expect(await wait).toHaveLength(1);
  expect(await collect(reader.watch(flood.slice(0, 10), never))).toHaveLength(10);
});

test('more results than the list of the heard may hold come one after the other', async () => {
  for (let round = 0; round < 6; round++) {
    const ids = Array.from({ length: 1000 }, taskUuid);
    const all = collect(reader.watch(ids, never));
    await writer.put(ids.map((id) => storedResult(id, 'SUCCESS')));
    expect(await all).toHaveLength(1000);
  }
});
