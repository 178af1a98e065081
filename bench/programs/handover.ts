// What it takes to hand a job to a child process and to have its outcome back: the pool prefork, and a pipe between two processes that
// carries as many bytes in frames of the same kind and does nothing else.
import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Job, type Outcome, openPool } from './handover-pool.ts';
import { type Options, serve } from './protocol.ts';

/** About what the frame of a usual task has, and that of its outcome. */
const JOB_BYTES = 500;
const OUTCOME_BYTES = 500;

/** Calls a second with so many in flight. */
async function rate({ count, concurrency = 1 }: Options, call: () => Promise<unknown>): Promise<Record<string, number>> {
  const round = async (calls: number): Promise<void> => {
    let left = calls;
    await Promise.all(
      Array.from({ length: concurrency }, async () => {
        while (left-- > 0) await call();
      }),
    );
  };
  await round(Math.ceil(count / 2));
  const { user, system } = process.cpuUsage();
  const start = performance.now();
  await round(count);
  const perSecond = count / ((performance.now() - start) / 1000);
  const now = process.cpuUsage();
  return { perSecond, cpuMicros: (now.user - user + now.system - system) / count };
}

/** Whole frames of a stream; each begins with its length. */
function frames(stream: NodeJS.ReadableStream, onFrame: () => void): void {
  let rest: Buffer = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE(0)) {
      bytes = bytes.subarray(4 + bytes.readUInt32BE(0));
      onFrame();
    }
    rest = bytes;
  });
}

/** Writes what one turn of the loop has sent in one piece. */
function joined(stream: NodeJS.WritableStream, size: number): () => void {
  const frame = Buffer.alloc(size);
  frame.writeUInt32BE(size - 4, 0);
  let waiting = 0;
  return () => {
    waiting++;
    if (waiting > 1) return;
    setImmediate(() => {
      stream.write(waiting === 1 ? frame : Buffer.concat(Array.from({ length: waiting }, () => frame)));
      waiting = 0;
    });
  };
}

async function raw(options: Options): Promise<Record<string, number>> {
  const child: ChildProcess = spawn(process.execPath, [import.meta.filename, 'echo'], { stdio: ['ignore', 1, 2, 'pipe'] });
  const pipe = child.stdio[3] as Duplex;
  const waiting: (() => void)[] = [];
  frames(pipe, () => waiting.shift()?.());
  const send = joined(pipe, JOB_BYTES);
  const figures = await rate(options, () => {
    send();
    return new Promise<void>((done) => waiting.push(done));
  });
  child.kill();
  return figures;
}

function echo(): void {
  const pipe = new Socket({ fd: 3, readable: true, writable: true });
  frames(pipe, joined(pipe, OUTCOME_BYTES));
  pipe.on('close', () => process.exit(0));
}

if (process.argv[2] === 'echo') echo();
else {
  await serve({
    raw: async (options, answer) => answer(await raw(options)),
    pool: async (options, answer) => {
      const pool = await openPool(options.concurrency ?? 1);
      const signal = new AbortController().signal;
      const job: Job = { ...pool.job };
      answer(await rate(options, (): Promise<Outcome> => pool.run(job, { signal })));
      await pool.close();
    },
  });
}
