// A sign of life to RabbitMQ that a blocked event loop still gives: a thread of its own writes heartbeats on the worker's line while the
// main loop does not turn. So heartbeats can be short, and a machine that died or froze (threads and all) is soon noticed.
//
// Main loop and thread share one socket. Whoever writes holds the line: it is free, or the main loop has bytes on their way (from the
// first byte of a write to its last, so that no frame is ever cut in two), or the thread writes its eight bytes, or it is closed.
import type { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { logger } from './logger.ts';

/** A main loop that stands still for longer is given up: RabbitMQ then hears nothing, and hands what it holds to others (ms). */
const MAX_BLOCK_MS = 600_000;
const TICK_MS = 250;
/** The thread starts a little after the first line, whose heartbeats are seconds apart: a worker takes its first tasks before. */
const START_MS = 50;
/** The thread holds a line for a second at most; one that it held when it broke would never be given back (ms). */
const MAX_HELD_MS = 5000;
/** Looks of the thread in one heartbeat. */
const LOOKS = 4;

/** Who holds a line. */
const FREE = 0;
const MAIN = 1;
const THREAD = 2;
const CLOSED = 3;

/** What the thread is started with. Plain data. */
export interface PulseData {
  /** One 32-bit number that the main loop counts up. */
  readonly turns: SharedArrayBuffer;
  readonly maxBlockMs: number;
}

/** Main loop → thread: a line to look after; it is dropped when it is found closed. */
export interface PulseOrder {
  readonly descriptor: number;
  /** One 32-bit number: who holds it. */
  readonly holder: SharedArrayBuffer;
  readonly everyMs: number;
}

/** A line whose writes are watched. */
export interface PulsedLine {
  /** From now on the thread writes heartbeats when the main loop does not; RabbitMQ expects one every so many seconds. */
  start(heartbeat: number): void;
}

export interface AmqpPulse extends AsyncDisposable {
  /** The thread says so when this loop stands still; see loop-view.ts. */
  watchLoop(view: SharedArrayBuffer): void;
  /** Before the first write. Undefined where it cannot be: on lines with TLS, whose bytes only the main loop can make, and on Windows. */
  watch(socket: Socket): PulsedLine | undefined;
}

const log = logger('broker', 'amqp');

/** The system's number of a plain socket. */
function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as { readonly _handle?: { readonly fd?: unknown } | null };
  return typeof handle?.fd === 'number' && handle.fd >= 0 ? handle.fd : undefined;
}

/** Can lines to this address have a pulse? */
export function canPulse({ tls }: { readonly tls: boolean }): boolean {
  return !tls && process.platform !== 'win32';
}

/** Waits while the thread writes its few bytes, then takes the line for `by`; a closed one stays closed. */
function take(holder: Int32Array, by: typeof MAIN | typeof CLOSED): void {
  let since: number | undefined;
  for (;;) {
    const now = Atomics.load(holder, 0);
    if (now === CLOSED || now === by) return;
    if (now === THREAD) {
      since ??= performance.now();
      if (performance.now() - since < MAX_HELD_MS) continue;
    }
    if (Atomics.compareExchange(holder, 0, now, by) === now) return;
  }
}

type Done = (error?: Error | null) => void;

/** The writes and the end of a socket, as Node's streams make them. */
interface Writes {
  _write(chunk: unknown, encoding: BufferEncoding, done: Done): void;
  _writev?(chunks: readonly unknown[], done: Done): void;
  _destroy(error: Error | null, done: Done): void;
}

function watchWrites(socket: Socket, holder: Int32Array, closed: () => void): void {
  const own = socket as unknown as Writes;
  const [write, writev, destroy] = [own._write.bind(own), own._writev?.bind(own), own._destroy.bind(own)];
  const whole =
    (done: Done): Done =>
    (error) => {
      // A part of a frame may have left.
      if (error == null) Atomics.compareExchange(holder, 0, MAIN, FREE);
      else take(holder, CLOSED);
      done(error);
    };
  own._write = (chunk, encoding, done) => {
    take(holder, MAIN);
    write(chunk, encoding, whole(done));
  };
  if (writev !== undefined)
    own._writev = (chunks, done) => {
      take(holder, MAIN);
      writev(chunks, whole(done));
    };
  // The system gives the number to the next file or socket.
  own._destroy = (error, done) => {
    take(holder, CLOSED);
    closed();
    destroy(error, done);
  };
}

/** Starts the thread at the first line; it never keeps the process alive. */
export function createAmqpPulse(): AmqpPulse {
  const turns = new SharedArrayBuffer(4);
  const counter = new Int32Array(turns);
  /** Lines, and views of the main loop. */
  let orders: (PulseOrder | SharedArrayBuffer)[] = [];
  const open = new Set<Int32Array>();
  let thread: Worker | undefined;
  let ticker: NodeJS.Timeout | undefined;
  let starting: NodeJS.Timeout | undefined;
  let isClosed = false;

  function failed(error: unknown): void {
    thread = undefined;
    log.error('No thread writes heartbeats to RabbitMQ; an event loop that is blocked may lose what it holds: {error}', {
      error,
    });
  }

  function begin(): void {
    starting = undefined;
    try {
      thread ??= startThread({ turns, maxBlockMs: MAX_BLOCK_MS }, failed);
      for (const order of orders) thread.postMessage(order);
      orders = [];
    } catch (error) {
      failed(error);
    }
  }

  function look(order: PulseOrder): void {
    if (isClosed) return;
    ticker ??= setInterval(() => Atomics.add(counter, 0, 1), TICK_MS).unref();
    orders.push(order);
    if (thread === undefined) starting ??= setTimeout(begin, START_MS).unref();
    else begin();
  }

  return {
    watchLoop: (view) => {
      if (thread === undefined) orders.push(view);
      else thread.postMessage(view);
    },
    watch: (socket) => {
      const descriptor = descriptorOf(socket);
      if (descriptor === undefined || !canPulse({ tls: 'encrypted' in socket })) return undefined;
      const holder = new SharedArrayBuffer(4);
      const line = new Int32Array(holder);
      open.add(line);
      watchWrites(socket, line, () => open.delete(line));
      return { start: (heartbeat) => look({ descriptor, holder, everyMs: (heartbeat * 1000) / LOOKS }) };
    },
    [Symbol.asyncDispose]: async () => {
      isClosed = true;
      clearInterval(ticker);
      clearTimeout(starting);
      // A thread that is ended while it holds a line keeps it for ever, and its next writer would wait as long.
      for (const line of open) take(line, CLOSED);
      await thread?.terminate();
      thread = undefined;
    },
  };
}

function startThread(workerData: PulseData, failed: (error: unknown) => void): Worker {
  const file = new URL(`./amqp-pulse-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);
  // The options of the program (inspectors, loaders, test runners) are not the thread's.
  const thread = new Worker(file, { workerData, execArgv: [], name: 'lovage-amqp-pulse' });
  thread.unref();
  thread.on('error', failed);
  return thread;
}
