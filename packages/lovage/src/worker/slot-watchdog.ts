// A thread of every child process that hears the worker while the child's own loop is busy: which job has to stop, and, by the end of the
// pipe, that the worker is gone. Then the child ends with all that it started. Started by slot-process.ts; imports nothing of ours, so that
// it is there at once.
import { Socket } from 'node:net';
import { workerData } from 'node:worker_threads';

/** Plain data. */
export interface WatchdogData {
  /** Two numbers for each lane: the job that has to stop, and why. */
  readonly flags: SharedArrayBuffer;
  /** Tell the worker how much memory this process uses. */
  readonly watchMemory: boolean;
  /** The pipe, and the size of what comes and goes on it. */
  readonly fd: number;
  readonly recordBytes: number;
  readonly memoryBytes: number;
}

const MEMORY_MS = 1000;

const { flags: buffer, watchMemory, fd, recordBytes, memoryBytes } = workerData as WatchdogData;
const flags = new Int32Array(buffer);
const pipe = new Socket({ fd, readable: true, writable: true });
let rest: Buffer = Buffer.alloc(0);

function end(): void {
  try {
    // A child leads a group of its own.
    process.kill(-process.pid, 'SIGKILL');
  } catch {
    process.kill(process.pid, 'SIGKILL');
  }
}

function heed(record: Buffer): void {
  const lane = record.readUInt32BE(0);
  Atomics.store(flags, 2 * lane + 1, record.readUInt32BE(8));
  Atomics.store(flags, 2 * lane, record.readUInt32BE(4));
}

function tellMemory(): void {
  const record = Buffer.alloc(memoryBytes);
  record.writeUInt32BE(Math.round(process.memoryUsage.rss() / 1024), 0);
  pipe.write(record);
}

pipe.on('data', (chunk: Buffer) => {
  rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
  for (; rest.length >= recordBytes; rest = rest.subarray(recordBytes)) heed(rest);
});
pipe.on('close', end);
pipe.on('error', () => undefined);
if (watchMemory) setInterval(tellMemory, MEMORY_MS);
