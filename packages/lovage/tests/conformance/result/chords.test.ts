// Chords are counted alike by every store that counts them.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { type ChordPart, openBackend } from '../../../src/result/index.ts';
import { openRedis, parseRedisUrl } from '../../../src/util/index.ts';
import { redisUrl } from '../../support/servers.ts';
import { describeChords } from './describe-chords.ts';
import { optionsFor, untilEnd } from './harness.ts';

const folder = mkdtempSync(join(tmpdir(), 'lovage-chords-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const memory = `memory://${randomUUID()}`;
const prefix = `chords-${randomUUID()}`;

describeChords('memory', { options: () => optionsFor(memory) });
describeChords('sqlite', { options: () => optionsFor(`sqlite://${join(folder, 'results.db')}`) });
describeChords('redis', { options: () => optionsFor(redisUrl(), { transportOptions: { globalKeyprefix: prefix } }) });
describeChords(
  'redis, unordered',
  {
    options: () => optionsFor(redisUrl(), { transportOptions: { globalKeyprefix: `${prefix}-list`, resultChordOrdered: false } }),
  },
  { ordered: false },
);

it('a part that Celery counted in Redis is not counted again', async () => {
  const groupId = randomUUID();
  const chords = untilEnd(await openBackend(optionsFor(redisUrl()))).chords;
  await using line = openRedis({ target: parseRedisUrl(redisUrl()), connectTimeout: 5, name: 'celery' });
  const key = `celery-taskset-meta-${groupId}`;
  await line.call('SET', [`${key}.s`, 2]);
  await line.call('ZADD', [`${key}.j`, 0, `[1, "${groupId}", "SUCCESS", 2]`]);
  const part = (index: number, id: string): ChordPart => {
    const body = Buffer.from(`[1,"${id}","SUCCESS",${index}]`);
    return { groupId, index, id, state: 'SUCCESS', body, head: `[1,"${id}"]`.length, callback: '{}', expires: 60 };
  };
  expect(await chords?.join([part(0, groupId)])).toEqual([]);
  const [complete] = (await chords?.join([part(1, 'b')])) ?? [];
  expect(complete?.parts.map(String)).toEqual([`[1, "${groupId}", "SUCCESS", 2]`, '[1,"b","SUCCESS",1]']);
});

it('a header whose size a Celery worker wrote over with that of a group at its end waits for all of it', async () => {
  const groupId = randomUUID();
  const chords = untilEnd(await openBackend(optionsFor(redisUrl()))).chords;
  await using line = openRedis({ target: parseRedisUrl(redisUrl()), connectTimeout: 5, name: 'celery' });
  const key = `celery-taskset-meta-${groupId}`;
  const end = (id: string): unknown => [[id, null], null];
  const nested = [
    [groupId, null],
    [[[groupId, null], ['a', 'b'].map(end)], end('c')],
  ];
  await line.call('SET', [key, JSON.stringify({ result: nested })]);
  await line.call('SET', [`${key}.s`, 2, 'EX', 60]);
  const part = (index: number, id: string): ChordPart => {
    const body = Buffer.from(`[1,"${id}","SUCCESS",${index}]`);
    return { groupId, index, id, state: 'SUCCESS', body, head: `[1,"${id}"]`.length, callback: '{}', expires: 60 };
  };
  expect(await chords?.join([part(0, 'a')])).toEqual([]);
  expect(await chords?.join([part(1, 'b')])).toEqual([]);
  // Celery compares with what it finds there.
  expect(String(await line.call('GET', [`${key}.s`]))).toBe('3');
  const [complete] = (await chords?.join([part(1, 'c')])) ?? [];
  expect(complete?.parts).toHaveLength(3);
});

it('a chord that Celery completed in Redis is left to Celery, but for a while', async () => {
  const groupId = randomUUID();
  const chords = untilEnd(await openBackend(optionsFor(redisUrl()))).chords;
  await using line = openRedis({ target: parseRedisUrl(redisUrl()), connectTimeout: 5, name: 'celery' });
  const key = `celery-taskset-meta-${groupId}`;
  await line.call('SET', [`${key}.s`, 1]);
  await line.call('ZADD', [`${key}.j`, 0, '[1, "a", "SUCCESS", 2]']);
  const part: ChordPart = {
    groupId,
    index: 0,
    id: 'a',
    state: 'SUCCESS',
    body: Buffer.from('[1,"a","SUCCESS",2]'),
    head: 7,
    callback: '{}',
    expires: 60,
  };
  // Celery's worker is between its count and its message now.
  expect(await chords?.join([part])).toEqual([]);
  const stale = (): Promise<boolean> =>
    chords?.stale?.(0).then((all) => all.some((chord) => chord.groupId === groupId)) ?? Promise.resolve(false);
  expect(await stale()).toBe(true);
  await line.call('DEL', [`${key}.j`]);
  expect(await stale()).toBe(false);
});
