// The worker's side of a queue: takes messages, decides whether and when they run, has a pool run them, and settles them so that
// nothing is lost. Comes in: deliveries. Goes out: jobs for the pool, then results, messages and verdicts.
export { Consumer, type ConsumerOptions, type LineState, type LineSteps } from './consumer.ts';
export type { Flow, TaskWatch } from './flow.ts';
export type {
  AddedQueue,
  ConsumerObserver,
  ConsumerSettings,
  EventError,
  JoinPort,
  RecordWriter,
  ResultOwner,
  TaskEvents,
  TaskSuccess,
  WorkerApp,
} from './port.ts';
export type { Entry, EntryState, Requests } from './request.ts';
export { type Kept, Revoked, type RevokedLimits, type RevokedStamp, stampsOf } from './revoked.ts';
