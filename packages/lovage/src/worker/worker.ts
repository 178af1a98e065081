// A worker: options and an app in, a running program of bootsteps out. All its state is in the instance; several may live in one process.
// Its life: created → starting → running → stopping (warm, then cold if somebody is in a hurry) → stopped.
import { Revoked } from '../consumer/index.ts';
import { after, deadline, logger, orAborted, ShutdownError, type Timer } from '../util/index.ts';
import { workerSteps } from './blueprints.ts';
import { type Blueprint, type Bootstep, startOrdered } from './bootsteps.ts';
import { WORKER_EXIT } from './exit-codes.ts';
import type { WorkerHost, WorkerOptions, WorkerParts } from './host.ts';
import { nodeName } from './node-name.ts';
import { effective } from './options.ts';
import type { ProgramSettings } from './program-settings.ts';
import type { WorkerSource } from './source.ts';
import { lineSteps } from './steps/index.ts';
import { lastMoment, windDown } from './wind-down.ts';

const log = logger('worker');
/** Seconds that `ready` waits for what is not needed to take tasks. */
const BEFORE_READY = 1;

export type WorkerState = 'created' | 'starting' | 'running' | 'stopping' | 'stopped';

/** What `start` found, for the banner. */
export interface WorkerFacts {
  readonly parts: WorkerParts;
  readonly pool: string;
  readonly concurrency: number;
  /** Events about tasks are sent. */
  readonly taskEvents: boolean;
}

/** What a program does while its worker starts. */
export interface StartMoments {
  /** After the signal workerInit: the place to set logging up. */
  readonly initialized?: () => Promise<void>;
  /** The pool is there, and the broker has not been asked for anything yet: the place for a banner. */
  readonly facts?: (facts: WorkerFacts) => void;
}

/** One worker. */
export class Worker implements AsyncDisposable {
  /** Node name. */
  readonly hostname: string;
  /** Resolves to the exit code when the worker has stopped: 0, 1 after an error or a hard shutdown, 3 when tasks were broken off. */
  readonly closed: Promise<number>;
  readonly #source: WorkerSource;
  readonly #options: WorkerOptions;
  readonly #closed = Promise.withResolvers<number>();
  readonly #abort = new AbortController();
  readonly #started = Promise.withResolvers<void>();
  #state: WorkerState = 'created';
  #blueprint: Blueprint | undefined;
  #facts: WorkerFacts | undefined;
  #settings: ProgramSettings | undefined;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #failure: Error | undefined;
  #cold = false;
  #hard = false;
  #host: WorkerHost | undefined;
  #soft: Timer | undefined;

  constructor(source: WorkerSource, options: WorkerOptions = {}) {
    this.#source = source;
    this.#options = options;
    this.hostname = nodeName(options.hostname);
    this.closed = this.#closed.promise;
  }

  get state(): WorkerState {
    return this.#state;
  }

  /** The error that ended it. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** What its steps share; known once the parts are open. */
  get host(): WorkerHost | undefined {
    return this.#host;
  }

  /** Does a cold shutdown wait for tasks that may still end by themselves? */
  get softly(): boolean {
    return this.#soft !== undefined && !this.#cold;
  }

  /** Known once the parts are open. */
  get facts(): WorkerFacts | undefined {
    return this.#facts;
  }

