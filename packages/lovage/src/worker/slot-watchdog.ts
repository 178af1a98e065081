// A thread of every child process that hears the worker while the child's own loop is busy: which job has to stop, and, by the end of the
// pipe, that the worker is gone. Then the child ends with all that it started. Started by slot-process.ts; imports nothing of ours, so that
// it is there at once.
import { Socket } from 'node:net';
import { workerData } from 'node:worker_threads';

/** Plain data. */
export interface WatchdogData {
  /** Numbers for each lane: the job that has to stop, why, and the job that has begun. */
  readonly flags: SharedArrayBuffer;
  /** Tell the worker how much memory this process uses. */
  readonly watchMemory: boolean;
  /** The pipe, and the size of what comes and goes on it. */
  readonly fd: number;
  readonly recordBytes: number;
  readonly laneFlags: number;
}

const MEMORY_MS = 1000;
/** What an answer is about; as pool/link.ts has it. */
const MEMORY = 0;
const BEGUN = 1;

const { flags: buffer, watchMemory, fd, recordBytes, laneFlags } = workerData as WatchdogData;
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

function tell(what: number, value: number): void {
  const record = Buffer.alloc(8);
  record.writeUInt32BE(what, 0);
  record.writeUInt32BE(value, 4);
  pipe.write(record);
}

/** Lane, number of the job, why it has to stop; or, without a reason, the question which job has begun in that lane. */
function heed(record: Buffer): void {
  const at = laneFlags * record.readUInt32BE(0);
  const why = record.readUInt32BE(8);
  if (why === 0) {
    tell(BEGUN, Atomics.load(flags, at + 2));
    return;
  }
  Atomics.store(flags, at + 1, why);
  Atomics.store(flags, at, record.readUInt32BE(4));
}

function tellMemory(): void {
  tell(MEMORY, Math.round(process.memoryUsage.rss() / 1024));
}

pipe.on('data', (chunk: Buffer) => {
  rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
  for (; rest.length >= recordBytes; rest = rest.subarray(recordBytes)) heed(rest);
});
pipe.on('close', end);
pipe.on('error', () => undefined);
if (watchMemory) setInterval(tellMemory, MEMORY_MS);
