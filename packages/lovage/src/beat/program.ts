// Beat as a program: banner, signals, exit code. `lovage beat` is this with the command line's options.
import type { Lovage } from '../app/index.ts';
import { logger } from '../util/index.ts';
import { type BeatOptions, startBeat } from './beat.ts';

const log = logger('beat');

/** The part of `process` that is used. */
interface SignalSource {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
}

export interface BeatProgramOptions extends BeatOptions {
  /** Where signals come from. @default this process */
  readonly signals?: SignalSource;
  /** Called once it runs, with the address of its store. */
  readonly started?: (store: string) => void;
}

const STOPS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGQUIT'];

/**
 * Runs a beat until a signal ends it. Resolves to the exit code. Task modules should be loaded by then. Throws ConfigurationError, and what
 * its store says when it refuses it at the start; a store that is away is tried again.
 */
export async function runBeatProgram(app: Lovage, options: BeatProgramOptions = {}): Promise<number> {
  const { signals = process, started, ...own } = options;
  const { promise: stopped, resolve: stop } = Promise.withResolvers<NodeJS.Signals>();
  for (const signal of STOPS) signals.on(signal, stop);
  try {
    await using beat = await startBeat(app, own);
    started?.(beat.store);
    log.info('beat: Starting... ({store})', { store: beat.store });
    const signal = await Promise.race([stopped, beat.refused]);
    if (signal instanceof Error) throw signal;
    log.warning('beat: Shutting down ({signal})...', { signal });
  } finally {
    for (const signal of STOPS) signals.off(signal, stop);
  }
  return 0;
}
