// Keeps one worker program running: starts it, starts it anew when told, and ends it with everything that it started.
import { type ChildProcess, spawn } from 'node:child_process';
import { leashedEnvironment } from './leash.ts';

/** Longer than the worker's own limit for a shutdown in development. */
const HARD_MS = 8000;

export interface SupervisorOptions {
  /** The command line; shorter where it was started before. */
  args(isFirst: boolean): readonly string[];
  /** The worker's standard output goes to standard error. */
  readonly quiet: boolean;
  started(pid: number): void;
  /** It ended by itself, and waits for the next change. */
  ended(code: number): void;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  #child: ChildProcess | undefined;
  #gone: Promise<number> = Promise.resolve(0);
  #isStopping = false;
  #restart: Promise<void> | undefined;
  #isWanted = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  start(): void {
    const { args, quiet, started, ended } = this.#options;
    // A group of its own: Ctrl-C reaches this program alone, which then ends the group in order.
    const child = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? '', ...args(this.#child === undefined)], {
      stdio: ['ignore', quiet ? 2 : 'inherit', 'inherit', 'ipc'],
      env: leashedEnvironment(),
      detached: process.platform !== 'win32',
    });
    this.#child = child;
    this.#isStopping = false;
    this.#gone = new Promise((done) => {
      child.once('error', () => done(1));
      child.once('exit', (code) => done(code ?? 1));
    });
    if (child.pid !== undefined) started(child.pid);
    void this.#gone.then((code) => {
      if (child === this.#child && !this.#isStopping) ended(code);
    });
  }

  /** What comes while one restart is under way is one more restart, not many. */
  async restart(): Promise<void> {
    this.#isWanted = true;
    this.#restart ??= this.#again().finally(() => {
      this.#restart = undefined;
    });
    await this.#restart;
  }

  async #again(): Promise<void> {
    while (this.#isWanted) {
      this.#isWanted = false;
      await this.stop();
      this.start();
    }
  }

  /** Warm first, then hard. Resolves to the exit code. */
  async stop(): Promise<number> {
    this.#isStopping = true;
    this.#kill('SIGTERM');
    const timer = setTimeout(() => this.hurry(), HARD_MS);
    const code = await this.#gone;
    clearTimeout(timer);
    return code;
  }

  /** Ends it now, with what it started. */
  hurry(): void {
    this.#kill('SIGKILL');
  }

  #kill(signal: NodeJS.Signals): void {
    const { pid, exitCode, signalCode } = this.#child ?? {};
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    try {
      // Warm: the worker ends its own children. Hard: all of the group.
      process.kill(signal === 'SIGKILL' && process.platform !== 'win32' ? -pid : pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}
