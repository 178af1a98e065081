// Small things without business words: time, ids, waiting, batching, logging, errors. Nothing here knows what a task is.
export * from './backoff.ts';
export * from './batcher.ts';
export * from './clock.ts';
export * from './deadline.ts';
export * from './errors.ts';
export * from './ids.ts';
export * from './logger.ts';
export * from './redact.ts';
export * from './suggest.ts';
