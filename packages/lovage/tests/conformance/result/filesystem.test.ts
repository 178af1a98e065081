// The suite over files, and what is theirs alone: names and bytes as Celery's, a folder that is wrong, ids that are no file names, cleaning.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { openBackend } from '../../../src/result/index.ts';
import { ConfigurationError } from '../../../src/util/index.ts';
import { describeBackend } from './describe-backend.ts';
import { bodyOf, collect, eventually, maker, never, optionsFor, untilEnd } from './harness.ts';

const folder = mkdtempSync(join(tmpdir(), 'lovage-files-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const quick = { pollInterval: 0.05 };
const onFolder = (more = {}) => optionsFor(`file://${folder}`, { transportOptions: quick, ...more });

describeBackend('filesystem', { options: () => onFolder() });

it('writes one file under the name that Celery gives it, whole from the first moment, and nothing else', async () => {
  const own = mkdtempSync(join(folder, 'own-'));
  const backend = untilEnd(
    await openBackend(optionsFor(`file://localhost${own}`, { transportOptions: { global_keyprefix: 'shop' } })),
  );
  const make = await maker(backend);
  await backend.put([make('f-1', 'SUCCESS')]);
  expect(readdirSync(own)).toEqual(['shop_celery-task-meta-f-1']);
  expect(readFileSync(join(own, 'shop_celery-task-meta-f-1'))).toEqual(Buffer.from(bodyOf('f-1', 'SUCCESS')));
});

it('keeps a result whose id would lead out of the folder, and one whose id is no file name, inside of it', async () => {
  const own = mkdtempSync(join(folder, 'own-'));
  const backend = untilEnd(await openBackend(optionsFor(`file://${own}`)));
  const make = await maker(backend);
  const ids = ['/../../escaped', 'a/b', 'nul\0byte', 'x'.repeat(300)];
  expect(await backend.put(ids.map((id) => make(id, 'SUCCESS')))).toEqual([]);
  expect([...(await backend.get(ids)).keys()]).toEqual(ids);
  expect(readdirSync(own)).toHaveLength(ids.length);
});

it('says at once that a folder is missing, or no folder at all is named', async () => {
  const missing = untilEnd(await openBackend(optionsFor(`file://${join(folder, 'missing')}`)));
  await expect(missing.check(never)).rejects.toThrow(/cannot be kept in the folder .*missing/);
  await expect(missing.get(['a'])).rejects.toBeInstanceOf(ConfigurationError);
  await expect(openBackend(optionsFor('file://'))).rejects.toThrow(/names no folder/);
});

it('hears of a new file at once where the system tells of changes', async () => {
  const slow = { transportOptions: { pollInterval: 600 } };
  const reader = untilEnd(await openBackend(onFolder(slow)));
  const writer = untilEnd(await openBackend(onFolder(slow)));
  const make = await maker(reader);
  const id = randomUUID();
  await writer.put([make(`${id}-first`, 'SUCCESS')]);
  const watch = reader.watch([`${id}-first`, id], never)[Symbol.asyncIterator]();
  await watch.next();
  const next = watch.next();
  await writer.put([make(id, 'FAILURE')]);
  expect((await next).value).toMatchObject({ id, state: 'FAILURE' });
});

it('does not take a file that Python is writing for a result', async () => {
  const own = mkdtempSync(join(folder, 'own-'));
  const backend = untilEnd(await openBackend(optionsFor(`file://${own}`)));
  const path = join(own, 'celery-task-meta-half');
  const whole = Buffer.from(bodyOf('half', 'SUCCESS'));
  writeFileSync(path, '');
  expect((await backend.get(['half'])).size).toBe(0);
  writeFileSync(path, whole.subarray(0, 40));
  const read = backend.get(['half']);
  writeFileSync(path, whole);
  expect(Buffer.from((await read).get('half')?.body ?? [])).toEqual(whole);
});

it('cleans up what is older than resultExpires, of results, groups and chords only', async () => {
  const own = mkdtempSync(join(folder, 'own-'));
  const backend = untilEnd(await openBackend(optionsFor(`file://${own}`, { expires: 100 })));
  const make = await maker(backend);
  await backend.put([make('new', 'SUCCESS'), make('old', 'SUCCESS')]);
  for (const name of ['celery-taskset-meta-g', 'chord-unlock-g', 'readme.txt']) writeFileSync(join(own, name), 'x');
  const longAgo = Date.now() / 1000 - 101;
  for (const name of ['celery-task-meta-old', 'celery-taskset-meta-g', 'chord-unlock-g', 'readme.txt'])
    utimesSync(join(own, name), longAgo, longAgo);
  expect(await backend.cleanup?.()).toBe(3);
  expect(readdirSync(own).toSorted()).toEqual(['celery-task-meta-new', 'readme.txt']);
  await eventually(backend, 'new', 'SUCCESS');
});

it('keeps everything for ever when results do not expire', async () => {
  const own = mkdtempSync(join(folder, 'own-'));
  const backend = untilEnd(await openBackend(optionsFor(`file://${own}`, { expires: undefined })));
  const make = await maker(backend);
  await backend.put([make('old', 'SUCCESS')]);
  utimesSync(join(own, 'celery-task-meta-old'), 1, 1);
  expect(await backend.cleanup?.()).toBe(0);
  expect(await collect(backend.watch(['old'], never))).toHaveLength(1);
});
