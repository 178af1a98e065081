// A worker as a program: banner, signals, exit code. `lovage worker` is this with the command line's options.
import { type Lovage, userValues } from '../app/index.ts';
import { banner } from './banner.ts';
import type { WorkerOptions } from './host.ts';
import { configureLogging, type LoggingOptions } from './logging.ts';
import { sourceOf } from './of-app.ts';
import { redirectConsole } from './redirect.ts';
import { installSignals, type SignalSource } from './shutdown.ts';
import { checkOptions, Worker, type WorkerFacts } from './worker.ts';

export interface ProgramOptions extends WorkerOptions {
  /** Print the banner. @default true */
  readonly banner?: boolean;
  /** List the tasks in it. @default true */
  readonly listTasks?: boolean;
  /** Shown in the banner. */
  readonly version?: string;
  /** Where the banner goes. @default standard output */
  readonly write?: (text: string) => void;
  /** Sets logging up as the settings of the app say: formats and colours of lines, or not at all (`workerHijackRootLogger`). @default logging is left alone */
  readonly logging?: LoggingOptions;
  /** Where signals come from. @default this process */
  readonly signals?: SignalSource;
}

/** Makes a worker and starts it; resolves when its first take is armed. */
export async function startWorker(app: Lovage, options: WorkerOptions = {}): Promise<Worker> {
  checkOptions(options);
  const worker = new Worker(sourceOf(app), withUserOptions(app, options));
  await worker.start();
  return worker;
}

/** Options that the app adds are there in any case, with their defaults. */
function withUserOptions(app: Lovage, options: WorkerOptions): WorkerOptions {
  return { ...options, userOptions: userValues(app.userOptions.worker, options.userOptions) };
}

/** Runs a worker until a signal or an error ends it. Resolves to the exit code: 0 after a warm shutdown, 1 after a cold one or an error. */
export async function runWorkerProgram(app: Lovage, options: ProgramOptions = {}): Promise<number> {
  const { banner: wanted = true, listTasks = true, version = '', write, signals, logging, ...own } = options;
  checkOptions(own);
  const source = sourceOf(app);
  const { workerLogFormat, workerTaskLogFormat, workerLogColor, workerRedirectStdouts, workerRedirectStdoutsLevel } =
    app.settings;
  if (logging !== undefined && app.settings.workerHijackRootLogger) {
    const color = workerLogColor ?? logging.color ?? false;
    await configureLogging({ lineFormat: workerLogFormat, taskFormat: workerTaskLogFormat, ...logging, color });
  }
  using _console = workerRedirectStdouts ? redirectConsole(workerRedirectStdoutsLevel) : undefined;
  const worker = new Worker(source, withUserOptions(app, own));
  const print = write ?? ((text: string): void => void process.stdout.write(text));
  const show = (facts: WorkerFacts): void => {
    if (!wanted) return;
    print(
      `${banner({
        node: worker.hostname,
        version,
        appName: source.name,
        brokerUrl: facts.parts.brokerUrl,
        backendUrl: facts.parts.backendUrl,
        concurrency: facts.concurrency,
        pool: facts.pool,
        // They come with the room that sends them.
        events: false,
        queues: facts.parts.queueLines,
        tasks: listTasks ? [...source.taskNames()].sort() : undefined,
        now: new Date(),
      })}\n`,
    );
  };
  using _handlers = installSignals(worker, signals);
  try {
    await worker.start(show);
  } catch (error) {
    // A stop during the start is no error of the start.
    if (worker.failure !== undefined) throw error;
  }
  // Awaited here, because the handlers are taken down when this function returns.
  return await worker.closed;
}
