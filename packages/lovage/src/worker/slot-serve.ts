// What a slot does once it has a line to its worker, process or thread: loads the app as the worker did, says that it is up, and runs what
// it is handed. Results, follow-ups and verdicts go to the worker; a connection of its own the slot opens only for what a task does while
// it runs (sending tasks, storing progress), and keeps it.
import { isMainThread } from 'node:worker_threads';
import { findApp, type Lovage, tellSlot } from '../app/index.ts';
import { FRAME, type Frame, Inside, type InsideOptions, type SendFrame, writeValue } from '../pool/index.ts';
import { currentTask, execute } from '../task/index.ts';
import { ConfigurationError, deadline, orAborted, ShutdownError } from '../util/index.ts';
import { type RedirectLevel, redirectConsole } from './redirect.ts';
import { type RecordSink, reportRecords } from './slot-log.ts';

/** How a slot finds the app of its worker. Plain data. */
export interface SlotData {
  /** Module of the app, with its export; none: an app without one. */
  readonly app: string | undefined;
  /** Folder that it is looked for from. */
  readonly base: string;
  readonly config?: string | undefined;
  readonly overrides?: Readonly<Record<string, unknown>> | undefined;
  readonly pairs?: readonly string[] | undefined;
  readonly include: readonly string[];
  readonly hostname: string;
  /** Lowest level of log lines that anybody reads. */
  readonly level: string;
  /** Does the worker set logging up, whatever the modules of the app do? */
  readonly ownsLogging: boolean;
  readonly redirectLevel: RedirectLevel;
  /** Port of the debugger in the first process; the others follow. @default none is opened */
  readonly inspect?: number | undefined;
}

/** Seconds for the observers of workerProcessShutdown, and for closing what the app opened. */
const GOODBYE = 4;

export interface Served {
  readonly name: string;
  readonly pid: number;
  readonly data: SlotData;
  readonly send: SendFrame;
  readonly flush: () => void;
  readonly written?: InsideOptions['written'];
  readonly flags: Int32Array;
  /** Where log records and whole lines of tasks go. */
  readonly report: RecordSink;
  /** Everything has been said: end this process or thread. */
  readonly exit: (code: number) => void;
}

async function load({ app: specifier, base, config, overrides, pairs, include }: SlotData): Promise<Lovage> {
  const app = await findApp(specifier, {
    base,
    ...(config === undefined ? {} : { config }),
    ...(overrides === undefined ? {} : { overrides }),
    ...(pairs === undefined ? {} : { pairs }),
  });
  await app.importTasks(include);
  tellSlot('loaded');
  return app;
}

async function leave(app: Lovage, pid: number): Promise<void> {
  using limit = deadline(GOODBYE, () => new ShutdownError('The slot leaves.'), undefined, { ref: true });
  try {
    await orAborted(
      app.signals.workerProcessShutdown.tell(() => ({ pid, exitCode: 0 })),
      limit.signal,
    );
    await orAborted(app.close(), limit.signal);
  } catch {
    // It leaves whether everybody is ready or not.
  }
}

/** A slot at work. */
export interface Serving {
  receive(frame: Frame): void;
  /** Before an end that nobody asked for. */
  lastWords(): void;
}

/** Begins. */
export function serve(served: Served): Serving {
  const early: Frame[] = [];
  let inside: Inside | undefined;
  let culprit: string | undefined;
  // It ends this slot, and another task may run here by now. Where somebody catches it after all, the next turn comes.
  process.on('uncaughtExceptionMonitor', () => {
    culprit = currentTask()?.request.id;
    setImmediate(() => {
      culprit = undefined;
    });
  });
  begin(served).then(
    (begun) => {
      inside = begun;
      for (const frame of early) begun.receive(frame);
    },
    (error: unknown) => {
      served.send(FRAME.failed, 0, writeValue({ message: textOf(error) }));
      served.exit(1);
    },
  );
  return {
    receive: (frame) => {
      if (inside === undefined) early.push(frame);
      else inside.receive(frame);
    },
    // Whoever calls process.exit is heard here, too.
    lastWords: () => inside?.lastWords(culprit ?? currentTask()?.request.id),
  };
}

function textOf(error: unknown): string {
  // It says where and what to do.
  if (error instanceof ConfigurationError) return error.message;
  const text = error instanceof Error ? (error.stack ?? `${error.name}: ${error.message}`) : String(error);
  const isNative = (error as { readonly code?: unknown } | null)?.code === 'ERR_DLOPEN_FAILED';
  if (isMainThread || !isNative) return text;
  return `${text}\nMany native modules can be loaded by one thread of a process only: use the pool 'prefork', whose slots are processes.`;
}

async function begin({ name, pid, data, send, flush, written, flags, report, exit }: Served): Promise<Inside> {
  const { hostname, level, ownsLogging, redirectLevel } = data;
  tellSlot('loading');
  if (ownsLogging) await reportRecords(report, level, { always: true });
  const app = await load(data);
  await reportRecords(report, level, { always: ownsLogging && app.settings.workerHijackRootLogger });
  // Where nobody reads the log, what tasks write goes on as it is.
  if (level !== 'none') {
    const redirected = redirectConsole(redirectLevel);
    process.on('exit', () => redirected.flush());
  }
  const environment = app.environment({ hostname });
  await app.signals.workerProcessInit.tell(() => ({ pid }));
  const inside = new Inside({
    execute: (job, options) => execute(job, environment, options),
    send,
    flush,
    written,
    place: { pid, name },
    flags,
    leave: () => void leave(app, pid).then(() => exit(0)),
  });
  send(FRAME.up, 0, writeValue({ tasks: [...app.tasks].map((task) => task.name) }));
  return inside;
}
