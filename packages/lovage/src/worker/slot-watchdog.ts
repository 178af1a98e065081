// A thread of every child process that hears the worker while the child's own loop is busy: which job has to stop, and, by the end of the
// pipe, that the worker is gone. Then the child ends with all that it started. Started by slot-process.ts; imports nothing of ours, so that
// it is there at once.
import { Socket } from 'node:net';
import { workerData } from 'node:worker_threads';

/** Plain data. */
export interface WatchdogData {
  /** Numbers for each lane: the job that has to stop, why, the job that has begun, and the last claim. */
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
const RETURNED = 2;
/** What the worker wants, beside reasons to stop; and where the claims lie. As pool/link.ts has it. */
const ASK = 0;
const TAKE_BACK = 3;
const CLAIM = 3;

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

/** As `unclaim` of pool/link.ts. */
function takeBack(at: number, seq: number): boolean {
  for (;;) {
    const last = Atomics.load(flags, at);
    const seen = Math.abs(last);
    if (last !== 0 && (seq === seen || ((seq - seen) & 0x7fff_ffff) >= 0x4000_0000)) return false;
    if (Atomics.compareExchange(flags, at, last, -seq) === last) return true;
  }
}

/** Lane, number of the job, why it has to stop; or that it is wanted back, or the question which job has begun in that lane. */
function heed(record: Buffer): void {
  const at = laneFlags * record.readUInt32BE(0);
  const seq = record.readUInt32BE(4);
  const why = record.readUInt32BE(8);
  if (why === ASK) tell(BEGUN, Atomics.load(flags, at + 2));
  else if (why === TAKE_BACK) {
    if (takeBack(at + CLAIM, seq)) tell(RETURNED, seq);
  } else {
    Atomics.store(flags, at + 1, why);
    Atomics.store(flags, at, seq);
  }
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
