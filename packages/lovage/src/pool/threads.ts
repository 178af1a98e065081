// Slots that are worker threads: JavaScript in parallel, started in a third of the time of a process and with a fifth of its memory. What
// JavaScript does in one can be ended; native code cannot, and a crash there takes the whole worker along.
import { inspect } from 'node:util';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { FrameWriter } from './frames.ts';
import {
  FLAG,
  flagBytes,
  framesOf,
  inheritedOptions,
  LANE_FLAGS,
  Lines,
  type Link,
  type LinkEvents,
  type LinkOptions,
  type SlotEnd,
  type ThreadData,
  unclaim,
} from './link.ts';
import type { Pool } from './seam.ts';
import { openSlotPool, type SlotPoolOptions } from './slot-pool.ts';

/** Milliseconds between two looks at the memory of a thread. */
const MEMORY_MS = 1000;

/** Options of Node that only a process can have, as far as they were met: a thread refuses to start with them, and says which. */
const processOnly = new Set<string>();

/** Without those, and the values that stand behind them. */
function forThread(options: readonly string[]): string[] {
  return options.filter((option, index) => {
    const owner = option.startsWith('-') ? option : options[index - 1];
    return owner === undefined || !processOnly.has(owner);
  });
}

function refusedIn(error: unknown): readonly string[] {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'ERR_WORKER_INVALID_EXEC_ARGV' ? (/flags: (.*)$/.exec(message)?.[1]?.split(', ') ?? []) : [];
}

function startWith(options: readonly string[], begin: (execArgv: string[]) => Worker): Worker {
  const execArgv = forThread(options);
  try {
    return begin(execArgv);
  } catch (error) {
    const refused = refusedIn(error).filter((option) => execArgv.includes(option));
    if (refused.length === 0) throw error;
    for (const option of refused) processOnly.add(option);
    return startWith(options, begin);
  }
}

function start({ program, index, name, width }: LinkOptions, flags: SharedArrayBuffer): Worker {
  const { execArgv = inheritedOptions(), environment, data, heap } = program;
  const workerData: ThreadData = { name, width, data, flags };
  const options: WorkerOptions = {
    workerData,
    name,
    env: { ...process.env, ...environment, LOVAGE_SLOT: String(index) },
    ...(heap === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: heap } }),
    stdout: true,
    stderr: true,
  };
  return startWith(execArgv, (accepted) => new Worker(program.thread, { ...options, execArgv: accepted }));
}

function watchMemory(thread: Worker, events: LinkEvents): NodeJS.Timeout {
  return setInterval(() => {
    thread.getHeapStatistics().then(
      ({ used_heap_size: bytes }) => events.memory(Math.round(bytes / 1024)),
      // It ends just now.
      () => undefined,
    );
  }, MEMORY_MS).unref();
}

function openThread(options: LinkOptions, events: LinkEvents): Link {
  const buffer = new SharedArrayBuffer(flagBytes(options.width));
  const flags = new Int32Array(buffer);
  const thread = start(options, buffer);
  const kill = (): void => void thread.terminate();
  const read = framesOf(options.name, events, kill);
  const writer = new FrameWriter((bytes) => {
    // Only the bytes that are used: a port takes the whole of the memory behind a view.
    const copy = new Uint8Array(bytes);
    thread.postMessage(copy, [copy.buffer]);
    return false;
  });
  for (const name of ['stdout', 'stderr'] as const) {
    const lines = new Lines((line) => events.line(name, line));
    thread[name].on('data', (chunk: Buffer) => lines.push(chunk));
    thread[name].once('end', () => lines.end());
  }
  const timer = options.watchMemory ? watchMemory(thread, events) : undefined;
  let outOfMemory = false;
  // Tasks may post to their parent what they like, and throw what they like.
  thread.on('message', (message: unknown) => {
    if (typeof message === 'string') events.line('stderr', message);
    else if (message instanceof Uint8Array) read(Buffer.from(message.buffer, message.byteOffset, message.byteLength));
  });
  thread.on('error', (thrown: unknown) => {
    outOfMemory = (thrown as NodeJS.ErrnoException | null | undefined)?.code === 'ERR_WORKER_OUT_OF_MEMORY';
    const stack: unknown = thrown instanceof Error ? thrown.stack : undefined;
    events.line('stderr', typeof stack === 'string' ? stack : inspect(thrown));
  });
  thread.once('exit', (code) => {
    clearInterval(timer);
    const end: SlotEnd = { code, signal: null, outOfMemory };
    // What it wrote last comes with the next turn.
    setImmediate(() => events.gone(end));
  });
  return {
    pid: process.pid,
    send: (type, seq, head, body) => writer.send(type, seq, head, body),
    stop: (lane, seq, code) => {
      Atomics.store(flags, LANE_FLAGS * lane + FLAG.why, code);
      Atomics.store(flags, LANE_FLAGS * lane + FLAG.stop, seq);
    },
    ask: (lane) => events.begun(Atomics.load(flags, LANE_FLAGS * lane + FLAG.begun)),
    takeBack: (lane, seq) => {
      if (unclaim(flags, lane, seq)) events.returned(seq);
    },
    kill,
  };
}

/** Starts the threads; resolves when the first is ready. */
export function open(options: SlotPoolOptions): Promise<Pool> {
  return openSlotPool('threads', options, openThread);
}
