// What the steps of a worker share. Everything lives here and not in module variables, so that one process can hold several workers.

import type { Queue } from '../app/index.ts';
import type { Consumer, Revoked, TaskWatch, WorkerApp } from '../consumer/index.ts';
import type { Dispatcher, EventStream, ReceiveOptions, WorkerView } from '../event/index.ts';
import type { EndOutside, Execute, Pool, SlotProgram } from '../pool/index.ts';
import type { Signals } from '../task/index.ts';
import type { AutoscaleOptions, Autoscaler } from './autoscale.ts';
import type { Bootstep } from './bootsteps.ts';
import type { ControlPort } from './control/port.ts';
import type { ProgramSettings } from './program-settings.ts';
import type { WorkerEvents } from './worker-events.ts';

/** Options of a worker; what is absent comes from the settings of the app. */
export interface WorkerOptions {
  /** Node name: `name@host`; `%h`, `%n` and `%d` stand for parts of the host's name. A value without `@` is a host. */
  readonly hostname?: string;
  /** Tasks at once. */
  readonly concurrency?: number;
  /** `async`, `solo`, `threads`, `prefork`, or the path of a module that exports a pool. */
  readonly pool?: string;
  /** Tasks at once in each slot of prefork or threads. @default 1 */
  readonly slotConcurrency?: number;
  /** Slots of prefork or threads that wait for another to fail. @default 0 */
  readonly spareSlots?: number;
  /** Module that exports the app, for the processes and threads that load it again: `import.meta.resolve('./tasks.ts')`. @default where `-A` or `findApp` found it */
  readonly module?: string;
  /** File that exports the app, for those only, where it is another than `module`: of a program that is bundled. @default the setting workerSlotEntry */
  readonly slotEntry?: string;
  /** Open Node's debugger in each process of prefork: in the first on this port of the loopback, in the second on the next. @default the setting workerSlotInspectPort */
  readonly slotInspectPort?: number | null;
  /** Take from these queues only. */
  readonly queues?: readonly string[];
  /** Do not take from these. */
  readonly excludeQueues?: readonly string[];
  /** Further task modules. */
  readonly include?: readonly string[];
  readonly prefetchMultiplier?: number;
  /** Seconds. */
  readonly timeLimit?: number;
  readonly softTimeLimit?: number;
  readonly maxTasksPerChild?: number;
  readonly maxMemoryPerChild?: number;
  /** Seconds that a warm shutdown waits for running tasks before it aborts them and gives them back; null: without limit. */
  readonly shutdownTimeout?: number | null;
  /** Tasks that run on past their end before the worker stops, so that a new process takes its place; null: any number. */
  readonly maxZombies?: number | null;
  /** Logging of this process is the worker's to set up, and that of its slots too. @default false */
  readonly ownsLogging?: boolean;
  /** Delete what waits in the queues before the start. */
  readonly purge?: boolean;
  /** Values of the options that the app adds to workers (`app.userOptions.worker`), by name. @default theirs */
  readonly userOptions?: Readonly<Record<string, unknown>>;
  /** Further parts of this worker. */
  readonly steps?: readonly Bootstep<WorkerHost>[];
  /** Parts of this worker that live as long as a line to the broker; see `app.steps.consumer`. */
  readonly consumerSteps?: readonly Bootstep<ConsumerHost>[];
  /** As many slots as there is work for, between these bounds; takes the place of `concurrency`. */
  readonly autoscale?: AutoscaleOptions;
  /** Send events about tasks. @default the setting workerSendTaskEvents */
  readonly taskEvents?: boolean;
  /** Seconds between two heartbeats. @default 2 */
  readonly heartbeatInterval?: number;
  /** Say neither online nor offline, and send no heartbeats. @default false */
  readonly withoutHeartbeat?: boolean;
  /** Listen to the events of other workers, and answer their elections. @default false */
  readonly gossip?: boolean;
  /** Seconds without a message, with free slots, after which the line is checked. @default 15 */
  readonly watchdog?: number;
  /** Port for `/livez`, `/readyz` and `/metrics`; 0: any. @default none */
  readonly healthPort?: number | null;
  /** Address on which that port is opened. @default '127.0.0.1' */
  readonly healthHost?: string;
  /** File that is touched as long as the worker is alive; `%n` and the like stand for parts of the node's name. @default none */
  readonly heartbeatFile?: string | null;
  /** Seconds between two looks which queues are paused. @default 10; 2 when the worker hears no commands, which tell it at once */
  readonly pausePoll?: number;
  /** Seconds after which a chord that is complete, and whose body nobody sent, is ended by this worker: whoever completed it is gone. @default 10 */
  readonly staleChords?: number;
  /** After the start, ask the other workers what is revoked. @default true */
  readonly mingle?: boolean;
  /** Go on although another worker of this name answers. @default false */
  readonly allowDuplicateName?: boolean;
  /** File in which it keeps what was revoked. @default the setting workerStateDb */
  readonly stateDb?: string;
}

