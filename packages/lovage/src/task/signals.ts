// The signals of one app, typed. Names are Celery's; `signals.on('task_prerun', …)` and `signals.taskPrerun.connect(…)` are the same.
// A task signal's sender is the task's name. Signals observe: the payload is frozen, errors of observers are logged.
import type { TaskRequest } from '../protocol/index.ts';
import { ConfigurationError, type ConnectOptions, camelCase, didYouMean, type Observer, Signal } from '../util/index.ts';
import type { CurrentRequest } from './context.ts';
import type { Retry } from './steer.ts';

type Args = readonly unknown[];
type Kwargs = Readonly<Record<string, unknown>>;

/**
 * A message about to leave, or gone. Told in the process that makes the call, for everything that it publishes itself. What follows
 * a task (retries, callbacks, the next step of a chain) leaves with the task's result, and is told of where the task ran on the worker's
 * own event loop; of a task in a process or thread of the pool only the event task-sent tells. Middleware that wraps the publish sees
 * every call.
 */
export interface PublishPayload {
  readonly task: string;
  readonly id: string;
  readonly exchange: string;
  readonly routingKey: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly args: Args;
  readonly kwargs: Kwargs;
}

/** One execution. */
export interface ExecutionPayload {
  readonly task: string;
  readonly id: string;
  readonly args: Args;
  readonly kwargs: Kwargs;
}

/** A failed execution: sent once for each. */
export interface FailurePayload extends ExecutionPayload {
  readonly error: unknown;
  readonly traceback: string | undefined;
  /** `child`: told by the slot that ran it; `parent`: by the worker, about a slot that could not. */
  readonly origin: 'child' | 'parent';
}

/** How a program logs. */
export interface LoggingPayload {
  readonly loglevel: string;
  readonly logfile: string | undefined;
  readonly format: string;
  readonly colorize: boolean;
}

/** What each signal tells. */
export interface SignalPayloads {
  beforeTaskPublish: PublishPayload;
  afterTaskPublish: PublishPayload;
  taskReceived: { readonly request: TaskRequest };
  taskPrerun: ExecutionPayload;
  taskPostrun: ExecutionPayload & { readonly value: unknown; readonly state: string };
  taskSuccess: ExecutionPayload & { readonly result: unknown };
  /** `reason` is absent when the worker gave the task up for another attempt. */
  taskRetry: { readonly request: CurrentRequest | TaskRequest; readonly reason?: Retry; readonly traceback?: string | undefined };
  taskFailure: FailurePayload;
  taskInternalError: ExecutionPayload & { readonly error: unknown; readonly request: TaskRequest };
  taskRevoked: {
    readonly request: TaskRequest;
    readonly terminated: boolean;
    readonly signal: string | undefined;
    readonly expired: boolean;
  };
  taskRejected: { readonly id: string | undefined; readonly task: string | undefined; readonly error: unknown };
  taskUnknown: { readonly id: string; readonly task: string; readonly error: unknown };
  /** Before a worker applies its options. */
  celerydInit: { readonly hostname: string; readonly options: Readonly<Record<string, unknown>> };
  celerydAfterSetup: { readonly hostname: string };
  importModules: { readonly modules: readonly string[] };
  workerInit: { readonly hostname: string };
  /** Connecting it leaves logging to the observer: nothing else is set up, and the two signals after it are not sent. */
  setupLogging: LoggingPayload;
  afterSetupLogger: LoggingPayload;
  /** `format` is that of the lines that tasks write. */
  afterSetupTaskLogger: LoggingPayload;
  workerBeforeCreateProcess: { readonly pool: string };
  workerProcessInit: { readonly pid: number };
  workerProcessShutdown: { readonly pid: number; readonly exitCode: number | undefined };
  workerReady: { readonly hostname: string };
  heartbeatSent: { readonly hostname: string };
  workerShuttingDown: {
    readonly hostname: string;
    readonly cause: string;
    readonly how: 'warm' | 'cold';
    readonly exitCode: number;
  };
  workerShutdown: { readonly hostname: string };
  /** Beat begins: its schedule is read, nothing is sent yet. */
  beatInit: { readonly store: string; readonly embedded: boolean };
  /** The same once more when it runs inside of a worker. */
  beatEmbeddedInit: { readonly store: string; readonly embedded: boolean };
  /** A command line was read, and its app has options of its own for every command (`app.userOptions.preload`); told before settings are read. */
  userPreloadOptions: { readonly command: string; readonly app: string; readonly options: Readonly<Record<string, unknown>> };
  onConfigure: { readonly app: string };
  onAfterConfigure: { readonly app: string; readonly source: Readonly<Record<string, unknown>> };
  onAfterFinalize: { readonly app: string };
}

export type SignalName = keyof SignalPayloads;
type Snake<Name extends string> = Name extends `${infer Head}${infer Rest}`
  ? `${Head extends Lowercase<Head> ? Head : `_${Lowercase<Head>}`}${Snake<Rest>}`
  : '';
type SnakeNames = { readonly [Name in SignalName as Snake<Name>]: Name };

/** Every signal name, in camelCase or as Celery spells it. */
export type AnySignalName = SignalName | keyof SnakeNames;
/** What the signal of this name tells. */
export type SignalPayload<Name extends AnySignalName> = Name extends SignalName
  ? SignalPayloads[Name]
  : Name extends keyof SnakeNames
    ? SignalPayloads[SnakeNames[Name]]
    : never;

/** The signals of one app. */
export type Signals = { readonly [Name in SignalName]: Signal<SignalPayloads[Name]> } & {
  /** Connects an observer by name. Returns the function that disconnects it. */
  on<Name extends AnySignalName>(name: Name, observer: Observer<SignalPayload<Name>>, options?: ConnectOptions): () => void;
};

const NAMES: Readonly<Record<SignalName, true>> = {
  beforeTaskPublish: true,
  afterTaskPublish: true,
  taskReceived: true,
  taskPrerun: true,
  taskPostrun: true,
  taskSuccess: true,
  taskRetry: true,
  taskFailure: true,
  taskInternalError: true,
  taskRevoked: true,
  taskRejected: true,
  taskUnknown: true,
  celerydInit: true,
  celerydAfterSetup: true,
  importModules: true,
  workerInit: true,
  setupLogging: true,
  afterSetupLogger: true,
  afterSetupTaskLogger: true,
  workerBeforeCreateProcess: true,
  workerProcessInit: true,
  workerProcessShutdown: true,
  workerReady: true,
  heartbeatSent: true,
  workerShuttingDown: true,
  workerShutdown: true,
  beatInit: true,
  beatEmbeddedInit: true,
  userPreloadOptions: true,
  onConfigure: true,
  onAfterConfigure: true,
  onAfterFinalize: true,
};

/** A fresh set of signals, for one app. */
export function createSignals(): Signals {
  const all = Object.fromEntries(Object.keys(NAMES).map((name) => [name, new Signal<object>(name)]));
  const on = (name: string, observer: Observer<object>, options?: ConnectOptions): (() => void) => {
    const key = camelCase(name);
    const signal = Object.hasOwn(all, key) ? all[key] : undefined;
    if (signal === undefined)
      throw new ConfigurationError(`There is no signal '${name}'.${didYouMean(name, Object.keys(NAMES))}`);
    return signal.connect(observer, options);
  };
  // Built from the table of names, which the compiler holds equal to the payloads.
  return { ...all, on } as unknown as Signals;
}
