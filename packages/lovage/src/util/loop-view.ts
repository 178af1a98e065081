// What a thread sees of the main loop: that it turns, and which task began last. The main loop writes into shared memory; the threads that
// keep leases and lines (they run while it stands still) read it and speak in its place. Imports nothing of ours: such threads start fast.
import { writeSync } from 'node:fs';

/** Where the numbers lie: turns counted, length of the text in bytes, milliseconds of standing still until a thread speaks. */
const TURNS = 0;
const LENGTH = 1;
const SPEAK = 2;
const CLOSED = -1;
const NUMBERS = 3;
const HEAD_BYTES = 12;
/** Bytes of a name, and of an id; what is longer is cut. */
const NAME_BYTES = 300;
const ID_BYTES = 100;
const SPACE = 0x20;
/** Looks of a thread until it speaks. */
const LOOKS = 10;

/** The main loop's side. */
export interface LoopView extends Disposable {
  /** For the threads. */
  readonly memory: SharedArrayBuffer;
  /** The loop turns. */
  turn(): void;
  /** This task begins. In the path of every task, so it must cost next to nothing. */
  begins(name: string, id: string): void;
  /** The task that began last has ended. */
  ended(): void;
}

/** `speakAfter`: seconds that the loop stands still until a thread speaks; it speaks again after twice as long, and so on. */
export function createLoopView(speakAfter: number): LoopView {
  const memory = new SharedArrayBuffer(HEAD_BYTES + NAME_BYTES + 1 + ID_BYTES);
  const numbers = new Int32Array(memory, 0, NUMBERS);
  const text = Buffer.from(memory, HEAD_BYTES);
  numbers[SPEAK] = Math.min(speakAfter * 1000, 2 ** 31 - 1);
  let lastName: string | undefined;
  let idAt = 0;
  return {
    memory,
    turn: () => {
      numbers[TURNS] = ((numbers[TURNS] ?? 0) + 1) & 0x7fff_ffff;
    },
    // Plain stores: who reads them looks seconds later. Most tasks have the name of the one before.
    begins: (name, id) => {
      if (name !== lastName) {
        lastName = name;
        idAt = text.write(name, 0, NAME_BYTES, 'latin1') + 1;
        text[idAt - 1] = SPACE;
      }
      // A call of Buffer costs more than the few bytes of an id.
      const end = idAt + Math.min(id.length, ID_BYTES);
      for (let at = idAt; at < end; at++) text[at] = id.charCodeAt(at - idAt);
      numbers[LENGTH] = end;
    },
    ended: () => {
      numbers[LENGTH] = 0;
    },
    [Symbol.dispose]: () => Atomics.store(numbers, TURNS, CLOSED),
  };
}

function lastBegun(memory: SharedArrayBuffer): string {
  const length = Atomics.load(new Int32Array(memory, 0, NUMBERS), LENGTH);
  const text = Buffer.from(memory, HEAD_BYTES, length).toString('latin1');
  // What comes from a message must not write lines of its own.
  return text.replaceAll(/\p{C}/gu, '?');
}

function say(memory: SharedArrayBuffer, stoodStill: number): void {
  const last = lastBegun(memory);
  const task = last === '' ? 'No task has begun lately.' : `The task that began last: ${last}.`;
  const line = `lovage: the event loop of process ${process.pid} has not turned for ${Math.round(stoodStill / 1000)} s. ${task}\n`;
  try {
    writeSync(2, line);
  } catch {
    // Nobody reads standard error just now; the worker tells it afterwards.
  }
}

/** In a thread: writes to standard error that the main loop stands still, while it does. */
export function speakForLoop(memory: SharedArrayBuffer): void {
  const numbers = new Int32Array(memory, 0, NUMBERS);
  const speakMs = Atomics.load(numbers, SPEAK);
  const lookMs = speakMs / LOOKS;
  let lastTurn = Atomics.load(numbers, TURNS);
  let lastLook = performance.now();
  let stoodStill = 0;
  let next = speakMs;
  const timer = setInterval(() => {
    const turn = Atomics.load(numbers, TURNS);
    if (turn === CLOSED) clearInterval(timer);
    const now = performance.now();
    // Time in which this thread did not run either (a stopped process) does not count.
    stoodStill = turn === lastTurn ? stoodStill + Math.min(now - lastLook, 2 * lookMs) : 0;
    lastTurn = turn;
    lastLook = now;
    if (stoodStill === 0) next = speakMs;
    if (stoodStill < next) return;
    next = 2 * stoodStill;
    say(memory, stoodStill);
  }, lookMs);
}
