// The disk of the embedded broker: full, and with a file that was garbled in many ways.
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createReserve } from '../../src/util/sqlite-reserve.ts';
import { testFolder } from '../support/folder.ts';
import { fullDisk } from './harness/full-disk.ts';
import { garbleMany, MESSAGES, openFile, overwrite, PAGE, QUEUE, survivors, written } from './harness/garbled.ts';

const seed = Number(process.env.FAULT_SEED ?? Date.now() % 1_000_000);
const VARIANTS = 150;

test('a garbled file is named or saved: no loop, no crash, nothing lost that was not hit', async () => {
  const { saved, refused, survived, violations } = await garbleMany(testFolder('garbled'), seed, VARIANTS);
  expect(violations, `FAULT_SEED=${seed} repeats it`).toEqual([]);
  expect(saved).toBeGreaterThan(0);
  expect(survived).toBeGreaterThan(0);
  // A beginning is hit in about one of a hundred.
  expect(refused).toBeLessThan(VARIANTS / 5);
});

test("a file without its beginning is named and left alone: it may be anybody's", async () => {
  const path = join(testFolder('header'), 'a.db');
  await written(path);
  overwrite(path, 0, Buffer.alloc(16));
  const before = readFileSync(path);
  const error = await survivors(path);
  expect(error).toBeInstanceOf(Error);
  expect(String(error)).toContain(path);
  expect(String(error)).toContain('move it away');
  expect(readFileSync(path).equals(before)).toBe(true);
});

test('a full disk refuses what is new, finishes what is held, and serves again when there is room', async () => {
  expect(await fullDisk(testFolder('full'))).toEqual([]);
});

test('the room that is kept is given back once, nothing new is taken meanwhile, and it is made again when there is plenty', async () => {
  const path = join(testFolder('reserve'), 'a.db');
  const reserve = createReserve(path);
  await reserve.prepare();
  expect(statSync(`${path}-reserve`).size).toBeGreaterThan(0);
  expect(reserve.isSpent).toBe(false);
  expect(reserve.release()).toBe(true);
  expect(reserve.release()).toBe(false);
  // Looked at once a second.
  expect(reserve.isSpent).toBe(true);
  await expect.poll(() => reserve.isSpent, { timeout: 3000 }).toBe(false);
  expect(existsSync(`${path}-reserve`)).toBe(true);
});

test('a page of messages that is destroyed costs its messages and no others', async () => {
  const folder = testFolder('page');
  const path = join(folder, 'a.db');
  await written(path);
  const content = readFileSync(path);
  const page = Math.floor(content.indexOf('60 xxxxx') / PAGE);
  expect(page).toBeGreaterThan(0);
  const hit = [
    ...content
      .subarray(page * PAGE, (page + 1) * PAGE)
      .toString('latin1')
      .matchAll(/id-\d+/g),
  ].length;
  overwrite(path, page * PAGE, Buffer.alloc(PAGE, 0x55));
  const got = await survivors(path);
  expect(got).toHaveLength(MESSAGES - hit);
  expect(hit).toBeLessThan(10);
  expect(readdirSync(folder).filter((file) => file.includes('.damaged-')).length).toBeGreaterThan(0);
});

test('an emptied file does not take its log with it', async () => {
  const folder = testFolder('emptied');
  const path = join(folder, 'a.db');
  const copy = join(folder, 'copy.db');
  await using broker = await openFile(path);
  await broker.declare({ exchanges: [], queues: [{ name: QUEUE, durable: true, arguments: {} }], bindings: [] });
  expect(existsSync(`${path}-wal`)).toBe(true);
  copyFileSync(`${path}-wal`, `${copy}-wal`);
  writeFileSync(copy, '');
  await using second = await openFile(copy);
  await second.declare({ exchanges: [], queues: [{ name: QUEUE, durable: true, arguments: {} }], bindings: [] });
  // SQLite would have deleted it.
  expect(readdirSync(folder).some((file) => /^copy\.db\.damaged-.*-wal$/.test(file))).toBe(true);
});
