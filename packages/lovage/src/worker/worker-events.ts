// What a worker says of itself, and what others may switch: the member `events` of a worker's host.
import { loadavg, type } from 'node:os';
import type { Flow } from '../consumer/index.ts';
import type { Dispatcher } from '../event/index.ts';
import type { WorkerFields } from '../protocol/index.ts';
import { version } from '../util/index.ts';

/** Seconds between two heartbeats. */
export const HEARTBEAT_INTERVAL = 2;

/** The events of a worker, as steps and control commands reach them. */
export interface WorkerEvents {
  readonly dispatcher: Dispatcher;
  /** Begins to send events about tasks. Answers false when it does already. */
  enableTasks(): boolean;
  /** Ends sending events about tasks. Answers false when it does not send any. */
  disableTasks(): boolean;
  /** Says how the worker is. */
  say(what: 'worker-online' | 'worker-heartbeat' | 'worker-offline'): void;
}

const SOFTWARE = { swIdent: 'lovage', swVer: version(), swSys: type() };
const twoDecimals = (value: number): number => Math.round(value * 100) / 100;

/** Whose events these are. */
export interface EventfulWorker {
  readonly dispatcher: Dispatcher;
  /** Seconds between two heartbeats. */
  readonly freq: number;
  /** Undefined before there is one. */
  flow(): Pick<Flow, 'running' | 'totals'> | undefined;
}

/** How a worker is, at this moment. */
function workerFields({ freq, flow }: EventfulWorker): WorkerFields {
  const { running: active = 0, totals = new Map<string, number>() } = flow() ?? {};
  let processed = 0;
  for (const count of totals.values()) processed += count;
  return { freq, active, processed, loadavg: loadavg().map(twoDecimals), ...SOFTWARE };
}

/** The events of this worker. */
export function workerEvents(worker: EventfulWorker): WorkerEvents {
  const { dispatcher } = worker;
  return {
    dispatcher,
    enableTasks: () => dispatcher.enable('task'),
    disableTasks: () => dispatcher.disable('task'),
    say: (what) => dispatcher.send(what, { ...workerFields(worker) }),
  };
}