/** One queue as the banner lists it. */
export interface QueueLine {
  readonly name: string;
  readonly exchange: string;
  readonly exchangeType: string;
  readonly routingKey: string;
}

/** What a worker made of its app: opened once, closed with the worker. */
export interface WorkerParts extends AsyncDisposable {
  readonly app: WorkerApp;
  readonly execute: Execute;
  readonly ended: EndOutside;
  /** What slots in processes and threads run; or why there can be none, with the cure. */
  slots(): Promise<{ readonly program: SlotProgram } | { readonly refused: string }>;
  readonly queueLines: readonly QueueLine[];
  /** The queues that it takes from now. */
  queues(): readonly Queue[];
  readonly control: ControlPort;
  readonly brokerUrl: string;
  readonly backendUrl: string | undefined;
  /** Sends the events of this worker; nothing passes before the step `events` says so. */
  readonly dispatcher: Dispatcher;
  /** Events of all workers. */
  receive(options: ReceiveOptions): EventStream;
}

/** A worker as its steps see it. */
export interface WorkerHost {
  readonly hostname: string;
  readonly options: WorkerOptions;
  readonly signals: Signals;
  readonly parts: WorkerParts;
  readonly settings: ProgramSettings;
  /** Effective pool name. */
  readonly poolName: string;
  readonly concurrency: number | undefined;
  /** Set by the step `pool`. */
  pool: Pool | undefined;
  /** Set by the step `loop` where tasks run on the worker's own event loop; the consumer tells it what begins and ends. */
  tasks: TaskWatch | undefined;
  /** Set by the step `consumer`. */
  consumer: Consumer | undefined;
  /** Set by the step `autoscaler` when there is autoscaling; the control command `autoscale` calls its `update`. */
  autoscaler: Autoscaler | undefined;
  /** Set by the step `events`; absent in a worker that sends none. The control commands enable_events, disable_events and heartbeat use it. */
  events: WorkerEvents | undefined;
  /** What must not run; the consumer asks it. */
  readonly revoked: Revoked;
  /** Set by the step that keeps a state file: what it keeps has changed. */
  stateChanged: (() => void) | undefined;
  /** Set by the step that looks for revoked tasks among what is parked in the broker: there is more to look for. */
  wakeParked: (() => void) | undefined;
  /** Samples of memory that `inspect memsample` took. */
  readonly memorySamples: string[];
  /** Milliseconds (performance.now()) at which it was made. */
  readonly startedAt: number;
  /** Resolves when the worker is ready. */
  readonly started: Promise<void>;
  /** What the worker waits for, a moment at most, before it says that it is ready. */
  readonly beforeReady: Promise<unknown>[];
  /** Statistics of every step. */
  info(): Readonly<Record<string, unknown>>;
  /** Begins a warm shutdown. */
  stop(cause: string): void;
  /** Other workers that are alive; set by the step `gossip` while it listens. */
  peers: (() => readonly WorkerView[]) | undefined;
  /** What lives with each line to the broker: the program's own steps of the consumer. */
  readonly consumerSteps: readonly Bootstep<ConsumerHost>[];
  /** A step found out that the worker cannot go on. */
  fail(error: Error): void;
  /** The worker shall finish what runs and end with exit code 1. */
  retire(reason: string): void;
}

/** A worker as a step of its consumer sees it. */
export interface ConsumerHost {
  readonly hostname: string;
  readonly worker: WorkerHost;
  /** The line that it lives with: 1 for the first, and so on. */
  readonly line: number;
}
