// What a pool of slots needs of one slot, whatever it runs in: frames to it and from it, a word that is seen even while it computes, its
// end. prefork.ts makes links of child processes, threads.ts of worker threads.
import { logger } from '../util/index.ts';
import { type Frame, readingFrames, type SendFrame } from './frames.ts';

const log = logger('pool');

/** How a slot ended. */
export interface SlotEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** It used more memory than it was allowed. */
  readonly outOfMemory?: boolean;
  /** It could not be started at all. */
  readonly error?: Error;
}

/** Which of its two outputs a slot wrote to. */
export type OutputStream = 'stdout' | 'stderr';

/** What a slot tells. */
export interface LinkEvents {
  frame(frame: Frame): void;
  /** A whole line, without its end. */
  line(stream: OutputStream, text: string): void;
  /** The task of that job has begun: what `ask` found. */
  begun(seq: number): void;
  /** That job is not run: `takeBack` came before its beginning. */
  returned(seq: number): void;
  /** KiB that it uses now. */
  memory(kib: number): void;
  /** It is gone, and everything that it had said was told. Called once. */
  gone(end: SlotEnd): void;
}

/** Seconds for handlers and errbacks of a body that its hard limit ended; a limit that leaves as much is no matter of theirs. */
export const ENDING_GRACE = 5;

/** Why a job has to stop, for a slot that computes and reads no frames. */
export const STOP = { terminated: 1, interrupted: 2 } as const;
export type StopCode = (typeof STOP)[keyof typeof STOP];

/** Numbers of a lane in memory that a slot shares with whoever hears the worker while the slot computes. */
export const LANE_FLAGS = 4;
export const FLAG = {
  /** The job that has to stop. */
  stop: 0,
  /** Why: one of STOP. */
  why: 1,
  /** The job whose task has begun. */
  begun: 2,
  /** Of jobs that waited in the slot: the last that the slot took, or, below zero, the last that was taken back. */
  claim: 3,
} as const;

/** Whose is a job that waits in a slot? Whoever is first, the slot that begins it or the worker that takes it back. True: it is the slot's. */
export function claim(flags: Int32Array, lane: number, seq: number): boolean {
  const at = LANE_FLAGS * lane + FLAG.claim;
  for (;;) {
    const last = Atomics.load(flags, at);
    if (last < 0 && !isLater(seq, -last)) return false;
    if (Atomics.compareExchange(flags, at, last, seq) === last) return true;
  }
}

/** The other side of `claim`: true when the slot has not begun the job and never will. */
export function unclaim(flags: Int32Array, lane: number, seq: number): boolean {
  const at = LANE_FLAGS * lane + FLAG.claim;
  for (;;) {
    const last = Atomics.load(flags, at);
    if (last !== 0 && !isLater(seq, Math.abs(last))) return false;
    if (Atomics.compareExchange(flags, at, last, -seq) === last) return true;
  }
}

/** Numbers of jobs go up, and begin anew some day. */
function isLater(seq: number, than: number): boolean {
  return seq !== than && ((seq - than) & 0x7fff_ffff) < 0x4000_0000;
}

/** Bytes of these numbers. */
export function flagBytes(width: number): number {
  return 4 * LANE_FLAGS * width;
}

/** One running slot as its pool sees it. */
export interface Link {
  readonly pid: number;
  readonly send: SendFrame;
  /** Seen by `ctx.throwIfAborted()` also in a loop that never waits. */
  stop(lane: number, seq: number, code: StopCode): void;
  /** Asks which job has begun in a lane, also when the slot computes; `begun` tells it. */
  ask(lane: number): void;
  /** Takes a job back that waits there behind another, unless it has begun; `returned` tells it. */
  takeBack(lane: number, seq: number): void;
  /** Ends it now, with all that it started. */
  kill(): void;
}

export interface LinkOptions {
  /** Name of the slot: `prefork-1`. */
  readonly name: string;
  /** 1, 2, …; used again by the slot that takes its place. */
  readonly index: number;
  readonly program: SlotProgram;
  /** Jobs at once. */
  readonly width: number;
  /** Is `memory` to be told? */
  readonly watchMemory: boolean;
}