  /** Statistics of every step. */
  info(): Readonly<Record<string, unknown>> {
    return { pid: process.pid, hostname: this.hostname, state: this.#state, ...this.#blueprint?.info() };
  }

  /** Starts everything; resolves when the first take is armed. */
  start(moments: StartMoments = {}): Promise<void> {
    this.#starting ??= this.#start(moments);
    return this.#starting;
  }

  /** Warm shutdown: takes nothing more, finishes what runs within `shutdownTimeout`, gives the rest back. Resolves when it has stopped. */
  stop(cause = 'stop'): Promise<void> {
    this.#stopping ??= this.#stop(cause);
    return this.#stopping;
  }

  /**
   * Cold shutdown: aborts what runs and gives it back. At once, or, when the setting workerSoftShutdownTimeout says so, after as many
   * seconds in which it may still end by itself; asked a second time, at once.
   */
  terminate(cause = 'terminate'): Promise<void> {
    const seconds = this.#settings?.workerSoftShutdownTimeout ?? 0;
    const soft = this.#soft === undefined && !this.#cold && seconds > 0 && this.#runs;
    if (!soft) return this.#terminateNow(cause);
    log.warning('worker: Soft shutdown ({cause}): running tasks are aborted in {seconds} seconds.', { cause, seconds });
    this.#soft = after(seconds, () => void this.#terminateNow(cause), { ref: true });
    void this.closed.finally(() => this.#soft?.cancel());
    return this.stop(cause);
  }

  /**
   * Hard shutdown: `closed` resolves at once, and nothing is waited for or given back any more. For a program that ends its process now:
   * the broker gives back what it held, as after a crash.
   */
  quit(cause = 'quit'): void {
    if (this.#state === 'stopped') return;
    this.#hard = true;
    log.fatal('worker: Hard shutdown ({cause}): what is held comes back when the broker misses this worker.', { cause });
    this.#closed.resolve(this.#exitCode);
  }

  #terminateNow(cause: string): Promise<void> {
    if (!this.#cold && this.#state !== 'stopped') {
      this.#cold = true;
      const expected = this.#runs ? WORKER_EXIT.interrupted : WORKER_EXIT.clean;
      this.#tellStopping(cause, 'cold', this.#failure === undefined ? expected : WORKER_EXIT.failure);
      this.#abort.abort(new ShutdownError('The worker was told to stop at once.'));
    }
    return this.stop(cause);
  }

  /** Takes nothing more and finishes what runs; at the signal's abort it is interrupted and given back. The worker is stopped then. */
  drain(signal: AbortSignal): Promise<void> {
    const hurry = (): void => void this.#abort.abort(signal.reason);
    if (signal.aborted) hurry();
    else signal.addEventListener('abort', hurry, { once: true });
    return this.stop('drain').finally(() => signal.removeEventListener('abort', hurry));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop('dispose');
  }

  /** Does a task run, in the pool or beside it in a process of its own? */
  get #runs(): boolean {
    return this.#host?.consumer?.flow.runs === true;
  }

  get #exitCode(): number {
    if (this.#failure !== undefined || this.#hard) return WORKER_EXIT.failure;
    return (this.#host?.consumer?.flow.interrupted ?? 0) > 0 ? WORKER_EXIT.interrupted : WORKER_EXIT.clean;
  }

  async #start(moments: StartMoments): Promise<void> {
    const { signals } = this.#source;
    this.#state = 'starting';
    this.#stayAlive();
    let parts: WorkerParts | undefined;
    try {
      // Modules first: they are where observers of what follows are connected.
      // A module that never ends its start must not keep a worker from stopping.
      await orAborted(this.#source.load(this.#options.include ?? []), this.#abort.signal);
      await signals.celerydInit.tell(() => ({ hostname: this.hostname, options: { ...this.#options } }), this.hostname);
      await signals.workerInit.tell(() => ({ hostname: this.hostname }));
      await moments.initialized?.();
      const settings = this.#source.settings();
      this.#settings = settings;
      parts = await this.#source.open({ hostname: this.hostname, worker: this.#options });
      await signals.celerydAfterSetup.tell(() => ({ hostname: this.hostname }), this.hostname);
      const host = this.#makeHost(parts, settings);
      this.#host = host;
      const told: Bootstep<WorkerHost> = {
        name: 'facts',
        requires: ['pool'],
        start: async () => {
          this.#facts = {
            parts: host.parts,
            pool: host.pool?.name ?? host.poolName,
            concurrency: host.pool?.limit ?? 0,
            taskEvents: host.options.taskEvents === true,
          };
          moments.facts?.(this.#facts);
        },
      };
      const steps = workerSteps([...this.#source.steps(), ...(this.#options.steps ?? [])]);
      this.#blueprint = withParts(await startOrdered(withFacts(steps, told), host, this.#abort.signal), parts);
      // It has taken its first tasks, perhaps: a stop lets them end, and an error that ends a part ends the worker.
      this.#state = 'running';
      await settled(host.beforeReady, this.#abort.signal);
      if (this.#stopping !== undefined) return;
      this.#started.resolve();
      log.info('{hostname} ready.', { hostname: this.hostname });
      signals.workerReady.emit(() => ({ hostname: this.hostname }));
    } catch (error) {
      await parts?.[Symbol.asyncDispose]();
      this.#state = 'stopped';
      if (!this.#abort.signal.aborted) this.#failure = error instanceof Error ? error : new Error(String(error));
      this.#closed.resolve(this.#exitCode);
      throw error;
    }
  }

  /** A worker that waits for tasks has nothing else that keeps its process alive: idle connections do not. */
  #stayAlive(): void {
    const alive = setInterval(() => undefined, 2 ** 30);
    void this.closed.finally(() => clearInterval(alive));
  }

  #makeHost(parts: WorkerParts, settings: ProgramSettings): WorkerHost {
    return {
      hostname: this.hostname,
      ...effective(this.#options, settings),
      signals: this.#source.signals,
      settings,
      parts,
      pool: undefined,
      tasks: undefined,
      consumer: undefined,
      autoscaler: undefined,
      events: undefined,
      revoked: new Revoked({ max: settings.workerRevokesMax, seconds: settings.workerRevokeExpires }),
      stateChanged: undefined,
      wakeParked: undefined,
      memorySamples: [],
      startedAt: performance.now(),
      started: this.#started.promise,
      beforeReady: [],
      info: () => this.info(),
      stop: (cause) => void this.stop(cause),
      peers: undefined,
      consumerSteps: [...lineSteps, ...this.#source.consumerSteps(), ...(this.#options.consumerSteps ?? [])],
      fail: (error) => {
        if (this.#state === 'starting') this.#failStart(error);
        if (this.#state !== 'running') return;
        this.#failure = error;
        log.fatal('Unrecoverable error: {error}', { error });
        void this.#terminateNow('error');
      },
      retire: (reason) => {
        if (this.#stopping !== undefined) return;
        this.#failure = new ShutdownError(reason);
        log.fatal('{reason}', { reason });
        void this.stop('retired');
      },
    };
  }

  /** A part failed while others still start: there is nothing to start for. Whoever waits for the start is told. */
  #failStart(error: Error): void {
    if (this.#stopping !== undefined || this.#failure !== undefined) return;
    this.#failure = error;
    this.#abort.abort(error);
  }

  #tellStopping(cause: string, how: 'warm' | 'cold', exitCode: number): void {
    log.warning('worker: {how} shutdown ({cause})', { how: how === 'warm' ? 'Warm' : 'Cold', cause });
    const { hostname } = this;
    this.#source.signals.workerShuttingDown.emit(() => ({ hostname, cause, how, exitCode }), hostname);
  }

  async #stop(cause: string): Promise<void> {
    if (this.#state === 'created' || this.#state === 'stopped') {
      this.#state = 'stopped';
      this.#closed.resolve(this.#exitCode);
      return;
    }
    if (!this.#cold) this.#tellStopping(cause, 'warm', this.#failure === undefined ? WORKER_EXIT.clean : WORKER_EXIT.failure);
    if (this.#state === 'starting') {
      // Nothing was taken yet: the start is broken off, and takes down what it had started.
      this.#abort.abort(new ShutdownError('The worker was stopped while it started.'));
      await this.#starting?.catch(() => undefined);
    }
    const seconds = this.#host?.options.shutdownTimeout ?? null;
    using last = lastMoment(seconds, this.#abort.signal);
    if (this.#blueprint !== undefined) {
      this.#state = 'stopping';
      await windDown(this.#blueprint, { seconds, cold: this.#abort.signal, last: last.signal });
    }
    this.#state = 'stopped';
    const told = this.#source.signals.workerShutdown.tell(() => ({ hostname: this.hostname }));
    await orAborted(told, last.signal).catch(() =>
      log.warning('Observers of the signal worker_shutdown had not ended in time, and are left to themselves.'),
    );
    this.#closed.resolve(this.#exitCode);
  }
}

/** Waits for all of them, a moment at most, whatever becomes of them. */
async function settled(promises: readonly Promise<unknown>[], signal: AbortSignal): Promise<void> {
  using limit = deadline(BEFORE_READY, () => new ShutdownError('too late'), signal);
  await orAborted(Promise.allSettled(promises), limit.signal).catch(() => undefined);
}

/** The banner is shown as soon as the pool is there. */
function withFacts(steps: readonly Bootstep<WorkerHost>[], told: Bootstep<WorkerHost>): readonly Bootstep<WorkerHost>[] {
  return steps.flatMap((step) => (step.name === 'pool' ? [step, told] : [step]));
}

/** The parts are closed after every step. */
function withParts(blueprint: Blueprint, parts: WorkerParts): Blueprint {
  return {
    names: blueprint.names,
    drain: (signal) => blueprint.drain(signal),
    info: () => blueprint.info(),
    stop: async (hurry, last) => {
      await blueprint.stop(hurry, last);
      await orAborted(Promise.resolve(parts[Symbol.asyncDispose]()), hurry).catch((error: unknown) =>
        log.debug('The parts of the worker were not closed in time: {error}', { error: String(error) }),
      );
    },
    [Symbol.asyncDispose]: async () => {
      await blueprint[Symbol.asyncDispose]();
      await parts[Symbol.asyncDispose]();
    },
  };
}
