// Events: what happens to tasks and workers, told to whoever watches. Comes in: types and fields. Goes out: transient messages to one
// exchange, and on the other side the same events again, a picture of the cluster made of them, and snapshots of that picture. Nobody
// ever waits for an event: what cannot be sent is kept within bounds, and then dropped.
export { createDispatcher, type Dispatcher, type DispatcherOptions, type EventHost, type EventSettings } from './dispatcher.ts';
