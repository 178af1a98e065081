// Tasks: what they are, how they are called and what happens when one runs. Comes in: a function with options, a job for a slot.
// Goes out: a typed handle whose calls go to the Publisher port; an Outcome whose writes the worker does.
export * from './context.ts';
export type * from './declare.ts';
export type * from './environment.ts';
export type * from './handle.ts';
export type * from './handlers.ts';
export type * from './job.ts';
export * from './middleware.ts';
export type * from './options.ts';
export type * from './publisher.ts';
export * from './signals.ts';
export * from './states.ts';
export * from './steer.ts';
