// Brokers: how messages get from publishers to workers. Comes in: plain messages to publish, queues to declare and watch.
// Goes out: batches of deliveries, and their settling. Drivers are found by URL scheme in drivers.ts and loaded on first use.
export type * from './seam.ts';
