// Small things without business words: time, ids, waiting, batching, logging, errors. Nothing here knows what a task is.
export * from './backoff.ts';
export * from './batcher.ts';
export * from './clock.ts';
export * from './deadline.ts';
export * from './errors.ts';
export * from './ids.ts';
export * from './logger.ts';
export * from './redact.ts';
export * from './redis-client.ts';
export * from './redis-joint.ts';
export * from './redis-url.ts';
export * from './signal.ts';
export { type Durability, refuseVersion } from './sqlite-engine.ts';
export * from './sqlite-file.ts';
export { holdLock, isLockFree, removeLock } from './sqlite-lock.ts';
export * from './sqlite-path.ts';
export * from './suggest.ts';
