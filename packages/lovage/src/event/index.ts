// Events: what happens to tasks and workers, told to whoever watches. Comes in: types and fields. Goes out: transient messages to one
// exchange, and on the other side the same events again, a picture of the cluster made of them, and snapshots of that picture. Nobody
// ever waits for an event: what cannot be sent is kept within bounds, and then dropped.
export { createDispatcher, type Dispatcher, type DispatcherOptions, type EventKind } from './dispatcher.ts';
export {
  type Camera,
  type CameraOptions,
  followEvents,
  type LiveOptions,
  type LiveState,
  ratePerSecond,
  startCamera,
} from './live.ts';
export { createEventOutbox, type DispatcherInfo, type EventHost, type EventOutbox, type EventSettings } from './outbox.ts';
export {
  type EventStream,
  type GapEvent,
  type ReceivedEvent,
  type ReceiveOptions,
  type ReceiverHost,
  receiveEvents,
  type StreamEvent,
  type StreamState,
} from './receiver.ts';
export { ClusterState, type ClusterStateOptions, type TaskQuery, type WorkerView } from './state.ts';
export type { TaskView } from './task-view.ts';
export type { MonitorSettings } from './topology.ts';
