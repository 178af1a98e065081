// The pulse's thread: a new time on the lock file several times in a lease, whatever the main loop does, as long as that has turned within
// ten minutes. Started by pulse.ts.
import { utimesSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { speakForLoop } from '../../util/loop-view.ts';
import type { PulseData } from './pulse.ts';

const { lock, turns, beatMs, maxBlockMs } = workerData as PulseData;
const counter = new Int32Array(turns);
// Counted up, never read from the clock: a clock that jumps back could show the same time twice.
let time = Math.floor(Date.now() / 1000);
let lastTurn = -1;
let stoodStill = 0;

setInterval(() => {
  const turn = Atomics.load(counter, 0);
  stoodStill = turn === lastTurn ? stoodStill + beatMs : 0;
  lastTurn = turn;
  if (stoodStill >= maxBlockMs) return;
  time++;
  try {
    utimesSync(lock, time, time);
  } catch {
    // The file was deleted: the main loop finds out what that means.
  }
}, beatMs);

parentPort?.on('message', (view: SharedArrayBuffer) => speakForLoop(view));
