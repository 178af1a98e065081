// The embedded broker when its disk is full: what is new is refused in words, what is held ends, and all goes on when there is room. As a
// program it does so in the folder that is named to it; `fullDisk` runs that on a small disk of its own.
import { execFile } from 'node:child_process';
import { closeSync, existsSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type AsyncResult, BrokerFullError, Lovage, PublishError } from '../../../src/index.ts';
import { startWorker } from '../../../src/worker/index.ts';

const QUEUE = 'full';
const HELD = 10;
/** Seconds. */
const PATIENCE = 20;
const TEXT = 'x'.repeat(20_000);
/** Megabytes; some, and then kilobytes that stay free when it is filled. */
const DISK_MB = 48;
const LEFT_KB = 800;
/** A file system of its own, which only this process and its children see; who is no administrator becomes one there. */
const MOUNTED = ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c'];

async function comesTrue(what: string, isTrue: () => boolean | Promise<boolean>): Promise<readonly string[]> {
  for (const limit = performance.now() + PATIENCE * 1000; performance.now() < limit; await delay(20))
    if (await isTrue()) return [];
  return [`not within ${PATIENCE} s: ${what}`];
}

/** What did not go as it should on a small disk mounted over this folder, in sentences. Needs Linux and its `unshare`. */
export async function fullDisk(folder: string): Promise<readonly string[]> {
  const [command = '', ...args] = MOUNTED;
  const mount = `mount -t tmpfs -o size=${DISK_MB}m tmpfs '${folder}' && exec '${process.execPath}' '${import.meta.filename}' '${folder}'`;
  const { stdout } = await promisify(execFile)(command, [...args, mount], { timeout: 120_000 });
  return JSON.parse(stdout) as readonly string[];
}

/** Leaves so little room that it is soon used up; resolves to what makes room again. */
function fill(folder: string): () => void {
  const file = join(folder, 'filler');
  const handle = openSync(file, 'w');
  const { bavail, bsize } = statfsSync(folder);
  for (let left = bavail * bsize - LEFT_KB * 1000; left > 0; left -= 100_000) writeSync(handle, Buffer.alloc(100_000, 1));
  closeSync(handle);
  return () => rmSync(file);
}

async function seenOn(folder: string): Promise<readonly string[]> {
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
  const makeRoom = fill(folder);
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
  if (existsSync(`${path}-reserve`)) violations.push('nothing was taken from the room that is kept');
  makeRoom();
  // The disk is looked at once a second.
  const runsAgain = async (): Promise<boolean> => {
    const one = await app.sendTask('full.length', { args: [TEXT] }).catch(() => undefined);
    return (await one?.get({ timeout: PATIENCE })) === TEXT.length;
  };
  violations.push(...(await comesTrue('tasks run again with room', runsAgain)));
  await worker.stop();
  return violations;
}

if (process.argv[1] === import.meta.filename) {
  const violations = await seenOn(process.argv[2] ?? '');
  process.stdout.write(JSON.stringify(violations));
}