/** File descriptors of a child process. */
export const FRAMES_FD = 3;
export const WATCH_FD = 4;
/** Bytes of a record on the second pipe: lane, number of the job, code (one of STOP or WATCH); back: what follows, number. */
export const WATCH_RECORD = 12;
export const WATCH = { ask: 0, takeBack: 3 } as const;
export const ANSWER_RECORD = 8;
export const ANSWER = { memory: 0, begun: 1, returned: 2 } as const;

/** What the program of a thread finds in `workerData`. Plain data. */
export interface ThreadData {
  readonly name: string;
  readonly width: number;
  readonly data: Readonly<Record<string, unknown>>;
  /** Numbers for each lane, as FLAG says. */
  readonly flags: SharedArrayBuffer;
}

/** What runs inside the slots of a worker. */
export interface SlotProgram {
  /** The file that a child process, or a thread, begins with. */
  readonly process: URL;
  readonly thread: URL;
  /** What the file is given: plain data. */
  readonly data: Readonly<Record<string, unknown>>;
  /** Environment variables beside those of this process. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Options of Node. @default those of this process, without inspectors, test runners and code */
  readonly execArgv?: readonly string[];
  /** Megabytes of JavaScript that a thread may hold; more ends it. @default what Node allows */
  readonly heap?: number;
}

/** Reads what a slot says. Code of a task can reach the line, too: whoever spoils it ends its slot. */
export function framesOf(slot: string, events: LinkEvents, kill: () => void): (bytes: Buffer) => void {
  const broken = (error: unknown): void => {
    log.error('What {slot} sent cannot be read, so it is ended: {error}', { slot, error: String(error) });
    kill();
  };
  return readingFrames((frame) => events.frame(frame), broken);
}

export type OpenLink = (options: LinkOptions, events: LinkEvents) => Link;

/** Options of Node that belong to one process: an inspector's port, a program given as text, a test runner. */
const OWN = /^--?(?:inspect|e$|eval|p$|print|pe$|c$|check$|i$|interactive|test|watch|input-type|cpu-prof|heap-prof|prof$)/;
/** Their value may stand apart. */
const WITH_VALUE = /^--?(?:e|eval|p|print|pe|input-type|watch-path|inspect-port|test-[a-z-]+)$/;

/** The options of this process that its slots have, too. */
export function inheritedOptions(argv: readonly string[] = process.execArgv): readonly string[] {
  return argv.filter((option, index) => !OWN.test(option) && !WITH_VALUE.test(argv[index - 1] ?? ''));
}

/** What opens a debugger, in a list of options as the environment has it. */
const DEBUGGER = /(?<=^|\s)--inspect(?:-brk|-wait|-port)?(?:=\S+| [\w.:[\]]*\d)?(?=\s|$)\s*/g;

/** `NODE_OPTIONS` of this process for its slots: the port of its debugger is taken, and one that waits for somebody would never be ready. */
export function inheritedEnvironment({ NODE_OPTIONS: options }: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return options === undefined ? {} : { NODE_OPTIONS: options.replaceAll(DEBUGGER, '').trim() };
}

/** Longest line, in units of text; the rest of a longer one is a line of its own. */
export const MAX_LINE = 16_384;
/** Begins a line that is a record of the log, and the longest of these: it may hold a line twice, in the letters of JSON. */
export const RECORD_MARK = '\u001e';
export const MAX_RECORD: number = 16 * MAX_LINE;

const longest = (line: string): number => (line.startsWith(RECORD_MARK) ? MAX_RECORD : MAX_LINE);

/** Whole lines of a stream of bytes. */
export class Lines {
  readonly #onLine: (line: string) => void;
  readonly #decoder = new TextDecoder();
  #rest = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(chunk: Uint8Array): void {
    const text = this.#rest + this.#decoder.decode(chunk, { stream: true });
    const lines = text.split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#say(line);
    for (let most = longest(this.#rest); this.#rest.length > most; most = longest(this.#rest)) {
      this.#onLine(this.#rest.slice(0, most));
      this.#rest = this.#rest.slice(most);
    }
  }

  /** The stream has ended: what has no line end is a line as it is. */
  end(): void {
    const rest = this.#rest + this.#decoder.decode();
    this.#rest = '';
    if (rest !== '') this.#say(rest);
  }

  #say(line: string): void {
    const most = longest(line);
    for (let at = 0; at === 0 || at < line.length; at += most) this.#onLine(line.slice(at, at + most));
  }
}
