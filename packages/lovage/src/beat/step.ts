// Beat inside a worker (`-B`): a part of its program, as workers know them.
import type { Lovage } from '../app/index.ts';
import { type BeatOptions, startBeat } from './beat.ts';

/** What a worker takes as a step. */
export interface BeatStep {
  readonly name: string;
  start(): Promise<AsyncDisposable>;
}

/** The step of `lovage worker -B`: `startWorker(app, { steps: [beatStep(app)] })`. */
export function beatStep(app: Lovage, options: BeatOptions = {}): BeatStep {
  return { name: 'beat', start: () => startBeat(app, { ...options, embedded: true }) };
}
