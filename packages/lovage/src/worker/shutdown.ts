// From operating system signals to the stages of a shutdown: the first INT or TERM is warm, any second one is cold, QUIT is cold at
// once. Only programs call this; a worker inside somebody's process leaves signals alone.
import { logger } from '../util/index.ts';
import type { Worker } from './worker.ts';

const log = logger('worker');
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGQUIT'] as const;

/** The part of `process` that is used, so that tests send signals without killing anybody. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
}

/** Handles signals for these workers until disposed. */
export function installSignals(workers: Worker | readonly Worker[], source: SignalSource = process): Disposable {
  const all: readonly Worker[] = 'stop' in workers ? [workers] : workers;
  let asked = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    asked++;
    const cold = asked > 1 || signal === 'SIGQUIT';
    if (!cold && signal === 'SIGINT') {
      log.warning('worker: Hitting Ctrl+C again will initiate cold shutdown: running tasks are aborted and given back.');
    }
    for (const worker of all) void (cold ? worker.terminate(signal) : worker.stop(signal));
  };
  for (const signal of SIGNALS) source.on(signal, onSignal);
  return {
    [Symbol.dispose]: () => {
      for (const signal of SIGNALS) source.off(signal, onSignal);
    },
  };
}
