// The embedded broker when its disk is full: what is new is refused in words, what is held ends, and all goes on when there is room.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type AsyncResult, BrokerFullError, Lovage, PublishError } from '../../../src/index.ts';
import { openSqliteFile } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';

const QUEUE = 'full';
const HELD = 10;
/** Seconds. */
const PATIENCE = 20;
const TEXT = 'x'.repeat(20_000);

async function comesTrue(what: string, isTrue: () => boolean | Promise<boolean>): Promise<readonly string[]> {
  for (const limit = performance.now() + PATIENCE * 1000; performance.now() < limit; await delay(20))
    if (await isTrue()) return [];
  return [`not within ${PATIENCE} s: ${what}`];
}

/** What did not go as it should, in sentences. */
export async function fullDisk(folder: string): Promise<readonly string[]> {
  const path = join(folder, 'a.db');
  const url = `sqlite://${path}`;
  const violations: string[] = [];
  await using app = new Lovage('full', { brokerUrl: url, resultBackend: url, taskDefaultQueue: QUEUE, taskPublishTimeout: 5 });
  const gate = Promise.withResolvers<void>();
  app.task('full.wait', async (number: number) => {
    await gate.promise;
    return number;
  });
  app.task('full.length', (text: string) => text.length);
  const worker = await startWorker(app, { concurrency: HELD, hostname: 'w@full' });
  const held = await Promise.all(Array.from({ length: HELD }, (_, number) => app.sendTask('full.wait', { args: [number] })));
  const broker = await app.openBroker('read');
  const isHeld = async (count: number): Promise<boolean> => {
    const found = await broker.count(QUEUE);
    return found?.ready === 0 && found.held === count;
  };
  violations.push(...(await comesTrue('the tasks are held', () => isHeld(HELD))));
  violations.push(...(await comesTrue('room is kept', () => existsSync(`${path}-reserve`))));
  // The connection of this process may have so many pages and no more: SQLite says what it says of a full disk.
  await using file = openSqliteFile(path, { schema: '' });
  const limit = (pages: number | string) => file.write((db) => db.statement(`PRAGMA max_page_count = ${pages}`).get());
  const pages = Number((await file.read((db) => db.statement('PRAGMA page_count').get()))?.page_count);
  await limit(pages + 20);
  const sent: AsyncResult<unknown>[] = [];
  let refusal: unknown;
  while (refusal === undefined) {
    const one = await app.sendTask('full.length', { args: [TEXT] }).catch((error: unknown) => error as Error);
    if (one instanceof Error) refusal = one;
    else sent.push(one);
  }
  if (sent.length === 0) violations.push('nothing was taken before the disk was full');
  const isClear =
    refusal instanceof PublishError &&
    refusal.safeToRepeat &&
    refusal.cause instanceof BrokerFullError &&
    /full.*free some space/.test(String(refusal));
  if (!isClear) violations.push(`the refusal says: ${refusal}`);
  gate.resolve();
  const ends = await Promise.allSettled([...held, ...sent].map((result) => result.get({ timeout: PATIENCE })));
  const wrong = ends.filter((end, at) => !(end.status === 'fulfilled' && end.value === (at < HELD ? at : TEXT.length)));
  if (wrong.length > 0) violations.push(`${wrong.length} of ${ends.length} tasks did not end well on the full disk`);
  violations.push(...(await comesTrue('nothing is held', () => isHeld(0))));
  await limit(1_000_000);
  const after = await (await app.sendTask('full.length', { args: [TEXT] })).get({ timeout: PATIENCE }).catch(String);
  if (after !== TEXT.length) violations.push(`with room again: ${after}`);
  await worker.stop();
  return violations;
}
