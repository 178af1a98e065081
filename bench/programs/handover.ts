// What it takes to hand a job to a child process and to have its outcome back: the pool prefork, and a pipe between two processes that
// carries the same, each message a JSON text, and does nothing else.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { JOB, OUTCOME, type Outcome, openPool } from './handover-pool.ts';
import { type Options, serve } from './protocol.ts';

/** What the pool carries, with bytes as texts. */
const [RECORD] = OUTCOME.results.map((result) => ({ ...result, body: new TextDecoder().decode(result.body) }));
const TASK = { ...JOB, body: new TextDecoder().decode(JOB.body) };

/**
 * One after the other, one of the two processes sleeps while the other works. Whether the system has them on one core or on two then makes
 * 2.4 times as much as all that they do, and changes from run to run: so both are put on the first one. Their children follow.
 */
function onOneCore({ concurrency = 1 }: Options): void {
  if (concurrency === 1) execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', '0', String(process.pid)]);
}

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

/** Whole messages of a stream, each a JSON text behind its length. */
function messages(stream: NodeJS.ReadableStream, onMessage: (message: unknown) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (bytes.length >= at + 4 && bytes.length >= at + 4 + bytes.readUInt32BE(at)) {
      const end = at + 4 + bytes.readUInt32BE(at);
      onMessage(JSON.parse(bytes.toString('utf8', at + 4, end)));
      at = end;
    }
    rest = bytes.subarray(at);
  });
}

/** Writes the messages of one turn of the loop in one piece. */
function sender(stream: NodeJS.WritableStream): (message: unknown) => void {
  let waiting: Buffer[] = [];
  return (message) => {
    const text = Buffer.from(JSON.stringify(message));
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32BE(text.length, 0);
    waiting.push(length, text);
    if (waiting.length > 2) return;
    setImmediate(() => {
      stream.write(Buffer.concat(waiting));
      waiting = [];
    });
  };
}

async function raw(options: Options): Promise<Record<string, number>> {
  onOneCore(options);
  const child: ChildProcess = spawn(process.execPath, [import.meta.filename, 'echo'], { stdio: ['ignore', 1, 2, 'pipe'] });
  const pipe = child.stdio[3] as Duplex;
  const waiting: (() => void)[] = [];
  messages(pipe, () => waiting.shift()?.());
  const send = sender(pipe);
  const figures = await rate(options, () => {
    send(TASK);
    return new Promise<void>((done) => waiting.push(done));
  });
  child.kill();
  return figures;
}

function echo(): void {
  const pipe = new Socket({ fd: 3, readable: true, writable: true });
  const send = sender(pipe);
  messages(pipe, () => send({ ...OUTCOME, results: [RECORD] }));
  pipe.on('close', () => process.exit(0));
}

if (process.argv[2] === 'echo') echo();
else {
  await serve({
    raw: async (options, answer) => answer(await raw(options)),
    pool: async (options, answer) => {
      onOneCore(options);
      const pool = await openPool(options.concurrency ?? 1);
      // As the consumer does, which makes no signal before somebody looks.
      const run = { signal: new AbortController().signal, follow: (): void => undefined };
      answer(await rate(options, (): Promise<Outcome> => pool.run(JOB, run)));
      await pool.close();
    },
  });
}
