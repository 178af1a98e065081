// From operating system signals to the stages of a shutdown. Only programs call this; a worker inside somebody's process leaves signals
// alone. The ladder: INT goes one stage down each time (warm, cold, hard); QUIT begins at cold; TERM is warm, and asked again cold, never
// hard. Where there is a soft wait, the next signal ends it. HUP, USR1 and USR2 are at the end of this file.
import { logger } from '../util/index.ts';
import { openDebugger } from './debugger.ts';
import { reportRunning } from './report.ts';
import type { Worker } from './worker.ts';

const log = logger('worker');

/** The part of `process` that is used, so that tests send signals without killing anybody. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
}

/** What signals may do beyond the stages of a shutdown. */
export interface SignalOptions {
  /** Where signals come from. @default this process */
  readonly source?: SignalSource;
  /** TERM does what QUIT does (`REMAP_SIGTERM=SIGQUIT`). @default false */
  readonly termIsQuit?: boolean;
  /** HUP ends the worker warmly and then calls this, which starts it anew. @default HUP keeps its usual effect, which ends the process */
  readonly restart?: (() => void) | undefined;
  /** USR2 opens Node's debugger. @default it only says how that is allowed */
  readonly debug?: boolean;
  /** Where the report of USR1 goes. @default standard error */
  readonly write?: ((text: string) => void) | undefined;
}

/** How far the shutdown has been asked to go. */
type Stage = 'none' | 'warm' | 'cold';

/** Handles signals for these workers until disposed. */
export function installSignals(workers: Worker | readonly Worker[], options: SignalOptions = {}): Disposable {
  const all: readonly Worker[] = 'stop' in workers ? [workers] : workers;
  const { source = process, termIsQuit = false, restart, debug = false, write = toStandardError } = options;
  let stage: Stage = 'none';
  let restarting = false;

  function warm(signal: NodeJS.Signals): void {
    stage = 'warm';
    if (signal === 'SIGINT') {
      log.warning('worker: Hitting Ctrl+C again will initiate cold shutdown: running tasks are aborted and given back.');
    }
    for (const worker of all) void worker.stop(signal);
  }

  function colder(signal: NodeJS.Signals, last: 'cold' | 'hard'): void {
    // Whoever is in a hurry wants an end, not a new beginning.
    restarting = false;
    const waits = all.some(({ softly }) => softly);
    if (stage === 'cold' && !waits) {
      if (last === 'hard') for (const worker of all) worker.quit(signal);
      else log.warning('worker: The cold shutdown goes on ({signal}).', { signal });
      return;
    }
    stage = 'cold';
    for (const worker of all) void worker.terminate(signal);
  }

  const handlers: Partial<Record<NodeJS.Signals, (signal: NodeJS.Signals) => void>> = {
    SIGINT: (signal) => (stage === 'none' ? warm(signal) : colder(signal, 'hard')),
    SIGQUIT: (signal) => colder(signal, 'hard'),
    SIGTERM: (signal) => {
      if (termIsQuit) colder(signal, 'hard');
      else if (stage === 'none') warm(signal);
      else colder(signal, 'cold');
    },
    SIGUSR1: () => write(all.map((worker) => reportRunning(worker)).join('\n')),
    SIGUSR2: () => openDebugger(debug),
  };
  if (restart !== undefined) {
    handlers.SIGHUP = (signal) => {
      if (stage !== 'none') return;
      restarting = true;
      log.warning('worker: Restarting ({signal}): the same command is run again once the tasks that run have ended.', { signal });
      warm(signal);
    };
  }
  const listeners = Object.entries(handlers) as [NodeJS.Signals, (signal: NodeJS.Signals) => void][];
  for (const [signal, listener] of listeners) source.on(signal, listener);
  return {
    [Symbol.dispose]: () => {
      for (const [signal, listener] of listeners) source.off(signal, listener);
      if (restarting) restart?.();
    },
  };
}

function toStandardError(text: string): void {
  process.stderr.write(`${text}\n`);
}
