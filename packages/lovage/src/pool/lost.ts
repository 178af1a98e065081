// What is said of a job whose slot is gone: Celery's words, which people look for.
import { constants } from 'node:os';
import type { Outcome } from '../task/index.ts';
import type { Assignment } from './assignment.ts';
import type { SlotEnd } from './link.ts';
import type { Slot } from './slot.ts';

/** `signal 9 (SIGKILL)`, `exitcode 3`, `out of memory`. */
export function describeEnd({ code, signal, outOfMemory, error }: SlotEnd): string {
  if (error !== undefined) return error.message;
  if (outOfMemory === true) return 'out of memory';
  return signal === null ? `exitcode ${code ?? 0}` : `signal ${constants.signals[signal]} (${signal})`;
}

/** The outcome of a job that did not come to an end; its slot was ended because of another (`innocent`), or ended because of it (`died`). */
export function lost(message: string, runtime: number, blame?: 'innocent' | 'died'): Outcome {
  return {
    state: 'LOST',
    results: [],
    next: [],
    runtime,
    repr: message,
    error: { type: 'WorkerLostError', message, traceback: undefined, expected: false },
    ...(blame === undefined ? {} : { [blame]: true }),
  };
}

/** The same of one that may have begun in a slot that is gone, which may have said of what; `alone`: nothing else ran there. */
export function lostWith(
  { ended, culprit }: Slot,
  end: SlotEnd,
  { seq, job, runtime, stuck, startedAt }: Assignment,
  { alone }: { readonly alone: boolean },
): Outcome {
  if (stuck && startedAt === undefined) return lost('No slot began it, whichever it was handed to.', runtime);
  if (stuck) return lost('Its slot was ended because it had not begun it in time.', runtime);
  if (culprit !== undefined && culprit !== job.request.id)
    return lost('Its slot was ended by another task: an error that nobody caught, or process.exit.', runtime, 'innocent');
  if (ended) return lost('Its slot was ended because of another task in it.', runtime, 'innocent');
  return lost(
    `Worker exited prematurely: ${describeEnd(end)} Job: ${seq}.`,
    runtime,
    alone || culprit !== undefined ? 'died' : undefined,
  );
}
