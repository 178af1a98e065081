// Workers: programs that take tasks from a broker and run them. Comes in: an app and options. Goes out: a running worker that can be
// drained, stopped and asked how it is. Several may live in one process; only `runWorkerProgram` touches signals and standard output.
export type { Pool, PoolDriverOptions, PoolPowers, RunOptions, SlotPlace } from '../pool/index.ts';
export type { Job, Outcome } from '../task/index.ts';
export { ShutdownError } from '../util/index.ts';
export {
  type AutoscaleBounds,
  type AutoscaleOptions,
  type Autoscaler,
  readAutoscale,
} from './autoscale.ts';
export { type BannerFields, banner } from './banner.ts';
export { type Blueprints, describeBlueprints, type StepInfo } from './blueprints.ts';
export type { Blueprint, Bootstep, Running } from './bootsteps.ts';
export { builtInCommands } from './control/commands/index.ts';
export type { Command, CommandContext } from './control/seam.ts';
export { WORKER_EXIT } from './exit-codes.ts';
export type { ConsumerHost, WorkerHost, WorkerOptions, WorkerParts } from './host.ts';
export { type LogFile, openLogFile } from './log-file.ts';
export { configureLogging, type LoggingOptions, type LogLevel } from './logging.ts';
export { nodeFormat, nodeName } from './node-name.ts';
export { type ProgramLogging, type ProgramOptions, runWorkerProgram, startWorker } from './program.ts';
export { installSignals, type SignalOptions, type SignalSource } from './shutdown.ts';
export type { StartMoments, Worker, WorkerFacts, WorkerState } from './worker.ts';
export type { WorkerEvents } from './worker-events.ts';
