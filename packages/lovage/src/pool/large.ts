// Says once for each task that what goes to its slots, or comes from them, is large: it is copied from process to process, read and written
// as a whole, and holds up what stands behind it.
import { logger } from '../util/index.ts';

const log = logger('pool');
const MEGABYTE = 1_048_576;

/** Bytes of a frame, beyond which there is a warning. */
export const LARGE_FRAME: number = 16 * MEGABYTE;

export class LargeFrames {
  readonly #told = new Set<string>();

  /** A frame of this task is larger than LARGE_FRAME. */
  tell(task: string, what: 'arguments' | 'result', bytes: number): void {
    const key = `${what} ${task}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    log.warning(
      'The {what} of {task} took {megabytes} MB on the way between the worker and its slot; more than {limit} MB slow everything beside them. Put the data into a file or a store and send where it lies. This is said once for each task.',
      { what, task, megabytes: Math.round(bytes / MEGABYTE), limit: LARGE_FRAME / MEGABYTE },
    );
  }
}
