// Brokers: how messages get from publishers to workers. Comes in: plain messages to publish, queues to declare and watch.
// Goes out: batches of deliveries, and their settling. Drivers are found by URL scheme in drivers.ts and loaded on first use.

export * from './dead-letters.ts';
export { BROKER_SCHEMES, openBroker } from './drivers.ts';
export { type MigrateCounts, type MigrateOptions, migrateQueue } from './migrate.ts';
export { type DeadLetter, discardDeadLetters, listDeadLetters, type ResendOptions, resendDeadLetters } from './redrive.ts';
export { matchesPattern, topicPattern } from './routing.ts';
export type * from './seam.ts';
export type * from './store.ts';
export { virtualBroker } from './virtual.ts';
export { taskIdOf } from './waiting.ts';
