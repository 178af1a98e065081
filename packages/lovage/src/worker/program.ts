// A worker as a program: banner, signals, exit code. `lovage worker` is this with the command line's options.
import { type Lovage, userValues } from '../app/index.ts';
import { logger, reasonOf } from '../util/index.ts';
import { banner } from './banner.ts';
import type { WorkerOptions } from './host.ts';
import { openLogFiles } from './log-file.ts';
import { configureLogging, type LoggingOptions } from './logging.ts';
import { nodeFormat } from './node-name.ts';
import { sourceOf } from './of-app.ts';
import { checkOptions } from './options.ts';
import { redirectConsole } from './redirect.ts';
import { installSignals, type SignalOptions } from './shutdown.ts';
import type { WorkerSource } from './source.ts';
import { catchStrays } from './strays.ts';
import { type StartMoments, Worker, type WorkerFacts } from './worker.ts';

/** How a worker program logs. */
export interface ProgramLogging extends LoggingOptions {
  /** File for the lines; parts such as `%n` stand for parts of the node's name. @default the setting workerLogfile, else `write` */
  readonly file?: string | undefined;
}

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
  readonly logging?: ProgramLogging;
  /** Where signals come from, and what they may do. */
  readonly signals?: SignalOptions;
  /** Called when everything but the broker is there: settings, pool, logging. */
  readonly prepared?: () => void;
  /** Name the process after the node (`lovage: w1@box:MainProcess`). @default false */
  readonly title?: boolean;
}

const log = logger('worker');

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

/** The number of the slot at the end of its name; 0 for the main process. */
function slotOf(process: string): number {
  return Number(/\d+$/.exec(process)?.[0] ?? 0);
}

/** Sets logging up as the settings say, unless an observer of setupLogging does it. Resolves to what closes it. */
async function setUpLogging(app: Lovage, hostname: string, given: ProgramLogging): Promise<Disposable | undefined> {
  const { workerLogFormat, workerTaskLogFormat, workerLogColor, workerHijackRootLogger, workerLogfile } = app.settings;
  const { signals } = app;
  const name = given.file ?? workerLogfile ?? undefined;
  const logfile = name === undefined ? undefined : nodeFormat(name, hostname);
  const color = workerLogColor ?? (logfile === undefined && (given.color ?? false));
  const told = { loglevel: given.level, logfile, colorize: color };
  await signals.setupLogging.tell(() => ({ ...told, format: workerLogFormat }));
  if (signals.setupLogging.observed || !workerHijackRootLogger) return undefined;
  const file = name === undefined ? undefined : openLogFiles((slot) => nodeFormat(name, hostname, slot));
  await configureLogging({
    lineFormat: workerLogFormat,
    taskFormat: workerTaskLogFormat,
    ...given,
    color,
    ...(file === undefined ? {} : { write: (line: string, process: string): void => file.write(line, slotOf(process)) }),
  });
  await signals.afterSetupLogger.tell(() => ({ ...told, format: workerLogFormat }));
  await signals.afterSetupTaskLogger.tell(() => ({ ...told, format: workerTaskLogFormat }));
  return file;
}

/** Runs a worker until a signal or an error ends it. Resolves to the exit code, see WORKER_EXIT. */
export async function runWorkerProgram(app: Lovage, options: ProgramOptions = {}): Promise<number> {
  const {
    banner: wanted = true,
    listTasks = true,
    version = '',
    write,
    signals = {},
    logging,
    title,
    prepared,
    ...own
  } = options;
  checkOptions(own);
  const source = sourceOf(app);
  const worker = new Worker(source, { ...withUserOptions(app, own), ownsLogging: logging !== undefined });
  if (title === true) process.title = `lovage: ${worker.hostname}:MainProcess`;
  await using closing = new AsyncDisposableStack();
  const print = write ?? ((text: string): void => void process.stdout.write(text));
  let file: Disposable | undefined;
  const moments: StartMoments = {
    initialized: async () => {
      file = logging && closing.use(await setUpLogging(app, worker.hostname, logging));
      const { workerRedirectStdouts, workerRedirectStdoutsLevel } = app.settings;
      if (workerRedirectStdouts) closing.use(redirectConsole(workerRedirectStdoutsLevel));
    },
    facts: (facts) => {
      // Before the first task, and after the modules: what those leave behind is an error of the start.
      closing.use(catchStrays());
      if (wanted) print(`${bannerOf(worker, source, { facts, version, listTasks })}\n`);
      prepared?.();
    },
  };
  closing.use(installSignals(worker, signals));
  try {
    await worker.start(moments);
  } catch (error) {
    // A stop during the start is no error of the start.
    if (worker.failure !== undefined) {
      // Whoever calls tells it too, but in the background nobody hears that.
      if (file !== undefined) log.fatal('Unrecoverable error: {reason}', { reason: reasonOf(error) });
      throw error;
    }
  }
  // Awaited here, because the handlers are taken down when this function returns.
  return await worker.closed;
}

function bannerOf(
  worker: Worker,
  source: WorkerSource,
  { facts, version, listTasks }: { readonly facts: WorkerFacts; readonly version: string; readonly listTasks: boolean },
): string {
  return banner({
    node: worker.hostname,
    version,
    appName: source.name,
    brokerUrl: facts.parts.brokerUrl,
    backendUrl: facts.parts.backendUrl,
    concurrency: facts.concurrency,
    pool: facts.pool,
    events: facts.taskEvents,
    queues: facts.parts.queueLines,
    tasks: listTasks ? [...source.taskNames()].sort() : undefined,
    now: new Date(),
  });
}
