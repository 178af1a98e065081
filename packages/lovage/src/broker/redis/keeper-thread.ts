// The keeper's thread: renews leases on time whatever the main loop does, and ends the process when that loop has stood still too long.
// Started by keeper.ts, talks to it by messages only.
import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { openRedis, speakForLoop } from '../../util/index.ts';
import type { KeeperData, KeeperNews, KeeperOrder } from './keeper.ts';
import { type KeptKeys, renewLease } from './renewal.ts';

const data = workerData as KeeperData;
const counter = new Int32Array(data.turns);
const renewed = new BigInt64Array(data.renewed);
const leases = new Map<string, KeptKeys>();
const line = openRedis({
  target: data.target,
  connectTimeout: data.connectTimeout,
  name: `lovage:keeper:${process.pid}`,
  // A renewal without an answer within half of the lease is tried again on a fresh connection; the main loop renews meanwhile.
  replyTimeout: Math.max(1, data.leaseMs / 2000),
});
const interval = data.renewMs;

let lastTurn = -1;
let stoodStill = 0;
let lastLook = performance.now();

/** Has the main loop turned within maxLoopBlock? Time in which this thread did not run either (a stopped process) does not count. */
function mainLoopTurns(): boolean {
  const now = performance.now();
  const passed = Math.min(now - lastLook, 2 * interval);
  lastLook = now;
  const turn = Atomics.load(counter, 0);
  stoodStill = turn === lastTurn ? stoodStill + passed : 0;
  lastTurn = turn;
  return stoodStill < data.maxLoopBlock * 1000;
}

async function renew(incarnation: string, keys: KeptKeys): Promise<void> {
  if ((await renewLease(line, data, keys)) || !leases.delete(incarnation)) return;
  parentPort?.postMessage({ lost: incarnation } satisfies KeeperNews);
}

let renewing = false;
async function round(): Promise<void> {
  if (leases.size === 0) {
    mainLoopTurns();
    return;
  }
  if (!mainLoopTurns()) {
    writeSync(
      2,
      `lovage: the event loop of process ${process.pid} has not turned for ${data.maxLoopBlock} s (maxLoopBlock); ending the process so that others can take its tasks.\n`,
    );
    // The loop cannot hear a gentler signal.
    process.kill(process.pid, 'SIGKILL');
  }
  if (renewing) return;
  renewing = true;
  try {
    for (const [incarnation, keys] of [...leases]) await renew(incarnation, keys);
    Atomics.store(renewed, 0, BigInt(Date.now()));
  } catch {
    // The line mends itself; the next round tries again, and a lease that ended meanwhile shows there.
  } finally {
    renewing = false;
  }
}

parentPort?.on('message', (order: KeeperOrder) => {
  if ('watch' in order) {
    speakForLoop(order.watch);
    return;
  }
  if ('drop' in order) {
    leases.delete(order.drop);
    return;
  }
  const isNew = !leases.has(order.keep);
  leases.set(order.keep, { lease: order.lease, held: order.held, serves: order.serves });
  // It may be old already: this thread started after it, and the main loop may be blocked since.
  if (isNew) void round();
});
setInterval(() => void round(), interval);
