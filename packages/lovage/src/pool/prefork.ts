// Slots that are child processes: what crashes, leaks or computes in one hurts nobody else, and can be ended at any moment.
//
// A child leads a process group of its own, so that Ctrl-C in a terminal reaches the worker alone, and so that what its tasks started
// ends with it. Frames go over one pipe; over a second one its watchdog thread (watchdog in the slot's program) hears what must be heard
// while its loop is busy, the end of the worker above all: when the worker dies the pipe closes, and the child goes too.
import { type ChildProcess, spawn } from 'node:child_process';
import { getCompileCacheDir } from 'node:module';
import type { Duplex, Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { after } from '../util/index.ts';
import { FRAME, FrameWriter, writingTo } from './frames.ts';
import {
  ANSWER,
  ANSWER_RECORD,
  framesOf,
  inheritedEnvironment,
  inheritedOptions,
  Lines,
  type Link,
  type LinkEvents,
  type LinkOptions,
  type SlotEnd,
  WATCH,
  WATCH_RECORD,
} from './link.ts';
import type { Pool } from './seam.ts';
import { openSlotPool, type SlotPoolOptions } from './slot-pool.ts';
import { writeValue } from './wire.ts';

/** Seconds after its end in which a child's streams have to end; a process that it started may hold them open. */
const STREAMS_TIMEOUT = 1;

/** Slots load what the worker has compiled. */
function compileCache(): NodeJS.ProcessEnv {
  const folder = getCompileCacheDir();
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: folder };
}

function start({ program, index }: LinkOptions): ChildProcess {
  const { process: entry, execArgv = inheritedOptions(), environment } = program;
  return spawn(process.execPath, [...execArgv, fileURLToPath(entry)], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...inheritedEnvironment(), ...compileCache(), ...environment, LOVAGE_SLOT: String(index) },
  });
}

/** What comes of a stream that breaks is told by the end of the child. */
function quiet(stream: Duplex | Readable): void {
  stream.on('error', () => undefined);
}

function endOf(child: ChildProcess, streams: readonly Readable[], events: LinkEvents): void {
  let end: SlotEnd | undefined;
  let open = streams.length;
  let told = false;
  const tell = (): void => {
    if (told || end === undefined) return;
    told = true;
    for (const stream of streams) stream.destroy();
    events.gone(end);
  };
  const closed = (): void => {
    open--;
    if (open === 0) tell();
  };
  for (const stream of streams) stream.once('close', closed);
  child.once('exit', (code, signal) => {
    end = { code, signal };
    // What the tasks of a child started that did not leave in peace is nobody's now.
    if (code !== 0) killGroup(child.pid);
    if (open === 0) tell();
    else after(STREAMS_TIMEOUT, tell, { ref: true });
  });
  child.once('error', (error) => {
    end ??= { code: null, signal: null, error };
    if (child.pid === undefined) tell();
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody is left in it.
  }
}

function tellWatchdog(watch: Duplex, lane: number, seq: number, code: number): void {
  if (watch.destroyed) return;
  const record = Buffer.alloc(WATCH_RECORD);
  record.writeUInt32BE(lane, 0);
  record.writeUInt32BE(seq, 4);
  record.writeUInt32BE(code, 8);
  watch.write(record);
}

function hearWatchdog(watch: Duplex, events: LinkEvents): void {
  let rest: Buffer = Buffer.alloc(0);
  watch.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (; rest.length >= ANSWER_RECORD; rest = rest.subarray(ANSWER_RECORD)) {
      const value = rest.readUInt32BE(4);
      const what = rest.readUInt32BE(0);
      if (what === ANSWER.memory) events.memory(value);
      else if (what === ANSWER.returned) events.returned(value);
      else events.begun(value);
    }
  });
}

type Streams = readonly [null, Readable, Readable, Duplex, Duplex];

/** Out of file descriptors Node makes no pipes, and says so a moment later. */
function stillborn(child: ChildProcess, events: LinkEvents): Link {
  const nothing = (): void => undefined;
  child.once('error', (error) => events.gone({ code: null, signal: null, error }));
  return { pid: 0, send: nothing, stop: nothing, ask: nothing, takeBack: nothing, kill: nothing };
}

function openChild(options: LinkOptions, events: LinkEvents): Link {
  const child = start(options);
  const streams = child.stdio as unknown as Streams | undefined;
  if (streams === undefined) return stillborn(child, events);
  const [, stdout, stderr, frames, watch] = streams;
  const { name, width, watchMemory, program } = options;
  const kill = (): void => {
    child.kill('SIGKILL');
    killGroup(child.pid);
  };
  const writer = new FrameWriter(writingTo(frames));
  for (const stream of [stdout, stderr, frames, watch]) quiet(stream);
  frames.on('data', framesOf(name, events, kill));
  for (const [output, stream] of [
    ['stdout', stdout],
    ['stderr', stderr],
  ] as const) {
    const lines = new Lines((line) => events.line(output, line));
    stream.on('data', (chunk: Buffer) => lines.push(chunk));
    stream.once('close', () => lines.end());
  }
  hearWatchdog(watch, events);
  endOf(child, [stdout, stderr, frames], events);
  writer.send(FRAME.init, 0, writeValue({ name, width, watchMemory, data: program.data }));
  return {
    pid: child.pid ?? 0,
    send: (type, seq, head, body) => writer.send(type, seq, head, body),
    stop: (lane, seq, code) => tellWatchdog(watch, lane, seq, code),
    ask: (lane) => tellWatchdog(watch, lane, 0, WATCH.ask),
    takeBack: (lane, seq) => tellWatchdog(watch, lane, seq, WATCH.takeBack),
    kill,
  };
}

/** Starts the children; resolves when the first is ready. */
export function open(options: SlotPoolOptions): Promise<Pool> {
  return openSlotPool('prefork', options, openChild);
}
