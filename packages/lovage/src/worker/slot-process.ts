// The program of a child process of the pool prefork. Started by pool/prefork.ts, never imported.
//
// Signals that a terminal or a supervisor sends to everybody are the worker's business: the child leaves when the worker says so. That it
// ends with the worker, whatever it is busy with, is the watchdog's.
import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { claimEnvironment } from '../app/index.ts';
import {
  FRAME,
  FRAMES_FD,
  type Frame,
  FrameReader,
  FrameWriter,
  flagBytes,
  LANE_FLAGS,
  readValue,
  WATCH_FD,
  WATCH_RECORD,
  writingTo,
} from '../pool/index.ts';
import { openSlotDebugger } from './debugger.ts';
import { type Serving, type SlotData, serve } from './slot-serve.ts';
import type { WatchdogData } from './slot-watchdog.ts';

interface Init {
  readonly name: string;
  readonly width: number;
  readonly watchMemory: boolean;
  readonly data: SlotData;
}

const IGNORED = ['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const;

function watch(workerData: WatchdogData): void {
  const file = new URL(`./slot-watchdog${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);
  const thread = new Worker(file, { workerData, execArgv: [], name: 'lovage-watchdog' });
  thread.unref();
}

/** The loop does not turn any more. */
function writeLast(bytes: Buffer): boolean {
  try {
    writeSync(FRAMES_FD, bytes);
  } catch {
    // The pipe is full, or the worker gone.
  }
  return false;
}

function main(): void {
  for (const signal of IGNORED) process.on(signal, () => undefined);
  // What has no effect the worker has said already.
  claimEnvironment(Object.keys(process.env).filter((variable) => variable.startsWith('LOVAGE_')));
  const frames = new Socket({ fd: FRAMES_FD, readable: true, writable: true });
  const write = writingTo(frames);
  let ending = false;
  const writer = new FrameWriter((bytes) => (ending ? writeLast(bytes) : write(bytes)));
  // The worker is gone.
  frames.on('close', () => process.exit(1));
  frames.on('error', () => undefined);
  const stderr = process.stderr.write.bind(process.stderr);
  const exit = (code: number): void => {
    writer.flush();
    frames.end(() => process.exit(code));
  };
  const written = (): Promise<void> | undefined => {
    if (frames.destroyed || frames.writableLength === 0) return undefined;
    // Called when all before it is written, or never will be.
    return new Promise((done) => frames.write('', () => done()));
  };
  let serving: Serving | undefined;
  process.on('exit', () => {
    // Nothing may come into the middle of a frame.
    ending = frames.writableLength === 0;
    if (ending) serving?.lastWords();
  });
  const begin = (frame: Frame): void => {
    if (frame.type !== FRAME.init) throw new Error(`A slot begins with the frame ${FRAME.init}, not with ${frame.type}.`);
    const { name, width, watchMemory, data } = readValue(frame) as Init;
    process.title = `lovage: ${data.hostname}:${name}`;
    const flags = new SharedArrayBuffer(flagBytes(width));
    watch({ flags, watchMemory, fd: WATCH_FD, recordBytes: WATCH_RECORD, laneFlags: LANE_FLAGS });
    // Before the app is loaded, whose modules may be what is looked for.
    if (data.inspect !== undefined) openSlotDebugger(data.inspect, Number(process.env.LOVAGE_SLOT));
    serving = serve({
      name,
      pid: process.pid,
      data,
      send: (type, seq, head, body) => writer.send(type, seq, head, body),
      flush: () => writer.flush(),
      written,
      flags: new Int32Array(flags),
      report: (line) => void stderr(`${line}\n`),
      exit,
    });
  };
  const reader = new FrameReader((frame) => (serving === undefined ? begin(frame) : serving.receive(frame)));
  frames.on('data', (chunk: Buffer) => reader.push(chunk));
}

main();
