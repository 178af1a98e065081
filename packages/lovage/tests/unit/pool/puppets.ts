// Slots that do what a test says, for the pool that prefork and threads share.
import { FRAME, FrameReader, FrameWriter, type SlotProgram, writeValue } from '../../../src/pool/index.ts';
import type { LinkEvents, OpenLink, SlotEnd } from '../../../src/pool/link.ts';
import { writeOutcome } from '../../../src/pool/wire.ts';
import { outcomeOf } from '../../support/jobs.ts';

/** One slot as the test moves it. */
export interface Puppet {
  /** Milliseconds at which it was started. */
  readonly at: number;
  up(): void;
  /** Says how many KiB it uses. */
  uses(kib: number): void;
  die(): void;
}

const CRASH: SlotEnd = { code: 1, signal: null };

function say(events: LinkEvents, write: (writer: FrameWriter) => void): void {
  const reader = new FrameReader((frame) => events.frame(frame));
  const writer = new FrameWriter((bytes) => {
    reader.push(Buffer.from(bytes));
    return false;
  });
  write(writer);
  writer.flush();
}

/** Slots that run every job at once, unless told to die. */
export function puppets(): { readonly started: Puppet[]; readonly open: OpenLink } {
  const started: Puppet[] = [];
  const open: OpenLink = (_, events) => {
    const die = (): void => events.gone(CRASH);
    started.push({
      at: Date.now(),
      up: () => say(events, (writer) => writer.send(FRAME.up, 0, writeValue({ tasks: [] }))),
      uses: (kib) => events.memory(kib),
      die,
    });
    return {
      pid: 1,
      send: (type, seq) => {
        if (type === FRAME.leave) queueMicrotask(() => events.gone({ code: 0, signal: null }));
        if (type !== FRAME.job) return;
        const { head, body } = writeOutcome(outcomeOf('SUCCESS'), { left: false, began: true });
        queueMicrotask(() => say(events, (writer) => writer.send(FRAME.done, seq, head, body)));
      },
      stop: () => undefined,
      ask: () => undefined,
      takeBack: () => undefined,
      kill: die,
    };
  };
  return { started, open };
}

export const program: SlotProgram = { process: new URL('file:///slot'), thread: new URL('file:///slot'), data: {} };
export const never: AbortSignal = new AbortController().signal;
