// A sign of life that a blocked event loop still gives: a thread of its own touches the process's lock file. A stopped process does
// not, and so is told apart from one that computes.
import { statSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { logger } from '../../util/index.ts';

/** A main loop that stands still for longer is given up: others take over what it holds (ms). */
const MAX_BLOCK_MS = 600_000;
const TICK_MS = 500;
const log = logger('broker', 'sqlite');

/** What the thread is started with. Plain data. */
export interface PulseData {
  readonly lock: string;
  /** One 32-bit number that the main loop counts up. */
  readonly turns: SharedArrayBuffer;
  readonly beatMs: number;
  readonly maxBlockMs: number;
}

/** The thread, from the main loop. */
export interface Pulse extends AsyncDisposable {
  /** The thread says so when this loop stands still; see util/loop-view.ts. */
  watchLoop(view: SharedArrayBuffer): void;
}

/** Starts the thread, which gives a sign of life every `beatMs`; never keeps the process alive. */
export function startPulse(lock: string, beatMs: number): Pulse {
  const turns = new SharedArrayBuffer(4);
  const counter = new Int32Array(turns);
  const ticker = setInterval(() => Atomics.add(counter, 0, 1), TICK_MS).unref();
  const thread = startThread({ lock, turns, beatMs, maxBlockMs: MAX_BLOCK_MS });
  return {
    watchLoop: (view) => thread?.postMessage(view),
    [Symbol.asyncDispose]: async () => {
      clearInterval(ticker);
      await thread?.terminate();
    },
  };
}

function startThread(workerData: PulseData): Worker | undefined {
  const failed = (error: unknown): void =>
    log.error(
      'No thread keeps the lease of this process; an event loop blocked for longer than the lease may lose what it holds: {error}',
      {
        error,
      },
    );
  try {
    const file = new URL(`./pulse-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);
    // The options of the program (inspectors, loaders, test runners) are not the thread's.
    const thread = new Worker(file, { workerData, execArgv: [], name: 'lovage-pulse' });
    thread.unref();
    thread.on('error', failed);
    return thread;
  } catch (error) {
    failed(error);
    return undefined;
  }
}

/** What changes with every touch of a lock file; 0 when there is none. */
export function pulseOf(lock: string): number {
  return statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
