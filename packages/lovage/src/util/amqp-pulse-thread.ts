// The thread of amqp-pulse.ts: heartbeats on the lines of a main loop that does not turn, as long as it has turned within ten minutes.
import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import type { PulseData, PulseOrder } from './amqp-pulse.ts';
import { speakForLoop } from './loop-view.ts';

// Those of amqp-pulse.ts, whose code is no business of this thread.
const FREE = 0;
const THREAD = 2;
const CLOSED = 3;
/** AMQP 0-9-1: type 8, channel 0, no payload, end of frame. */
const HEARTBEAT = Buffer.from([8, 0, 0, 0, 0, 0, 0, 0xce]);

/** Nobody wakes it. */
const PAUSE = new Int32Array(new SharedArrayBuffer(4));

const { turns, maxBlockMs } = workerData as PulseData;
const counter = new Int32Array(turns);

/** Tries to write the rest of eight bytes, and milliseconds between them. */
const TRIES = 100;
const TRY_MS = 10;

/** When only a part of it leaves, the rest must follow before anything else does; RabbitMQ ends a line where it never comes. */
function writeHeartbeat(descriptor: number): void {
  for (let at = 0, tries = 0; at < HEARTBEAT.length && tries < TRIES; tries++) {
    try {
      at += writeSync(descriptor, HEARTBEAT, at);
    } catch {
      // Full of bytes that RabbitMQ has still to read, or broken: the main loop finds out.
      if (at === 0) return;
      Atomics.wait(PAUSE, 0, 0, TRY_MS);
    }
  }
}

function look(order: PulseOrder): void {
  const holder = new Int32Array(order.holder);
  let lastTurn = Atomics.load(counter, 0);
  let stoodStill = 0;
  const timer = setInterval(() => {
    if (Atomics.load(holder, 0) === CLOSED) {
      clearInterval(timer);
      return;
    }
    const turn = Atomics.load(counter, 0);
    stoodStill = turn === lastTurn ? stoodStill + order.everyMs : 0;
    lastTurn = turn;
    if (stoodStill === 0 || stoodStill >= maxBlockMs) return;
    if (Atomics.compareExchange(holder, 0, FREE, THREAD) !== FREE) return;
    writeHeartbeat(order.descriptor);
    Atomics.store(holder, 0, FREE);
  }, order.everyMs);
}

parentPort?.on('message', (order: PulseOrder | SharedArrayBuffer) => {
  if (order instanceof SharedArrayBuffer) speakForLoop(order);
  else look(order);
});
